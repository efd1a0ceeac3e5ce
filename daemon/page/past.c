/* SPDX-License-Identifier: Apache-2.0 */
#include "page/past.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/lock.h"
#include "base/memory.h"

struct past {
    struct lock lock;
    struct past_point points[PAST_POINTS]; /* lock */
    size_t count;                          /* lock; ever added */
    size_t function_count;
    struct function_counts *functions;             /* lock; PAST_FUNCTION_POINTS rows */
    int64_t functions_at_ms[PAST_FUNCTION_POINTS]; /* lock */
    size_t function_rows;                          /* lock; ever added */
};

struct past *past_create(size_t function_count)
{
    struct past *past = xcalloc(1, sizeof(*past));

    lock_init(&past->lock);
    past->function_count = function_count;
    past->functions = xcalloc(function_count * PAST_FUNCTION_POINTS + 1, sizeof(*past->functions));
    return past;
}

void past_destroy(struct past *past)
{
    lock_done(&past->lock);
    free(past->functions);
    free(past);
}

void past_add(struct past *past, const struct past_point *point)
{
    lock_take(&past->lock);
    past->points[past->count++ % PAST_POINTS] = *point;
    lock_give(&past->lock);
}

size_t past_points(struct past *past, struct past_point *out)
{
    lock_take(&past->lock);
    size_t count = past->count < PAST_POINTS ? past->count : PAST_POINTS;
    for (size_t i = 0; i < count; i++)
        out[i] = past->points[(past->count - count + i) % PAST_POINTS];
    lock_give(&past->lock);
    return count;
}

void past_add_functions(struct past *past, int64_t at_ms, const struct function_counts *counts)
{
    lock_take(&past->lock);
    size_t row = past->function_rows++ % PAST_FUNCTION_POINTS;
    memcpy(past->functions + row * past->function_count, counts, past->function_count * sizeof(*counts));
    past->functions_at_ms[row] = at_ms;
    lock_give(&past->lock);
}

bool past_function(struct past *past, size_t index, int64_t *ret_at_ms, struct function_counts *ret_counts)
{
    lock_take(&past->lock);
    bool is_there = past->function_rows > 0;
    size_t row = past->function_rows < PAST_FUNCTION_POINTS ? 0 : past->function_rows % PAST_FUNCTION_POINTS;
    assert(index < past->function_count && row < PAST_FUNCTION_POINTS);
    if (is_there) {
        *ret_at_ms = past->functions_at_ms[row];
        *ret_counts = past->functions[row * past->function_count + index];
    }
    lock_give(&past->lock);
    return is_there;
}
