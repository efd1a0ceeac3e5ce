/* SPDX-License-Identifier: Apache-2.0 */
/* Where the shards live: what sentinels and nodes of a Cluster say. Asks and waits; keeps nothing. */
#ifndef STEPD_STORE_REDIS_TOPOLOGY_H
#define STEPD_STORE_REDIS_TOPOLOGY_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"
#include "store/redis/url.h"

/* The slot of keys "PREFIX{shard}:…", 0 to 16,383. */
int topology_slot(int shard);
/* The master of each of `shards` shards; one that nobody serves has an empty name. `known` (URL_CLUSTER) are
 * nodes to be asked first. 0, or -EAGAIN or -EACCES with the reason why nobody could tell. */
int topology_find(const struct redis_url *url, const struct redis_place *known, size_t known_count, int shards, int64_t timeout_ms,
                  struct redis_place *ret_homes, struct error *ret_error) MUST_CHECK;

#endif
