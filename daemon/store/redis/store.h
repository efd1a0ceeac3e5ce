/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store: Redis behind core's `struct store`. Each server that shards live on has a lane (lane.h), a
 * thread with one link; what callers ask goes down the lane of its shard, and each waits for its own reply
 * only. Where a shard lives is told by the URL, by sentinels, or by the Cluster, and followed when it moves.
 *
 * A call ends when Redis has answered. Connection lost, silent, loading, busy, read-only, out of
 * memory, a slot on its way: said once, retried with a small backoff until it works or the store stops
 * (-ESHUTDOWN). What was asked may so be sent twice; every script answers alike then and does nothing more.
 */
#ifndef STEPD_STORE_REDIS_STORE_H
#define STEPD_STORE_REDIS_STORE_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/memory.h"
#include "config/history_kept.h"
#include "flow/key_set.h"
#include "run/known_runs.h"
#include "run/ports.h"
#include "store/redis/lane.h"
#include "store/redis/link.h"
#include "store/redis/script.h"

struct redis_store;

struct store_settings {
    const char *url;                 /* url.h */
    const char *prefix;              /* of all keys */
    int shards;                      /* 1 or more; written to Redis at first use */
    enum history_kept history;
    int64_t history_age_ms;
    int64_t history_count;
    size_t state_bytes;              /* of a run's checkpoints together: past it STORE_LIMIT */
    int64_t lease_ms;                /* of this worker's runs, from heartbeat to heartbeat */
    int64_t timeout_ms;              /* connecting, and a reply: a link silent for longer is given up */
    /* A lane's thread, one at a time: another server process stands behind a shard, which may have lost the
     * last writes (a restart, a failover, a slot that moved); or the timer thread: our lease ran out.
     * `is_rollback` says the former: the consumer then rewinds to its committed offsets. Must not wait for
     * the store. NULL is fine. */
    void (*on_new_incarnation)(void *context, bool is_rollback);
    /* A lane's thread: it can't go on (another number of shards). NULL is fine. */
    void (*fatal)(const char *why);
    void *context;                   /* of on_new_incarnation */
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
bool store_shard_is_up(struct redis_store *store, int shard);
/* Any thread: what all servers were asked. */
void store_counts(struct redis_store *store, struct lane_counts *ret_counts);
struct incarnation store_incarnation(struct redis_store *store);
/* Our lease ran out: a new incarnation from here on; calls on_new_incarnation. */
void store_renew(struct redis_store *store);
/* The time of shard 0's server; of a shard's: servers of a Cluster have clocks of their own. */
int64_t store_now_ms(struct redis_store *store);
int64_t store_shard_now_ms(struct redis_store *store, int shard);
/* What data stands behind a shard now; another value than before: cursors of SCAN mean nothing there. */
uint64_t store_lineage(struct redis_store *store, int shard);
/* Any thread: a moment (monotonic ms) at which behind every shard was still the server that had acknowledged
 * all it did before. Stands still while one does not answer; on_new_incarnation is called before it moves on
 * under another. */
int64_t store_seen_ms(const struct redis_store *store);
int store_shards(const struct redis_store *store);
int store_shard_of(const struct redis_store *store, const char *run_id);
/* "PREFIX{shard}:"; lives as long as the store. */
const char *store_prefix(const struct redis_store *store, int shard);
const struct store_settings *store_settings(const struct redis_store *store);
/* `on_due` is called by any thread after it made a run of `shard` due at due_ms (the store's time);
 * must not call the store. NULL: nobody is; when this returns it runs no more. */
void store_on_due(struct redis_store *store, void (*on_due)(void *context, int shard, int64_t due_ms), void *context);

/* One command on the node of `shard`; waits. 0, -ESHUTDOWN, or -EIO when Redis refused it for good
 * (logged). The reply is never an error. */
int store_command(struct redis_store *store, int shard, size_t count, const struct bytes *words, redisReply **ret_reply) MUST_CHECK;
/* The same, as printf does it; %s and %b (pointer, size_t) only, words split at blanks of `format`. */
int store_commandf(struct redis_store *store, int shard, redisReply **ret_reply, const char *format, ...) MUST_CHECK;

/* This worker's incarnation, as of now and until the call is sent; see script.h. */
void script_add_self(struct redis_store *store, struct script_call *call);
/* As store_command(). */
int store_call(struct redis_store *store, struct script_call *call, redisReply **ret_reply) MUST_CHECK;
/* The same without waiting: `done` is called with status and reply, by a lane's thread, or before this
 * returns where the store has stopped. Both structs are the store's until then. */
void store_call_later(struct redis_store *store, struct script_call *call, struct request *request, void (*done)(struct request *request));
/* A link of the caller's own to the server of `shard`, for what only that server can tell. 0, or as
 * link_open(). */
int store_open_link(struct redis_store *store, int shard, struct link *ret_link, struct error *ret_error) MUST_CHECK;

/* Consumer, on assignment: the runs of a partition that the store knows, which are the caller's to release, and
 * (into `keys`) the ordered keys that have a run in the store. */
int store_load_partition(struct redis_store *store, const char *topic, int32_t partition, struct key_set *keys,
                         struct known_runs *ret_known) MUST_CHECK;

#endif
