/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store's inside. Each server that shards live on has a lane (lane.h), a thread with one link; what
 * callers ask goes down the lane of its shard, and each waits for its own reply only. Where a shard lives
 * is told by the URL, by sentinels, or by the Cluster, and followed when it moves. What was asked may be
 * sent twice; every script answers alike then and does nothing more.
 */
#ifndef STEPD_STORE_REDIS_STORE_INTERNAL_H
#define STEPD_STORE_REDIS_STORE_INTERNAL_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/memory.h"
#include "run/ports.h"
#include "store/redis/lane.h"
#include "store/redis/link.h"
#include "store/redis/script.h"
#include "store/store.h"

/* Any thread. Whether this shard answered the last time something was asked of it. */
bool store_shard_is_up(struct redis_store *store, int shard);
/* Whether it is this worker's incarnation of now. */
bool store_is_self(struct redis_store *store, const struct incarnation *name);
/* Our lease ran out: a new incarnation from here on; calls on_new_incarnation. */
void store_renew(struct redis_store *store);
/* The time of the shard's server: servers of a Cluster have clocks of their own. It is not ahead of them. */
int64_t store_shard_now_ms(struct redis_store *store, int shard);
/* That time less our monotonic one. */
int64_t store_shard_clock_us(const struct redis_store *store, int shard);
/* What data stands behind a shard now; another value than before: cursors of SCAN mean nothing there. */
uint64_t store_lineage(struct redis_store *store, int shard);
/* "PREFIX{shard}:"; lives as long as the store. */
const char *store_prefix(const struct redis_store *store, int shard);
const struct store_settings *store_settings(const struct redis_store *store);
/* What is kept of runs that have ended, as ending.lua reads it: one letter. */
const char *store_history_letter(const struct redis_store *store);
/* `on_due` is called by any thread after it made a run of `shard` due at due_ms (the store's time);
 * must not call the store. NULL: nobody is; when this returns it runs no more. */
void store_on_due(struct redis_store *store, void (*on_due)(void *context, int shard, const struct function *line_of, int64_t due_ms),
                  void *context);

/* `on_post` likewise, after it wrote a letter to another shard (scripts/post.lua). */
void store_on_post(struct redis_store *store, void (*on_post)(void *context, int shard), void *context);

/* Where its shards live. */
struct homes *store_homes(struct redis_store *store);

/* ---- store_calls.c ------------------------------------------------------------------------------- */

/* One command on the node of `shard`; waits. 0, -ESHUTDOWN, or -EIO when Redis refused it for good
 * (logged). The reply is never an error. */
int store_command(struct redis_store *store, int shard, size_t count, const struct bytes *words, redisReply **ret_reply) MUST_CHECK;
/* The same, as printf does it; %s and %b (pointer, size_t) only, words split at blanks of `format`. */
int store_commandf(struct redis_store *store, int shard, redisReply **ret_reply, const char *format, ...) MUST_CHECK;

/* RPUSHX of "PREFIX{shard}:" and `key`, asked once at most: 0 with the list's length, 0 where there is no such list; -EAGAIN: whether it was done is not known;
 * -ESHUTDOWN. Never over a link that was made after `only_as` ceased to be this worker's name. */
int store_push(struct redis_store *store, int shard, const char *key, struct bytes bytes, const struct incarnation *only_as,
               int64_t *ret_length) MUST_CHECK;

/* This worker's incarnation, as of now and until the call is sent; see script.h. */
void script_add_self(struct redis_store *store, struct script_call *call);
/* As store_command(). */
int store_call(struct redis_store *store, struct script_call *call, redisReply **ret_reply) MUST_CHECK;
/* The same without waiting: `done` is called with status and reply, by a lane's thread, or before this
 * returns where the store has stopped. Both structs are the store's until then; so is what a call points to that may go out in a group, of
 * any other it is copied. */
void store_call_later(struct redis_store *store, struct script_call *call, struct request *request, void (*done)(struct request *request));

/* ---- store.c again ------------------------------------------------------------------------------- */

/* A link of the caller's own to the server of `shard`, for what only that server can tell. 0, or as
 * link_open(). */
int store_open_link(struct redis_store *store, int shard, struct link *ret_link, struct error *ret_error) MUST_CHECK;

/* port.c: the calls of run/ports.h as scripts. `struct store` is the first member of the redis_store that they are called with. */
extern const struct store_ops STORE_PORT_OPS;
/* Any thread: a run of `shard` is due then; calls what store_on_due() set. */
void store_made_due(struct redis_store *store, int shard, int64_t due_ms);
/* Any thread: letters of `shard` are to go out; calls what store_on_post() set. */
void store_posted(struct redis_store *store, int shard);
/* The same of a line of the function, or of one that shares a place with it. */
void store_made_due_in_line(struct redis_store *store, int shard, const struct function *function, int64_t due_ms);

#endif
