/* SPDX-License-Identifier: Apache-2.0 */
#include "store/crash_counts.h"

#include <stdlib.h>

#include "store/redis/keys.h"
#include "store/redis/store_internal.h"

#define KEPT_SECONDS (7 * 24 * 3600)

static char *key_of(struct redis_store *store, int shard, const char *topic, int32_t partition)
{
    return keys_format(store_prefix(store, shard), "crashed:%s:%d", topic, (int)partition);
}

int crash_counts_add(struct redis_store *store, const char *topic, int32_t partition, const char *run_id, int count)
{
    int shard = store_shard_of(store, run_id);
    AUTO_FREE char *key = key_of(store, shard, topic, partition);
    AUTO_FREE char *number = xasprintf("%d", count);
    AUTO_FREE char *seconds = xasprintf("%d", KEPT_SECONDS);
    AUTO_REPLY counted = NULL;
    AUTO_REPLY expires = NULL;

    int status = store_commandf(store, shard, &counted, "HINCRBY %s %s %s", key, run_id, number);
    return status != 0 ? status : store_commandf(store, shard, &expires, "EXPIRE %s %s", key, seconds);
}

int crash_counts_load(struct redis_store *store, const char *topic, int32_t partition,
                      void (*each)(void *context, const char *run_id, int count), void *context)
{
    for (int shard = 0; shard < store_shards(store); shard++) {
        AUTO_FREE char *key = key_of(store, shard, topic, partition);
        AUTO_REPLY reply = NULL;
        int status = store_commandf(store, shard, &reply, "HGETALL %s", key);
        if (status != 0)
            return status;
        for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i + 1 < reply->elements; i += 2) {
            if (run_id_is_valid(reply->element[i]->str))
                each(context, reply->element[i]->str, atoi(reply->element[i + 1]->str));
        }
    }
    return 0;
}

void crash_counts_forget(struct redis_store *store, const struct run *run)
{
    int shard = store_shard_of(store, run->id.text);
    AUTO_FREE char *key = key_of(store, shard, run->event->view.topic, run->event->view.partition);
    AUTO_REPLY reply = NULL;

    (void)store_commandf(store, shard, &reply, "HDEL %s %s", key, run->id.text);
}
