/* SPDX-License-Identifier: Apache-2.0 */
/* Runs as lists show them: of each no more is read than a row needs, in bounded pieces. */
#ifndef STEPD_PAGE_ROWS_H
#define STEPD_PAGE_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/runs.h"
#include "view/json_out.h"
#include "view/run_view.h"

/* Through one list of one shard. */
struct walk {
    enum runs_list list;
    int shard;
    enum run_status status;  /* others are passed over, and not read; 0: any */
    int64_t last_ms;         /* of what the list is in order of: the walk ends there */
    struct runs_place place; /* the next run; of RUNS_OWNED and RUNS_BEHIND `skip` alone */
    bool is_end;
};

struct row {
    char id[RUN_ID_LENGTH + 1];
    struct runs_place after; /* the place behind it in the walk */
    const struct record *record;
    struct run_view *view; /* NULL: it is too large to be read for a row */
};

/* At the start of a list, with no end before its own. */
void walk_init(struct walk *walk, enum runs_list list, int shard);
/* Looks at the next runs, at most `most` of them, until `look` wants no more (false): `place` is then
 * behind the last it was shown. Negative errno as runs_peek(). */
int walk_on(struct walk *walk, struct redis_store *store, size_t most, bool (*look)(void *context, const struct row *row),
            void *context) MUST_CHECK;

void row_json(const struct row *row, struct json_out *out);

#endif
