/* SPDX-License-Identifier: Apache-2.0 */
/* Where single runs stand: what the scripts decide by, asked for people. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "store/redis/keys.h"
#include "store/redis/store_internal.h"
#include "store/runs.h"

/* -1: the list has no such member. */
static int read_score(struct redis_store *store, int shard, const char *list, const char *member, int64_t *ret_score)
{
    AUTO_FREE char *key = keys_format(store_prefix(store, shard), "%s", list);
    AUTO_REPLY reply = NULL;
    int status = store_commandf(store, shard, &reply, "ZSCORE %s %s", key, member);

    if (status == 0)
        *ret_score = reply->type == REDIS_REPLY_STRING ? (int64_t)strtod(reply->str, NULL) : -1;
    return status;
}

static int stand_owned(struct redis_store *store, int shard, const struct loaded_run *run, struct runs_standing *standing)
{
    int64_t listed_ms = -1;

    keys_worker(&run->record.owner, standing->worker);
    AUTO_FREE char *owned = xasprintf("owned:%s", standing->worker);
    int status = read_score(store, shard, "workers", standing->worker, &standing->lease_until_ms);
    if (status == 0)
        status = read_score(store, shard, owned, run->id, &listed_ms);
    standing->is_owned = listed_ms >= 0;
    return status;
}

static int read_first_of_key(struct redis_store *store, int shard, const struct record *record, struct run_id *ret_first)
{
    size_t function_size = strlen(record->function) + 1;
    AUTO_FREE char *key = keys_format(store_prefix(store, shard), "busy:%s:%d", record->topic, (int)record->partition);
    AUTO_FREE char *field = xmalloc(function_size + record->key.size);
    AUTO_REPLY reply = NULL;

    memcpy(field, record->function, function_size);
    if (record->key.size > 0)
        memcpy(field + function_size, record->key.data, record->key.size);
    const struct bytes words[] = { { "HGET", 4 }, { key, strlen(key) }, { field, function_size + record->key.size } };
    int status = store_command(store, shard, COUNT_OF(words), words, &reply);
    if (status == 0 && reply->type == REDIS_REPLY_STRING && reply->len == RUN_ID_LENGTH)
        memcpy(ret_first->text, reply->str, RUN_ID_LENGTH + 1);
    return status;
}

static int stand_behind(struct redis_store *store, int shard, const struct loaded_run *run, struct runs_standing *standing)
{
    const struct record *record = &run->record;
    struct bytes list = keys_behind(store_prefix(store, shard), record->topic, record->partition, record->function, record->key);
    const struct bytes words[] = { { "ZRANK", 5 }, list, { run->id, RUN_ID_LENGTH } };
    AUTO_REPLY reply = NULL;

    int status = store_command(store, shard, COUNT_OF(words), words, &reply);
    free((void *)(uintptr_t)list.data);
    if (status != 0)
        return status;
    standing->before = reply->type == REDIS_REPLY_INTEGER ? reply->integer : -1;
    return read_first_of_key(store, shard, record, &standing->first);
}

static int stand_waiting(struct redis_store *store, int shard, const struct loaded_run *run, struct runs_standing *standing)
{
    AUTO_FREE char *line = xasprintf("line:%s", run->record.function);
    int64_t in_line_ms = -1;
    int status = read_score(store, shard, "delayed", run->id, &standing->due_ms);

    if (status == 0)
        status = read_score(store, shard, line, run->id, &in_line_ms);
    standing->is_in_line = standing->due_ms < 0 && in_line_ms >= 0;
    return status;
}

int runs_standing(struct redis_store *store, const struct loaded_run *run, struct runs_standing *ret_standing)
{
    int shard = store_shard_of(store, run->id);

    *ret_standing = (struct runs_standing){ .due_ms = -1, .lease_until_ms = -1, .before = -1 };
    switch (run->record.status) {
    case RUN_DELAYED:
    case RUN_SLEEPING:
        return stand_waiting(store, shard, run, ret_standing);
    case RUN_OWNED:
        return stand_owned(store, shard, run, ret_standing);
    case RUN_BEHIND:
        return stand_behind(store, shard, run, ret_standing);
    case RUN_COMPLETED:
    case RUN_FAILED:
    case RUN_CANCELLED:
        break;
    }
    return 0;
}

/* ---- by the beginning of an id ------------------------------------------------------------------- */

/* In a SCAN's pattern these mean something. The caller frees. */
static char *escape(const char *text)
{
    char *escaped = xmalloc(2 * strlen(text) + 1);
    char *to = escaped;

    for (; *text != '\0'; text++) {
        if (strchr("*?[]\\", *text) != NULL)
            *to++ = '\\';
        *to++ = *text;
    }
    *to = '\0';
    return escaped;
}

/* SCAN may show a key twice. */
static void add_once(const char *id, size_t most, struct run_id *ids, size_t *count)
{
    for (size_t i = 0; i < *count; i++)
        if (strcmp(ids[i].text, id) == 0)
            return;
    if (*count < most && run_id_is_valid(id))
        memcpy(ids[(*count)++].text, id, RUN_ID_LENGTH + 1);
}

int runs_find(struct redis_store *store, const char *digits, size_t most, struct run_id *ret_ids, size_t *ret_count)
{
    int shard = store_shard_of(store, digits);
    AUTO_FREE char *keys = keys_format(store_prefix(store, shard), "run:");
    AUTO_FREE char *escaped = escape(keys);
    AUTO_FREE char *pattern = xasprintf("%s%s*", escaped, digits);
    char cursor[24] = "0";

    *ret_count = 0;
    do {
        AUTO_REPLY reply = NULL;
        int status = store_commandf(store, shard, &reply, "SCAN %s MATCH %s COUNT 1000", cursor, pattern);
        if (status != 0)
            return status;
        (void)snprintf(cursor, sizeof(cursor), "%s", reply->element[0]->str);
        for (size_t i = 0; i < reply->element[1]->elements; i++)
            add_once(reply->element[1]->element[i]->str + strlen(keys), most, ret_ids, ret_count);
    } while (strcmp(cursor, "0") != 0 && *ret_count < most);
    return 0;
}
