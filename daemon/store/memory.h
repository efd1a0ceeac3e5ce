/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of the servers behind the store: what they hold, and what they may. */
#ifndef STEPD_STORE_MEMORY_H
#define STEPD_STORE_MEMORY_H

#include "store/store.h"

#define STORE_SERVERS_MOST 1024

struct server_memory {
    int shard;       /* one that it has; others may be its, too */
    uint64_t used;   /* bytes, as it compares them with: */
    uint64_t most;   /* its maxmemory; 0: none is set, and the next counts */
    uint64_t system; /* of its machine; 0: not told */
    uint64_t data;   /* of `used`, without what the server needs for itself */
};

/* What its INFO says. */
struct server_memory server_memory_read(const char *info);
/* Each server once; *ret_servers is the caller's to free. 0, or negative errno: one did not answer. */
int store_memory(struct redis_store *store, struct server_memory **ret_servers, size_t *ret_count) MUST_CHECK;
/* How full that makes it, 0 to 1, by its own bound; 0 where it has none. */
double server_memory_share(const struct server_memory *memory);

#endif
