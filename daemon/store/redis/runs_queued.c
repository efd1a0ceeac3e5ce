/* SPDX-License-Identifier: Apache-2.0 */
/* How many runs wait in line, by function: people ask, who can wait. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "store/redis/keys.h"
#include "store/redis/port_calls.h"
#include "store/redis/runs_lines.h"
#include "store/redis/store_internal.h"
#include "store/runs.h"

static void add(struct queued_list *list, size_t *capacity, const char *function, uint64_t count)
{
    if (list->count == *capacity) {
        *capacity = *capacity == 0 ? 64 : *capacity * 2;
        list->items = xrealloc(list->items, *capacity * sizeof(*list->items));
    }
    list->items[list->count++] = (struct queued_runs){ .function = xstrdup(function), .count = count };
}

static int compare(const void *one, const void *other)
{
    const struct queued_runs *a = one;
    const struct queued_runs *b = other;

    return strcmp(a->function, b->function);
}

/* A function has two lines in each shard: it is to be told once. */
static void add_up(struct queued_list *list)
{
    size_t kept = 0;

    if (list->count > 0)
        qsort(list->items, list->count, sizeof(*list->items), compare);
    for (size_t i = 0; i < list->count; i++) {
        if (kept > 0 && strcmp(list->items[kept - 1].function, list->items[i].function) == 0) {
            list->items[kept - 1].count += list->items[i].count;
            free(list->items[i].function);
        } else {
            list->items[kept++] = list->items[i];
        }
    }
    list->count = kept;
}

static int add_lines(struct redis_store *store, int shard, const char *kind, struct queued_list *list, size_t *capacity)
{
    struct line_sizes sizes;
    int status = lines_sizes(store, shard, kind, &sizes);

    if (status != 0)
        return status;
    for (size_t i = 0; i < sizes.count; i++)
        add(list, capacity, sizes.items[i].function, sizes.items[i].count);
    line_sizes_done(&sizes);
    return 0;
}

static int add_length(struct redis_store *store, int shard, const char *kind, const char *function, uint64_t *length)
{
    AUTO_FREE char *key = keys_format(store_prefix(store, shard), "%s:%s", kind, function);
    AUTO_REPLY reply = NULL;
    int status = store_commandf(store, shard, &reply, "ZCARD %s", key);

    if (status == 0)
        *length += (uint64_t)reply->integer;
    return status;
}

/* Of one function nothing else is asked. */
static int add_only(struct redis_store *store, int shard, const char *function, struct queued_list *list, size_t *capacity)
{
    uint64_t length = 0;
    int status = add_length(store, shard, LINES_ROOM, function, &length);

    if (status == 0)
        status = add_length(store, shard, LINES_TURN, function, &length);
    if (status == 0 && length > 0)
        add(list, capacity, function, length);
    return status;
}

int runs_queued(struct redis_store *store, const char *only, struct queued_list *ret_list)
{
    struct queued_list list = { 0 };
    size_t capacity = 0;
    int status = 0;

    for (int shard = 0; shard < store_shards(store) && status == 0; shard++) {
        if (only != NULL) {
            status = add_only(store, shard, only, &list, &capacity);
            continue;
        }
        status = add_lines(store, shard, LINES_ROOM, &list, &capacity);
        if (status == 0)
            status = add_lines(store, shard, LINES_TURN, &list, &capacity);
    }
    add_up(&list);
    if (status != 0)
        queued_list_done(&list);
    else
        *ret_list = list;
    return status;
}

int runs_function_is_known(struct redis_store *store, const char *function, bool *ret_is_known)
{
    enum run_placement placement;

    return port_find_function(store_port(store), function, ret_is_known, &placement);
}

void queued_list_done(struct queued_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i].function);
    free(list->items);
    *list = (struct queued_list){ 0 };
}
