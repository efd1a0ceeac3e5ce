/* SPDX-License-Identifier: Apache-2.0 */
/* The last 15 minutes: a ring of what was counted, every 5 s; and functions' counts, every 30 s. Locks itself. */
#ifndef STEPD_PAGE_PAST_H
#define STEPD_PAGE_PAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/dispatch.h"

#define PAST_EVERY_MS 5000
#define PAST_POINTS 181 /* 15 minutes, both ends */
#define PAST_FUNCTIONS_EVERY_MS 30000
#define PAST_FUNCTION_POINTS 10 /* 5 minutes */

struct past_point {
    int64_t at_ms;
    uint64_t events, completed, failed, retried; /* totals */
    uint64_t delayed, lag, busy;                 /* as they were */
};

struct past;

struct past *past_create(size_t function_count);
void past_destroy(struct past *past);
void past_add(struct past *past, const struct past_point *point);
/* Oldest first, at most PAST_POINTS. */
size_t past_points(struct past *past, struct past_point *out);
/* `counts`: of all functions. */
void past_add_functions(struct past *past, int64_t at_ms, const struct function_counts *counts);
/* The oldest counts kept of a function, and when that was; false: none are. */
bool past_function(struct past *past, size_t index, int64_t *ret_at_ms, struct function_counts *ret_counts);

#endif
