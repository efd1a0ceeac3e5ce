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

static int stand_held(struct redis_store *store, int shard, const struct loaded_run *run, struct runs_standing *standing)
{
    AUTO_FREE char *held = xasprintf("%sheld:%s", store_prefix(store, shard), standing->worker);
    AUTO_REPLY reply = NULL;
    int status = store_commandf(store, shard, &reply, "SISMEMBER %s %s", held, run->id);

    if (status == 0)
        standing->is_owned = reply->integer == 1;
    return status == 0 && standing->is_owned ? read_score(store, shard, "holders", standing->worker, &standing->lease_until_ms) : status;
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
    return status != 0 || standing->is_owned ? status : stand_held(store, shard, run, standing);
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
    int status = read_score(store, shard, run->record.more_count > 0 ? "delayed-3" : "delayed", run->id, &standing->due_ms);

    if (status == 0)
        status = read_score(store, shard, line, run->id, &in_line_ms);
    standing->is_in_line = standing->due_ms < 0 && in_line_ms >= 0;
    return status;
}

/* One command with three words, the last of any bytes. */
static int ask_of(struct redis_store *store, int shard, const char *command, struct bytes key, struct bytes member, redisReply **ret_reply)
{
    const struct bytes words[] = { { command, strlen(command) }, key, member };

    return store_command(store, shard, member.data != NULL ? 3 : 2, words, ret_reply);
}

/* "PREFIX{shard}:NAME", then bytes; the caller frees its data. */
static struct bytes key_with(struct redis_store *store, int shard, const char *name, struct bytes rest)
{
    AUTO_FREE char *start = keys_format(store_prefix(store, shard), "%s", name);
    size_t size = strlen(start);
    char *key = xmalloc(size + rest.size + 1);

    memcpy(key, start, size);
    if (rest.size > 0)
        memcpy(key + size, rest.data, rest.size);
    return (struct bytes){ key, size + rest.size };
}

static struct bytes text_of(const msgpack_object *object)
{
    if (object == NULL || (object->type != MSGPACK_OBJECT_STR && object->type != MSGPACK_OBJECT_BIN))
        return (struct bytes){ 0 };
    return (struct bytes){ object->via.str.ptr, object->via.str.size };
}

static const msgpack_object *member_of(const msgpack_object *map, const char *name)
{
    for (uint32_t i = 0; map->type == MSGPACK_OBJECT_MAP && i < map->via.map.size; i++) {
        struct bytes key = text_of(&map->via.map.ptr[i].key);
        if (key.size == strlen(name) && memcmp(key.data, name, key.size) == 0)
            return &map->via.map.ptr[i].val;
    }
    return NULL;
}

/* What stands behind the last NUL of a name: "=" and a key's text, or "-". */
static void keep_key(struct bytes name, struct runs_standing *standing)
{
    const char *last = name.size > 0 ? memrchr(name.data, '\0', name.size) : NULL;
    const char *key = last != NULL ? last + 1 : name.data;

    standing->key[0] = '\0';
    if (name.size > 0 && key[0] == '=')
        (void)snprintf(standing->key, sizeof(standing->key), "%.*s", (int)((const char *)name.data + name.size - key - 1), key + 1);
    standing->has_key = name.size > 0 && key[0] == '=';
}

/* FUNCTION, NUL, LINE: how a line is called among those that found no place. */
static struct bytes blocked_name(const char *function, struct bytes line)
{
    size_t size = strlen(function) + 1;
    char *name = xmalloc(size + line.size + 1);

    memcpy(name, function, size);
    if (line.size > 0)
        memcpy(name + size, line.data, line.size);
    return (struct bytes){ name, size + line.size };
}

/* The place that its line waits for, if it is one. */
static int find_blocking(struct redis_store *store, int shard, const char *function, const msgpack_object *flow,
                         struct runs_standing *standing)
{
    const msgpack_object *places = member_of(flow, "places");
    struct bytes name = blocked_name(function, text_of(member_of(flow, "line")));
    int status = 0;

    for (uint32_t i = 0; places != NULL && places->type == MSGPACK_OBJECT_ARRAY && i < places->via.array.size && status == 0; i++) {
        struct bytes key = key_with(store, shard, "blocked:", text_of(&places->via.array.ptr[i]));
        AUTO_REPLY reply = NULL;
        status = ask_of(store, shard, "ZSCORE", key, name, &reply);
        if (status == 0 && reply->type == REDIS_REPLY_STRING) {
            standing->is_blocked = true;
            keep_key(text_of(&places->via.array.ptr[i]), standing);
        }
        free((void *)(uintptr_t)key.data);
    }
    free((void *)(uintptr_t)name.data);
    return status;
}

/* Whether its line waits for a run of its function to end. */
static int find_crowd(struct redis_store *store, int shard, const char *function, const msgpack_object *flow,
                      struct runs_standing *standing)
{
    struct bytes name = blocked_name(function, text_of(member_of(flow, "line")));
    struct bytes key = key_with(store, shard, "blocked:*", (struct bytes){ function, strlen(function) });
    AUTO_REPLY reply = NULL;
    int status = member_of(flow, "lives") != NULL ? ask_of(store, shard, "ZSCORE", key, name, &reply) : 0;

    standing->is_one_too_many = status == 0 && reply != NULL && reply->type == REDIS_REPLY_STRING;
    free((void *)(uintptr_t)key.data);
    free((void *)(uintptr_t)name.data);
    return status;
}

static int find_place(struct redis_store *store, int shard, const struct loaded_run *run, struct bytes line_name,
                      struct runs_standing *standing)
{
    struct bytes name = blocked_name(run->record.function, line_name);
    struct bytes line = key_with(store, shard, "line:", name);
    AUTO_FREE char *heads_name = xasprintf("heads:%s", run->record.function);
    struct bytes heads = key_with(store, shard, heads_name, (struct bytes){ 0 });
    AUTO_REPLY rank = NULL;
    AUTO_REPLY at = NULL;

    int status = ask_of(store, shard, "ZRANK", line, (struct bytes){ run->id, RUN_ID_LENGTH }, &rank);
    if (status == 0)
        status = ask_of(store, shard, "ZSCORE", heads, line_name.size > 0 ? line_name : (struct bytes){ "", 0 }, &at);
    if (status == 0 && rank->type == REDIS_REPLY_INTEGER)
        standing->before = rank->integer;
    if (status == 0 && at->type == REDIS_REPLY_STRING)
        standing->due_ms = (int64_t)strtod(at->str, NULL);
    free((void *)(uintptr_t)name.data);
    free((void *)(uintptr_t)line.data);
    free((void *)(uintptr_t)heads.data);
    return status;
}

/* Whether its breaker is open. */
static int find_breaker(struct redis_store *store, int shard, const msgpack_object *flow, struct runs_standing *standing)
{
    struct bytes breaker = text_of(member_of(flow, "breaker"));
    struct bytes key = key_with(store, shard, "breakers", (struct bytes){ 0 });
    AUTO_REPLY reply = NULL;
    int status = breaker.size > 0 ? ask_of(store, shard, "ZSCORE", key, breaker, &reply) : 0;

    free((void *)(uintptr_t)key.data);
    if (status == 0 && reply != NULL && reply->type == REDIS_REPLY_STRING) {
        standing->is_held = true;
        standing->due_ms = (int64_t)strtod(reply->str, NULL);
        keep_key(breaker, standing);
    }
    return status;
}

static void stand_debounced(const msgpack_object *held, struct runs_standing *standing)
{
    const msgpack_object *due = member_of(held, "due");

    keep_key(text_of(member_of(held, "by")), standing);
    standing->is_debounced = true;
    standing->before = 0;
    if (due != NULL && due->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        standing->due_ms = (int64_t)due->via.u64;
    else if (due != NULL && due->type == MSGPACK_OBJECT_FLOAT64)
        standing->due_ms = (int64_t)due->via.f64;
}

static int stand_queued(struct redis_store *store, int shard, const struct loaded_run *run, struct runs_standing *standing)
{
    AUTO_FREE char *key = keys_format(store_prefix(store, shard), "flow:%s", run->id);
    AUTO_REPLY reply = NULL;
    msgpack_unpacked flow;
    int status = store_commandf(store, shard, &reply, "GET %s", key);

    if (status != 0 || reply->type != REDIS_REPLY_STRING)
        return status;
    msgpack_unpacked_init(&flow);
    if (msgpack_unpack_next(&flow, reply->str, (size_t)reply->len, NULL) == MSGPACK_UNPACK_SUCCESS) {
        keep_key(text_of(member_of(&flow.data, "turn")), standing);
        const msgpack_object *held = member_of(&flow.data, "held");
        if (held != NULL)
            stand_debounced(held, standing);
        else
            status = find_place(store, shard, run, text_of(member_of(&flow.data, "line")), standing);
        if (status == 0 && held == NULL)
            status = find_blocking(store, shard, run->record.function, &flow.data, standing);
        if (status == 0 && held == NULL)
            status = find_crowd(store, shard, run->record.function, &flow.data, standing);
        if (status == 0)
            status = find_breaker(store, shard, &flow.data, standing);
    }
    msgpack_unpacked_destroy(&flow);
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
    case RUN_WAITING:
        return read_score(store, shard, "waiting", run->id, &ret_standing->due_ms);
    case RUN_OWNED:
        return stand_owned(store, shard, run, ret_standing);
    case RUN_BEHIND:
        return stand_behind(store, shard, run, ret_standing);
    case RUN_QUEUED:
        return stand_queued(store, shard, run, ret_standing);
    case RUN_COMPLETED:
    case RUN_FAILED:
    case RUN_CANCELLED:
    case RUN_ENDING:
        break;
    }
    return 0;
}

/* ---- by the beginning of an id ------------------------------------------------------------------- */

#define ONE_DIGITS 12 /* of so many, with ten million runs, one in thirty million has a double */
#define NEWEST_MOST "11000"

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

/* Ids that are shown in tables are mostly those of the newest runs: no walk over all keys for them. */
static int find_newest(struct redis_store *store, int shard, const char *digits, size_t most, struct run_id *ids, size_t *count)
{
    AUTO_FREE char *key = keys_format(store_prefix(store, shard), "newest");
    AUTO_REPLY reply = NULL;
    int status = store_commandf(store, shard, &reply, "ZREVRANGE %s 0 " NEWEST_MOST, key);

    for (size_t i = 0; status == 0 && i < reply->elements; i++)
        if (strncmp(reply->element[i]->str, digits, strlen(digits)) == 0)
            add_once(reply->element[i]->str, most, ids, count);
    return status;
}

int runs_find(struct redis_store *store, const char *digits, size_t most, struct run_id *ret_ids, size_t *ret_count)
{
    int shard = store_shard_of(store, digits);
    AUTO_FREE char *keys = keys_format(store_prefix(store, shard), "run:");
    AUTO_FREE char *escaped = escape(keys);
    AUTO_FREE char *pattern = xasprintf("%s%s*", escaped, digits);
    const bool is_one = strlen(digits) >= ONE_DIGITS;
    char cursor[24] = "0";

    *ret_count = 0;
    int status = is_one ? find_newest(store, shard, digits, most, ret_ids, ret_count) : 0;
    while (status == 0 && (!is_one || *ret_count == 0)) {
        AUTO_REPLY reply = NULL;
        status = store_commandf(store, shard, &reply, "SCAN %s MATCH %s COUNT 5000", cursor, pattern);
        if (status != 0)
            break;
        (void)snprintf(cursor, sizeof(cursor), "%s", reply->element[0]->str);
        for (size_t i = 0; i < reply->element[1]->elements; i++)
            add_once(reply->element[1]->element[i]->str + strlen(keys), most, ret_ids, ret_count);
        if (strcmp(cursor, "0") == 0 || *ret_count >= most)
            break;
    }
    return status;
}
