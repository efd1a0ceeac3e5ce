/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store: what outlives an attempt. Redis stands behind it (store/redis), spread over shards; nothing
 * above this folder knows a key, a command, or a reply. run/ports.h is the part of it by which runs go on;
 * store/runs.h shows and changes them, store/crashes.h and store/shelf.h keep small things that all daemons
 * share, store/health.h tells how the servers are set up.
 *
 * A call ends when the store has answered. Connection lost, silent, loading, busy, read-only, out of
 * memory, a slot on its way: said once, retried with a small backoff until it works or the store stops
 * (-ESHUTDOWN). -EIO: it refuses this for good (logged).
 */
#ifndef STEPD_STORE_STORE_H
#define STEPD_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/histogram.h"
#include "config/history_kept.h"
#include "flow/key_set.h"
#include "run/confirmation.h"
#include "run/known_runs.h"
#include "run/ports.h"

struct redis_store;

struct store_settings {
    const char *url;    /* url.h */
    const char *prefix; /* of all keys */
    int shards;         /* 1 or more; written to Redis at first use */
    enum history_kept history;
    int64_t history_age_ms;
    int64_t history_count;
    size_t state_bytes; /* of a run's checkpoints together: past it STORE_LIMIT */
    size_t waits;       /* of a function whose runs any event may cancel, so that each is tried, so many live; 0: any number */
    int64_t lease_ms;   /* of this worker's runs, from heartbeat to heartbeat */
    int64_t timeout_ms; /* connecting, and a reply: a link silent for longer is given up */
    /* A lane's thread, one at a time: another server process stands behind a shard, which may have lost the
     * last writes (a restart, a failover, a slot that moved); or the timer thread: our lease ran out.
     * `is_rollback` says the former: the consumer then rewinds to its committed offsets. Must not wait for
     * the store. NULL is fine. */
    void (*on_new_incarnation)(void *context, bool is_rollback);
    /* A lane's thread: it can't go on (another number of shards). NULL is fine. */
    void (*fatal)(const char *why);
    void *context; /* of on_new_incarnation */
};

/* Copies what it is given. */
struct redis_store *store_create(const struct store_settings *settings);
/* Starts the threads and waits for what comes of connecting. A wrong URL, password or number of shards:
 * negative errno with the reason, and it is stopped. -EAGAIN with the reason: Redis can't be reached now; it
 * goes on trying, so a caller that can wait may ignore it. */
int store_start(struct redis_store *store, struct error *ret_error) MUST_CHECK;
/* Any thread: every call that waits, now and later, answers -ESHUTDOWN. */
void store_stop(struct redis_store *store);
/* Stops and frees. NULL is fine. */
void store_destroy(struct redis_store *store);

/* Core's view of it; lives as long as the store. */
struct store *store_port(struct redis_store *store);
/* Any thread. Whether all shards answered the last time something was asked. */
bool store_is_up(struct redis_store *store);
struct store_counts {
    struct histogram_counts round_trips; /* µs, from a request's going out to its reply */
    struct histogram_counts batches;     /* requests that went out together */
};
/* Any thread: what all servers were asked. */
void store_counts(struct redis_store *store, struct store_counts *ret_counts);
struct incarnation store_incarnation(struct redis_store *store);
/* The time of shard 0's server. */
int64_t store_now_ms(struct redis_store *store);
/* Any thread: a moment (monotonic ms) at which behind every shard was still the server that had acknowledged
 * all it did before. Stands still while one does not answer; on_new_incarnation is called before it moves on
 * under another. */
int64_t store_seen_ms(const struct redis_store *store);
int store_shards(const struct redis_store *store);
int store_shard_of(const struct redis_store *store, const char *run_id);
/* Consumer, on assignment: the runs of a partition that the store knows, which are the caller's to release, and
 * (into `keys`) the ordered keys that have a run in the store. */
int store_load_partition(struct redis_store *store, const char *topic, int32_t partition, struct key_set *keys,
                         struct known_runs *ret_known) MUST_CHECK;

/* ---- what readers have to know of runs that wait (docs/inside/waits.md) ---- */

/* Tells how far `places` are matched, where all watches are known that there are, and hears of those that are not, and of those
 * that are none any more. Waits. *known follows; with another process than before nothing was told. */
int store_confirm(struct redis_store *store, int shard, struct confirmation *known, struct matched_place *places, size_t count,
                  const struct watch_listener *listener) MUST_CHECK;

/* Daemons whose heartbeat has not run out, of one shard; a crashed one may count until another looks. */
int store_workers_alive(struct redis_store *store, int shard, int64_t *ret_count) MUST_CHECK;

#endif
