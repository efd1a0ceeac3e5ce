/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that the store holds, key by key, as bytes that any Redis of the same or a later version takes back, under another
 * prefix too: what a backup and a move are made of. Daemons are to be stopped meanwhile.
 */
#ifndef STEPD_STORE_COPY_H
#define STEPD_STORE_COPY_H

#include "base/bytes.h"
#include "store/store.h"

struct copy_plan;

struct copied_key {
    int shard;
    struct bytes name;  /* without the shard's prefix */
    int64_t expires_ms; /* since 1970; 0: never */
    struct bytes value; /* as DUMP gives it */
};

/* Shows each key of all shards; what `each` is given lives until it returns. `each` answers false to end. 0, or negative errno;
 * -ECANCELED: it was ended. */
int copy_each(struct redis_store *store, bool (*each)(void *context, const struct copied_key *key), void *context) MUST_CHECK;
/* Whether there is nothing but what starting to look at it makes. */
int copy_is_empty(struct redis_store *store, bool *ret_is_empty) MUST_CHECK;
/* Puts it in; what stands there is replaced. 0, or negative errno: -EIO where Redis does not take it. */
int copy_put(struct redis_store *store, const struct copied_key *key) MUST_CHECK;

/* Where each key goes when it is put into another number of shards than it was read from: copy_plan_read() is given those that
 * copy_plan_wants(), then copy_plan_put() puts one in, once each, whose shard is that of before. */
struct copy_plan *copy_plan_create(struct redis_store *store);
void copy_plan_destroy(struct copy_plan *plan);
bool copy_plan_wants(const struct copied_key *key);
int copy_plan_read(struct copy_plan *plan, const struct copied_key *key) MUST_CHECK;
int copy_plan_put(struct copy_plan *plan, const struct copied_key *key) MUST_CHECK;

#endif
