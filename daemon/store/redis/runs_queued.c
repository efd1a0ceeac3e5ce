/* SPDX-License-Identifier: Apache-2.0 */
/* How many runs wait in line, by function: people ask, who can wait. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "store/redis/keys.h"
#include "store/redis/store_internal.h"
#include "store/runs.h"

/* 0, or negative errno: the length of one of its two lines. */
static int add_length(struct redis_store *store, int shard, const char *kind, const char *function, uint64_t *length)
{
    AUTO_FREE char *key = keys_format(store_prefix(store, shard), "%s:%s", kind, function);
    AUTO_REPLY reply = NULL;
    int status = store_commandf(store, shard, &reply, "ZCARD %s", key);

    if (status == 0)
        *length += (uint64_t)reply->integer;
    return status;
}

static struct queued_runs *row_of(struct queued_list *list, const char *function)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].function, function) == 0)
            return &list->items[i];
    list->items = xrealloc(list->items, (list->count + 1) * sizeof(*list->items));
    list->items[list->count] = (struct queued_runs){ .function = xstrdup(function) };
    return &list->items[list->count++];
}

static int add_shard(struct redis_store *store, int shard, const char *only, struct queued_list *list)
{
    AUTO_FREE char *key = keys_format(store_prefix(store, shard), "lines");
    AUTO_REPLY lines = NULL;
    int status = store_commandf(store, shard, &lines, "SMEMBERS %s", key);

    for (size_t i = 0; status == 0 && i < lines->elements; i++) {
        const char *function = lines->element[i]->str;
        if (only != NULL && strcmp(only, function) != 0)
            continue;
        uint64_t length = 0;
        status = add_length(store, shard, "line", function, &length);
        if (status == 0)
            status = add_length(store, shard, "queue", function, &length);
        if (status == 0)
            row_of(list, function)->count += length;
    }
    return status;
}

int runs_queued(struct redis_store *store, const char *only, struct queued_list *ret_list)
{
    struct queued_list list = { 0 };

    for (int shard = 0; shard < store_shards(store); shard++) {
        int status = add_shard(store, shard, only, &list);
        if (status == 0)
            continue;
        queued_list_done(&list);
        return status;
    }
    *ret_list = list;
    return 0;
}

void queued_list_done(struct queued_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i].function);
    free(list->items);
    *list = (struct queued_list){ 0 };
}
