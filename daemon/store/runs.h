/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs as people see and change them: what stepctl and the page ask of the store. All calls wait; 0, or
 * -ESHUTDOWN or -EIO unless they say more.
 */
#ifndef STEPD_STORE_RUNS_H
#define STEPD_STORE_RUNS_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "run/run.h"
#include "store/record.h"
#include "store/store.h"

struct loaded_run {
    char id[RUN_ID_LENGTH + 1];
    struct record record;
    struct bytes *checkpoints; /* run/checkpoints.h decodes them */
    size_t checkpoint_count;
    msgpack_zone *zone; /* all of it lives until loaded_run_done() */
    void *reply;        /* the store's own */
};

/* 0, -ENOENT: the store has no such run, -EBADMSG: its record is damaged. */
int runs_load(struct redis_store *store, const char *id, struct loaded_run *ret_run, struct error *ret_error) MUST_CHECK;
void loaded_run_done(struct loaded_run *run);

enum runs_list {
    RUNS_DELAYED,
    RUNS_OWNED,
    RUNS_BEHIND,
    RUNS_DEAD,
    RUNS_HISTORY,
    RUNS_QUEUED,   /* in line for their turns, each function's first of all */
    RUNS_WAITING,  /* for what comes from elsewhere, by when their time is over */
    RUNS_NEWEST,   /* those of all states that began last, at least 10,000 a shard: no more are listed so */
    RUNS_FOR_ROOM, /* those of RUNS_DELAYED that wait in line for room, or until their function is resumed */
    RUNS_DUE,      /* RUNS_DELAYED but for those that wait in line for room */
};

/* Whether the first of a list is the next that is due: it goes on in time, others go back. */
static inline bool runs_list_goes_up(enum runs_list list)
{
    return list == RUNS_DELAYED || list == RUNS_WAITING || list == RUNS_DUE;
}

/* Ids of at most `limit` runs of a shard's list, latest first (delayed: due next first), from
 * position `first` on. RUNS_OWNED and RUNS_BEHIND: over all workers and keys; RUNS_BEHIND as far as runs_list_behind() looks. */
int runs_list(struct redis_store *store, enum runs_list list, int shard, size_t first, size_t limit, struct run_id **ret_ids,
              size_t *ret_count) MUST_CHECK;
/* The same of RUNS_BEHIND, which a walk over all of Redis's keys finds: of many it looks at fifty thousand, and at more for a tenth of a
 * second, unless `limit` is SIZE_MAX. *ret_is_whole: it has seen all. */
int runs_list_behind(struct redis_store *store, int shard, size_t first, size_t limit, struct run_id **ret_ids, size_t *ret_count,
                     bool *ret_is_whole) MUST_CHECK;

/* What is wanted of a run for a list. */
struct runs_peek {
    enum run_status status; /* others are passed over, and not read; 0: any */
    size_t whole_most;      /* a larger record, in bytes, is read no further than what comes before its event's value */
};

#define RUNS_PEEK_MOST 100 /* ids a call */

/* Reads the given runs of a shard, in one call, and shows each to `look` until it wants no more (false):
 * ids[index], whole or the head alone, without checkpoints. Runs that are gone, damaged or of another
 * status are left out. What `look` is given lives until it returns. */
int runs_peek(struct redis_store *store, int shard, const struct run_id *ids, size_t count, const struct runs_peek *peek,
              bool (*look)(void *context, size_t index, const struct loaded_run *run, bool is_whole), void *context) MUST_CHECK;

/* Ids that begin with `digits`, lower-case hex, enough of them to say which shard: at most `most`. Of 12 digits
 * or more the first that is found is enough, and it is looked for among the newest runs first; else it walks over all keys of a
 * shard, for people, who can wait. */
int runs_find(struct redis_store *store, const char *digits, size_t most, struct run_id *ret_ids, size_t *ret_count) MUST_CHECK;

/* Where a run that has not ended stands in the lists by which it goes on. Only what its status asks for is filled. */
struct runs_standing {
    int64_t due_ms;         /* delayed, sleeping, waiting: -1: it is in no list, or: queued: when its line is tried next */
    bool is_in_line;        /* delayed: it waits for room under its function's concurrency */
    int64_t lease_until_ms; /* owned: its worker's; -1: nobody knows that worker */
    bool is_owned;          /* owned: it is in its worker's list */
    char worker[2 * sizeof(struct incarnation) + 1]; /* owned: its name in hex digits */
    struct run_id first;                             /* behind: the run of its key that is first; empty: none */
    int64_t before;                                  /* behind, queued: so many more wait before it; -1: it is in no line */
    bool is_blocked;                                 /* queued: its line waits for a place under a concurrency limit; else for its turn */
    bool is_one_too_many;                            /* queued: as many runs of its function live as may (`cancel_on`) */
    bool is_held;                                    /* queued: its breaker is open; before all else that it may wait for */
    bool is_debounced;                               /* queued: it waits for a later event of its key, until due_ms */
    bool has_key;                                    /* queued: what it waits for is counted by `key` */
    char key[260];
};
int runs_standing(struct redis_store *store, const struct loaded_run *run, struct runs_standing *ret_standing) MUST_CHECK;

/* How many a shard's list has; of RUNS_OWNED and RUNS_BEHIND that is not known. */
int runs_count(struct redis_store *store, enum runs_list list, int shard, uint64_t *ret_count) MUST_CHECK;

/* Between two calls lists grow and shrink at both ends; this place stays where it is. */
struct runs_place {
    int64_t at_ms; /* INT64_MAX: the start of a list that goes back in time; RUNS_DELAYED and RUNS_WAITING begin at 0 */
    size_t skip;   /* so many of that very time are behind us */
};

struct listed_run {
    struct run_id id;
    struct runs_place after; /* its at_ms is what the run is listed by: when it began, is due, or ended */
};

/* At most `limit` runs from `place` on, in runs_list()'s order, none beyond `last_ms`. Not for RUNS_OWNED and
 * RUNS_BEHIND. The caller frees. */
int runs_list_on(struct redis_store *store, enum runs_list list, int shard, struct runs_place place, int64_t last_ms, size_t limit,
                 struct listed_run **ret_runs, size_t *ret_count) MUST_CHECK;

/* All runs of a shard that wait in lines, for room (RUNS_DELAYED) or for their turns (RUNS_QUEUED), some at once, in no order,
 * until `each` wants no more (false). `only`: in that function's line; NULL: in all. */
int runs_each_in_line(struct redis_store *store, enum runs_list list, int shard, const char *only,
                      bool (*each)(void *context, const struct run_id *ids, size_t count), void *context) MUST_CHECK;

/* Runs of a function that stand in one line: for turns and places that hang on the same keys, or for room under its `concurrency`. */
struct waiting_line {
    char *function;
    char *keys; /* those that its limits count by, ", " between them; "": none does */
    uint64_t count;
    struct run_id first; /* the next of them */
};
struct waiting_lines {
    struct waiting_line *items;
    size_t count;
    uint64_t more; /* that are not among them */
};
/* A shard's lines: of the 20 functions with the most runs in line 20 each, those that are tried next first. The caller gives it to
 * waiting_lines_done(). */
int runs_lines(struct redis_store *store, int shard, struct waiting_lines *ret_lines) MUST_CHECK;
void waiting_lines_done(struct waiting_lines *lines);

/* When the oldest run of RUNS_NEWEST began: what began earlier stands in the other lists alone. INT64_MAX: it is empty. */
int runs_newest_since(struct redis_store *store, int shard, int64_t *ret_since_ms) MUST_CHECK;

enum runs_change { RUNS_CHANGED, RUNS_ASKED /* its worker ends it */, RUNS_IN_VAIN /* not in a state for it */ };

/* Of one that has no record the daemons are asked to end its first attempt, should it be under way: RUNS_ASKED. */
int runs_cancel(struct redis_store *store, const char *id, enum runs_change *ret_change, struct error *ret_error) MUST_CHECK;
/* A failed or cancelled run begins anew, with a clean counter, after its last good checkpoint. */
int runs_retry(struct redis_store *store, const char *id, enum runs_change *ret_change, struct error *ret_error) MUST_CHECK;

enum runs_deed { RUNS_RETRY, RUNS_CANCEL };
struct runs_changed {
    size_t changed, asked; /* as enum runs_change says of one */
};
/* The same of at most RUNS_PEEK_MOST runs of a shard, together: adds to *changed what became of them. Those that are gone are passed over. */
int runs_change_many(struct redis_store *store, enum runs_deed deed, int shard, const struct run_id *ids, size_t count,
                     struct runs_changed *changed) MUST_CHECK;

/* Totals since this process began; what the store keeps of them is summed over all workers. */
struct worker_counts {
    uint64_t events_consumed, runs_started, runs_completed, runs_failed, retries_scheduled, dead_letters;
};

struct runs_stats {
    struct worker_counts counts; /* all workers, dead ones too */
    uint64_t delayed, queued, waiting, owned, dead, history, workers;
    int64_t next_due_ms; /* 0: none */
};
int runs_stats(struct redis_store *store, struct runs_stats *ret_stats) MUST_CHECK;

/* Whether a daemon has, or had within a day, a function of that name: each writes down those that it has. */
int runs_function_is_known(struct redis_store *store, const char *function, bool *ret_is_known) MUST_CHECK;

/* Runs that wait in line for their turns, by function. */
struct queued_runs {
    char *function;
    uint64_t count;
};
struct queued_list {
    struct queued_runs *items;
    size_t count;
};
/* Of that function `only`; NULL: of all. The caller gives it to queued_list_done(). */
int runs_queued(struct redis_store *store, const char *only, struct queued_list *ret_list) MUST_CHECK;
void queued_list_done(struct queued_list *list);

#endif
