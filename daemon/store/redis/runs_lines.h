/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lines in which runs wait, one a function: `line:<function>` for room under its concurrency, `queue:<function>` for
 * turns under limits of all daemons. There may be ten thousand of them: each call asks for some hundred at once.
 */
#ifndef STEPD_STORE_REDIS_RUNS_LINES_H
#define STEPD_STORE_REDIS_RUNS_LINES_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "store/store.h"

#define LINES_ROOM "line"
#define LINES_TURN "queue"
#define LINES_BOTH LINES_ROOM " " LINES_TURN /* of lines_sizes() alone */

struct line_size {
    char *function;
    uint64_t count; /* 0: nobody waits in it now */
};

struct line_sizes {
    struct line_size *items;
    size_t count;
};

/* Of a shard. All: 0, -ESHUTDOWN or -EIO. The caller gives it to line_sizes_done(). */
int lines_sizes(struct redis_store *store, int shard, const char *kind, struct line_sizes *ret_sizes) MUST_CHECK;
void line_sizes_done(struct line_sizes *sizes);
/* How many runs wait in all of them. */
int lines_count(struct redis_store *store, int shard, const char *kind, uint64_t *count) MUST_CHECK;

struct lines_range {
    const char *kind;
    const char *from, *to; /* scores */
    const char *most;      /* of each line */
};

/* Shows of each line that has some the function, and the run ids with their scores, as ZRANGEBYSCORE answers; until `each` wants no
 * more (false). */
int lines_each(struct redis_store *store, int shard, const struct lines_range *range,
               bool (*each)(void *context, const char *function, const redisReply *ids_and_scores), void *context) MUST_CHECK;

#endif
