/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which breakers are open, as each shard's heartbeat last told. What may begin the store alone decides: whatever is named
 * here waits there, in line. While none is open, all that is looked at is one number. Locks itself.
 */
#ifndef STEPD_FLOW_BREAKERS_H
#define STEPD_FLOW_BREAKERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/lock.h"

struct breakers_of_shard;

struct breakers {
    atomic_size_t open_count; /* of all shards; written under the lock */
    struct lock lock;
    struct breakers_of_shard *shards; /* lock; by shard's number */
    size_t shard_count;               /* lock */
};

void breakers_init(struct breakers *breakers);
void breakers_done(struct breakers *breakers);
/* All that are open in the shard, each a function's id, NUL and a key. `has_more`: not all are named, so that each
 * breaker may be open. */
void breakers_hear(struct breakers *breakers, int shard, const struct bytes *names, size_t count, bool has_more);
/* Whether a breaker of the function may be open. */
bool breakers_touch(struct breakers *breakers, const char *function);
/* The same of one key. */
bool breakers_hold(struct breakers *breakers, const char *function, struct bytes key);

#endif
