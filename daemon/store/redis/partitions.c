/* SPDX-License-Identifier: Apache-2.0 */
/* What the store knows of a partition (store/store.h): runs that it has taken, and keys that have one parked. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/redis/keys.h"
#include "store/redis/store_internal.h"

static void add_known(struct known_runs *known, enum known_as as, const redisReply *id, const redisReply *offset)
{
    if (id->type == REDIS_REPLY_STRING && id->len == RUN_ID_LENGTH && offset->type == REDIS_REPLY_STRING)
        known_runs_add(known, as, id->str, strtoll(offset->str, NULL, 10));
}

static void add_taken(void *known, const redisReply *id, const redisReply *offset)
{
    add_known(known, KNOWN_TAKEN, id, offset);
}

static void add_admitted(void *known, const redisReply *id, const redisReply *offset)
{
    add_known(known, KNOWN_ADMITTED, id, offset);
}

static void add_busy_key(void *keys, const redisReply *field, const redisReply *run)
{
    (void)run;
    const char *end = memchr(field->str, '\0', (size_t)field->len);

    if (end != NULL) {
        size_t size = (size_t)field->len - (size_t)(end + 1 - field->str);
        key_set_add(keys, field->str, (struct bytes){ end + 1, size });
    }
}

/* Walks a sorted set's members with their scores, or a hash's fields with their values, in pages; `add` hears of each
 * at least once. */
static int scan(struct redis_store *store, int shard, const char *command, const char *key,
                void (*add)(void *to, const redisReply *name, const redisReply *value), void *to)
{
    char cursor[24] = "0";

    do {
        AUTO_REPLY reply = NULL;
        int status = store_commandf(store, shard, &reply, "%s %s %s COUNT 1000", command, key, cursor);
        if (status != 0)
            return status;
        if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2)
            return -EIO;
        (void)snprintf(cursor, sizeof(cursor), "%s", reply->element[0]->str);
        const redisReply *page = reply->element[1];
        for (size_t i = 0; i + 1 < page->elements; i += 2)
            add(to, page->element[i], page->element[i + 1]);
    } while (strcmp(cursor, "0") != 0);
    return 0;
}

static int load_shard(struct redis_store *store, int shard, const char *place, struct key_set *keys, struct known_runs *known)
{
    AUTO_FREE char *taken = keys_format(store_prefix(store, shard), "taken:%s", place);
    AUTO_FREE char *admitted = keys_format(store_prefix(store, shard), "admitted:%s", place);
    AUTO_FREE char *busy = keys_format(store_prefix(store, shard), "busy:%s", place);
    int status = scan(store, shard, "ZSCAN", taken, add_taken, known);

    if (status == 0)
        status = scan(store, shard, "ZSCAN", admitted, add_admitted, known);
    return status != 0 ? status : scan(store, shard, "HSCAN", busy, add_busy_key, keys);
}

int store_load_partition(struct redis_store *store, const char *topic, int32_t partition, struct key_set *keys,
                         struct known_runs *ret_known)
{
    AUTO_FREE char *place = xasprintf("%s:%d", topic, (int)partition);
    struct known_runs known = { 0 };
    int status = 0;

    for (int shard = 0; status == 0 && shard < store_settings(store)->shards; shard++)
        status = load_shard(store, shard, place, keys, &known);
    if (status != 0) {
        known_runs_done(&known);
        return status;
    }
    known_runs_sort(&known);
    *ret_known = known;
    return 0;
}
