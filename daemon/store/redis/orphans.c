/* SPDX-License-Identifier: Apache-2.0 */
#include "store/orphans.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "store/redis/keys.h"
#include "store/redis/store_internal.h"
#include "store/runs.h"

#define TIME_MS 250     /* then no more is looked at, */
#define LOOK_LEAST 2000 /* but for so many runs */
#define AT_ONCE 100

/* Those of the runs that scripts/orphans.lua finds in no list; ret_reply: how many, now, ids. */
static int ask(struct redis_store *store, int shard, const struct bytes *ids, size_t count, redisReply **ret_reply)
{
    char text[AT_ONCE * RUN_ID_LENGTH];
    struct script_call call;

    assert(count <= AT_ONCE);
    for (size_t i = 0; i < count; i++) {
        assert(ids[i].size == RUN_ID_LENGTH);
        memcpy(text + i * RUN_ID_LENGTH, ids[i].data, RUN_ID_LENGTH);
    }
    script_begin(&call, "orphans", shard);
    script_add(&call, (struct bytes){ text, count * RUN_ID_LENGTH });
    return store_call(store, &call, ret_reply);
}

static bool is_listed_behind(struct redis_store *store, const char *id, const struct record *record)
{
    int shard = store_shard_of(store, id);
    struct bytes list = keys_behind(store_prefix(store, shard), record->topic, record->partition, record->function, record->key);
    const struct bytes words[] = { { "ZSCORE", 6 }, list, { id, RUN_ID_LENGTH } };
    AUTO_REPLY reply = NULL;

    int status = store_command(store, shard, COUNT_OF(words), words, &reply);
    free((void *)(uintptr_t)list.data);
    return status != 0 || reply->type == REDIS_REPLY_STRING;
}

static bool is_in_line(struct redis_store *store, const char *id, const struct record *record)
{
    int shard = store_shard_of(store, id);
    AUTO_FREE char *line = keys_format(store_prefix(store, shard), "line:%s", record->function);
    AUTO_REPLY reply = NULL;
    int status = store_commandf(store, shard, &reply, "ZSCORE %s %s", line, id);

    return status != 0 || reply->type == REDIS_REPLY_STRING;
}

static bool is_listed(struct redis_store *store, const char *id, const struct record *record)
{
    if (record->status == RUN_BEHIND)
        return is_listed_behind(store, id, record);
    return (record->status == RUN_DELAYED || record->status == RUN_SLEEPING) && is_in_line(store, id, record);
}

/* Asked again, since it may have moved on. */
static bool is_lost(struct redis_store *store, int shard, const char *id)
{
    struct loaded_run run;
    AUTO_REPLY reply = NULL;

    if (runs_load(store, id, &run, NULL) != 0)
        return false;
    bool is_found = is_listed(store, id, &run.record);
    loaded_run_done(&run);
    if (is_found || ask(store, shard, &(struct bytes){ id, RUN_ID_LENGTH }, 1, &reply) != 0)
        return false;
    return reply->element[0]->integer == 1;
}

static int look_at(struct redis_store *store, int shard, const struct bytes *ids, size_t count, struct orphans *orphans)
{
    AUTO_REPLY reply = NULL;
    int status = ask(store, shard, ids, count, &reply);

    if (status != 0)
        return status;
    orphans->looked_at += count;
    const redisReply *found = reply->element[2];
    for (size_t i = 0; i < found->elements; i++) {
        const redisReply *id = found->element[i];
        if (id->len != RUN_ID_LENGTH || !is_lost(store, shard, id->str))
            continue;
        if (orphans->count++ == 0)
            memcpy(orphans->first.text, id->str, RUN_ID_LENGTH + 1);
    }
    return 0;
}

static int look_through(struct redis_store *store, int shard, int64_t until_ms, struct orphans *orphans)
{
    AUTO_FREE char *keys = keys_format(store_prefix(store, shard), "run:");
    AUTO_FREE char *pattern = xasprintf("%s*", keys);
    size_t prefix_size = strlen(keys);
    char cursor[24] = "0";

    do {
        AUTO_REPLY page = NULL;
        struct bytes ids[AT_ONCE];
        size_t count = 0;
        int status = store_commandf(store, shard, &page, "SCAN %s MATCH %s COUNT 500", cursor, pattern);
        if (status != 0)
            return status;
        (void)snprintf(cursor, sizeof(cursor), "%s", page->element[0]->str);
        const redisReply *found = page->element[1];
        for (size_t i = 0; i < found->elements && status == 0; i++) {
            if (found->element[i]->len != prefix_size + RUN_ID_LENGTH)
                continue;
            ids[count++] = (struct bytes){ found->element[i]->str + prefix_size, RUN_ID_LENGTH };
            if (count == AT_ONCE || i + 1 == found->elements) {
                status = look_at(store, shard, ids, count, orphans);
                count = 0;
            }
        }
        if (status == 0 && count > 0)
            status = look_at(store, shard, ids, count, orphans);
        if (status != 0)
            return status;
        if (clock_monotonic_ms() > until_ms && orphans->looked_at >= LOOK_LEAST) {
            orphans->is_whole = false;
            return 0;
        }
    } while (strcmp(cursor, "0") != 0);
    return 0;
}

int orphans_find(struct redis_store *store, struct orphans *ret_orphans)
{
    struct orphans orphans = { .is_whole = true };
    int64_t until_ms = clock_monotonic_ms() + TIME_MS;

    for (int shard = 0; shard < store_shards(store); shard++) {
        int status = look_through(store, shard, until_ms, &orphans);
        if (status != 0)
            return status;
    }
    *ret_orphans = orphans;
    return 0;
}
