/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs as people see and change them: what stepctl asks of the store.
 */
#ifndef STEPD_STORE_REDIS_RUNS_H
#define STEPD_STORE_REDIS_RUNS_H

#include <msgpack.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "run/run.h"
#include "store/redis/record.h"
#include "store/redis/store.h"
#include "store/redis/counters.h"

struct loaded_run {
    char id[RUN_ID_LENGTH + 1];
    struct record record;
    struct bytes *checkpoints;   /* run/steps.h decodes them */
    size_t checkpoint_count;
    msgpack_zone *zone;          /* all of it lives until loaded_run_done() */
    redisReply *reply;
};

/* 0, -ENOENT: the store has no such run, -EBADMSG: its record is damaged, or as store_call(). */
int runs_load(struct redis_store *store, const char *id, struct loaded_run *ret_run, struct error *ret_error) MUST_CHECK;
void loaded_run_done(struct loaded_run *run);

enum runs_list {
    RUNS_DELAYED,
    RUNS_OWNED,
    RUNS_BEHIND,
    RUNS_DEAD,
    RUNS_HISTORY,
    RUNS_NEWEST,   /* those of all states that began last, at least 10,000 a shard: no more are listed so */
};

/* Ids of at most `limit` runs of a shard's list, latest first (delayed: due next first), from
 * position `first` on. RUNS_OWNED and RUNS_BEHIND: over all workers and keys. */
int runs_list(struct redis_store *store, enum runs_list list, int shard, size_t first, size_t limit,
              struct run_id **ret_ids, size_t *ret_count) MUST_CHECK;

/* How many a shard's list has; of RUNS_OWNED and RUNS_BEHIND that is not known. */
int runs_count(struct redis_store *store, enum runs_list list, int shard, uint64_t *ret_count) MUST_CHECK;

/* Between two calls lists grow and shrink at both ends; this place stays where it is. */
struct runs_place {
    int64_t at_ms;   /* INT64_MAX: the start of a list that goes back in time; RUNS_DELAYED begins at 0 */
    size_t skip;     /* so many of that very time are behind us */
};

struct listed_run {
    struct run_id id;
    struct runs_place after;   /* its at_ms is what the run is listed by: when it began, is due, or ended */
};

/* At most `limit` runs from `place` on, in runs_list()'s order, none beyond `last_ms`. Not for RUNS_OWNED and
 * RUNS_BEHIND. The caller frees. */
int runs_list_on(struct redis_store *store, enum runs_list list, int shard, struct runs_place place, int64_t last_ms,
                 size_t limit, struct listed_run **ret_runs, size_t *ret_count) MUST_CHECK;

/* When the oldest run of RUNS_NEWEST began: what began earlier stands in the other lists alone. INT64_MAX: it is empty. */
int runs_newest_since(struct redis_store *store, int shard, int64_t *ret_since_ms) MUST_CHECK;

enum runs_change { RUNS_CHANGED, RUNS_ASKED /* its worker ends it */, RUNS_IN_VAIN /* not in a state for it */ };

int runs_cancel(struct redis_store *store, const char *id, enum runs_change *ret_change, struct error *ret_error) MUST_CHECK;
/* A failed or cancelled run begins anew, with a clean counter, after its last good checkpoint. */
int runs_retry(struct redis_store *store, const char *id, enum runs_change *ret_change, struct error *ret_error) MUST_CHECK;

struct runs_stats {
    struct worker_counts counts;  /* all workers, dead ones too */
    uint64_t delayed, owned, dead, history, workers;
    int64_t next_due_ms;          /* 0: none */
};
int runs_stats(struct redis_store *store, struct runs_stats *ret_stats) MUST_CHECK;

#endif
