/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Core's calls (run/ports.h) as scripts: what goes in, what the replies mean. store.c is the way
 * that they take.
 */
#ifndef STEPD_STORE_REDIS_PORT_H
#define STEPD_STORE_REDIS_PORT_H

#include "run/ports.h"
#include "store/redis/store_internal.h"

/* `struct store` is the first member of the redis_store that they are called with. */
extern const struct store_ops STORE_PORT_OPS;
/* Any thread: a run of `shard` is due then; calls what store_on_due() set. */
void store_made_due(struct redis_store *store, int shard, int64_t due_ms);
/* The same of a line of the function, or of one that shares a place with it. */
void store_made_due_in_line(struct redis_store *store, int shard, const struct function *function, int64_t due_ms);

#endif
