/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store: Redis behind core's `struct store`. One thread owns the connection; what all callers
 * ask for at one time goes out as one pipeline, and each caller waits for its own reply only.
 *
 * A call ends when Redis has answered. Connection lost, silent, loading, busy, read-only, out of
 * memory: said once, retried with a small backoff until it works or the store stops (-ESHUTDOWN).
 * What was asked may so be sent twice; every script answers alike then and does nothing more.
 */
#ifndef STEPD_REDIS_STORE_H
#define STEPD_REDIS_STORE_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/memory.h"
#include "core/dispatch.h"
#include "core/key_set.h"
#include "core/ports.h"
#include "redis/link.h"

struct redis_store;

struct store_settings {
    const char *url;                 /* redis://[user:pass@]host[:port][/db], unix://[user:pass@]path[?db=n] */
    const char *prefix;              /* of all keys */
    int shards;                      /* 1 or more; written to Redis at first use */
    enum history_kept history;
    int64_t history_age_ms;
    int64_t history_count;
    size_t state_bytes;              /* of a run's checkpoints together: past it STORE_LIMIT */
    int64_t lease_ms;                /* of this worker's runs, from heartbeat to heartbeat */
    int64_t timeout_ms;              /* connecting, and a reply: a link silent for longer is given up */
    /* Store thread, once connected: Redis came back as another process and may have lost its last
     * second, or (timer thread) our lease ran out. `is_rollback` says the former: the consumer then
     * rewinds to its committed offsets. Must not call the store. NULL is fine. */
    void (*on_new_incarnation)(void *context, bool is_rollback);
    /* Store thread: it can't go on (another number of shards). NULL is fine. */
    void (*fatal)(const char *why);
    void *context;                   /* of on_new_incarnation */
};

/* Copies what it is given. */
struct redis_store *store_create(const struct store_settings *settings);
/* Connects and starts the thread. A wrong URL, password or number of shards: negative errno with the
 * reason. -EAGAIN with the reason: Redis can't be reached now; the thread is started and goes on
 * trying, so a caller that can wait may ignore it. */
int store_start(struct redis_store *store, struct error *ret_error) MUST_CHECK;
/* Any thread: every call that waits, now and later, answers -ESHUTDOWN. */
void store_stop(struct redis_store *store);
/* Stops and frees. NULL is fine. */
void store_destroy(struct redis_store *store);

/* Core's view of it; lives as long as the store. */
struct store *store_port(struct redis_store *store);
/* Any thread. Whether Redis answered the last time something was asked. */
bool store_is_up(struct redis_store *store);
struct incarnation store_incarnation(struct redis_store *store);
/* Our lease ran out: a new incarnation from here on; calls on_new_incarnation. */
void store_renew(struct redis_store *store);
int64_t store_now_ms(struct redis_store *store);
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

/* Arguments of a script, in order; views. */
#define SCRIPT_MAX_ARGUMENTS 40
struct script_call {
    const char *script;              /* its name: "claim" */
    int shard;
    struct bytes arguments[SCRIPT_MAX_ARGUMENTS];
    size_t count;
    char numbers[SCRIPT_MAX_ARGUMENTS][24]; /* what script_add_number() wrote */
    /* The arguments at owner_at and owner_at + 1 are this worker's incarnation, raw and as hex
     * digits; should it change while the call waits, what is sent changes too. -1: none are. */
    int owner_at;
    struct incarnation owner;        /* as sent; read it after the call */
    char owner_hex[33];
};

void script_begin(struct script_call *call, const char *script, int shard);
void script_add(struct script_call *call, struct bytes argument);
void script_add_text(struct script_call *call, const char *text);
void script_add_number(struct script_call *call, int64_t number);
/* This worker's incarnation. */
void script_add_self(struct redis_store *store, struct script_call *call);
void script_add_owner(struct script_call *call, const struct incarnation *owner);
/* As store_command(). */
int store_call(struct redis_store *store, struct script_call *call, redisReply **ret_reply) MUST_CHECK;

/* Consumer, on assignment: the runs of a partition that the store has taken over, sorted by id, and
 * (into `keys`) the ordered keys that have a run in the store. *ret_taken is the caller's to free. */
int store_load_partition(struct redis_store *store, const char *topic, int32_t partition, struct key_set *keys,
                         struct run_id **ret_taken, size_t *ret_count) MUST_CHECK;
/* Forgets what was taken over of offsets below `committed`; bounded, true: there is more. */
int store_trim_partition(struct redis_store *store, const char *topic, int32_t partition, int64_t committed, bool *ret_more) MUST_CHECK;

#endif
