/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where each shard lives: a lane to each server that some live on, and (Sentinel, Cluster) the resolver, a thread
 * that asks where they are, now and then and whenever something is not where it was.
 */
#ifndef STEPD_STORE_REDIS_HOMES_H
#define STEPD_STORE_REDIS_HOMES_H

#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"
#include "store/redis/lane.h"
#include "store/redis/request.h"
#include "store/redis/url.h"

struct homes;

struct homes_settings {
    const struct redis_url *url;
    int shards;
    int64_t timeout_ms;
    /* Of all lanes. Its `route`, `astray` and `tried` come here. */
    struct lane_host host;
};

/* `settings.url` lives as long as it. */
struct homes *homes_create(const struct homes_settings *settings);
/* Starts the threads, and waits for what comes of connecting. 0, or the first that failed, -EAGAIN last: there
 * it goes on trying. */
int homes_start(struct homes *homes, struct error *ret_error) MUST_CHECK;
/* Any thread: all that waits, now and later, ends with -ESHUTDOWN. */
void homes_stop(struct homes *homes);
/* Stops and frees. NULL is fine. */
void homes_destroy(struct homes *homes);

/* Any thread, from here on. NULL: nobody tells yet where that shard lives. */
struct lane *homes_lane(const struct homes *homes, int shard);
/* To the lane of its shard, or it waits until there is one. */
void homes_route(struct homes *homes, struct request *request);
/* Likewise by the caller's own thread: lane_ask(). */
bool homes_ask(struct homes *homes, struct request *request);
/* As lane_host's. */
void homes_astray(struct homes *homes, const struct lane *lane, int shard, const struct redis_place *place);
void homes_tried(struct homes *homes, const struct lane *lane, int status, const struct error *error);
void homes_add_counts(struct homes *homes, struct store_counts *counts);

#endif
