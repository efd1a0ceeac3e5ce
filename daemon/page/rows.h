/* SPDX-License-Identifier: Apache-2.0 */
/* Runs as lists show them: of each no more is read than a row needs, in bounded pieces. */
#ifndef STEPD_PAGE_ROWS_H
#define STEPD_PAGE_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "redis/runs.h"
#include "view/json_out.h"
#include "view/run_view.h"

struct row {
    char id[RUN_ID_LENGTH + 1];
    size_t place;             /* in its list, from 0 */
    const struct record *record;
    const struct run_view *view;  /* NULL: it is too large to be read for a row */
};

/* Looks at the runs of a shard's list from place `first` on, at most `most` of them, until `look` wants no
 * more (false). *ret_next: the place after the last one looked at; *ret_is_end: there are no more.
 * Negative errno as store_command(). */
int rows_look(struct redis_store *store, enum runs_list list, int shard, size_t first, size_t most,
              bool (*look)(void *context, const struct row *row), void *context, size_t *ret_next, bool *ret_is_end) MUST_CHECK;

void row_json(const struct row *row, struct json_out *out);

#endif
