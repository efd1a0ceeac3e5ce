/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A copy put into another number of shards. A run's shard is that of its id (store_shard_of()), and all that is found by a run,
 * and all that counts for it, lies beside it: so a list is split by the ids in it, what is named by a run goes with the run, and what
 * is named by a function goes where limits of the function are kept. Of what is of a shard as a whole each new shard gets what
 * any old one had.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "store/copy.h"
#include "store/redis/keys.h"
#include "store/redis/store_internal.h"

#define AT_ONCE "1000"      /* elements that a list is read by */
#define APART "resharding:" /* the key under which one is put to be read */

struct copy_plan {
    struct redis_store *store;
    char **scoped; /* functions with limits of scopes */
    size_t scoped_count;
};

enum way {
    BY_ELEMENT,  /* a set: to where the run is that an element, or its value, begins with; other elements to all shards */
    BY_NAME,     /* named by a run */
    BY_FUNCTION, /* named by a function, up to a NUL */
    FUNCTIONS,   /* a set of names that begin so */
    TO_ALL,      /* a set: each shard gets what any had */
    TO_EACH,     /* the same of what is no set: each shard gets it as it is */
    ADDED_UP,    /* counters: the first shard gets the sums */
    TO_FIRST,    /* stands in the first shard alone */
    NOWHERE,     /* is made anew */
};

/* By how a name begins; the first that fits. What is not named here is a list of runs, or of the first shard. */
static const struct {
    const char *start;
    enum way way;
} WAYS[] = {
    { "run:", BY_NAME },         { "steps:", BY_NAME },        { "added:", BY_NAME },      { "await:", BY_NAME },
    { "kept:", BY_NAME },        { "calls:", BY_NAME },        { "mail:", BY_NAME },       { "called:", BY_NAME },
    { "flow:", BY_NAME },        { "rate:", BY_FUNCTION },     { "turn:", BY_FUNCTION },   { "lock:", BY_FUNCTION },
    { "blocked:", BY_FUNCTION }, { "heads:", BY_FUNCTION },    { "faults:", BY_FUNCTION }, { "probe:", BY_FUNCTION },
    { "open:", BY_FUNCTION },    { "debounce:", BY_FUNCTION }, { "breakers_at", TO_EACH }, { "breakers", FUNCTIONS },
    { "ticks", FUNCTIONS },      { "pausing", FUNCTIONS },     { "paused_ms", FUNCTIONS }, { "workers", TO_ALL },
    { "holders", TO_ALL },       { "lines", TO_ALL },          { "timed", TO_ALL },        { "watches", TO_ALL },
    { "watching", TO_ALL },      { "matched", TO_ALL },        { "rewound", TO_ALL },      { "seen:", TO_EACH },
    { "process", TO_EACH },      { "stats", ADDED_UP },        { "claim:", NOWHERE },      { "sweeper", NOWHERE },
    { "reborn", NOWHERE },       { "shards", NOWHERE },        { "inngest", TO_FIRST },    { "functions", TO_FIRST },
    { "paused", TO_FIRST },      { "deeds", TO_FIRST },        { "redrives", TO_FIRST },   { "replays", TO_FIRST },
    { "programs", TO_FIRST },    { "fading", TO_ALL },         { "faded", TO_ALL },        { "walk", NOWHERE },
    { "unseen", NOWHERE },       { "idle", NOWHERE },          { "forgotten", NOWHERE },   { "signal", NOWHERE },
};

static enum way way_of(struct bytes name)
{
    for (size_t i = 0; i < COUNT_OF(WAYS); i++) {
        size_t size = strlen(WAYS[i].start);
        if (name.size >= size && memcmp(name.data, WAYS[i].start, size) == 0)
            return WAYS[i].way;
    }
    return BY_ELEMENT;
}

/* -1: they begin with no run's id. */
static int shard_of_run(const struct copy_plan *plan, struct bytes bytes)
{
    char id[RUN_ID_LENGTH + 1] = { 0 };

    if (bytes.size < RUN_ID_LENGTH)
        return -1;
    memcpy(id, bytes.data, RUN_ID_LENGTH);
    return run_id_is_valid(id) ? store_shard_of(plan->store, id) : -1;
}

static bool is_scoped(const struct copy_plan *plan, const char *function)
{
    for (size_t i = 0; i < plan->scoped_count; i++)
        if (strcmp(plan->scoped[i], function) == 0)
            return true;
    return function[0] == '@'; /* a scope itself */
}

static int shard_of_function(const struct copy_plan *plan, struct bytes name)
{
    AUTO_FREE char *function = xstrndup(name.data, name.size); /* ends at a NUL, too */
    enum run_placement placement = is_scoped(plan, function) ? PLACED_BY_SCOPE : PLACED_BY_FUNCTION;

    return (int)(run_function_placement(function, placement) % (unsigned)store_shards(plan->store));
}

static struct bytes behind_colon(struct bytes name)
{
    const char *colon = memchr(name.data, ':', name.size);
    size_t size = colon != NULL ? (size_t)(colon + 1 - (const char *)name.data) : 0;

    return (struct bytes){ (const char *)name.data + size, name.size - size };
}

/* ---- one element of a set -------------------------------------------------------------------------- */

/* What a set is written by; a hash has a value, a sorted set a score. */
struct element {
    const struct copied_key *key;
    struct bytes name;
    struct bytes value; /* or score; empty: a set's */
    char type;          /* h, z, s */
};

static struct bytes text(const char *words)
{
    return (struct bytes){ words, strlen(words) };
}

static struct bytes bytes_of(const redisReply *reply)
{
    return (struct bytes){ reply->str, (size_t)reply->len };
}

static struct bytes full_name(const struct copy_plan *plan, int shard, struct bytes name)
{
    const char *prefix = store_prefix(plan->store, shard);
    size_t size = strlen(prefix);
    char *full = xmalloc(size + name.size + 1);

    memcpy(full, prefix, size);
    memcpy(full + size, name.data, name.size);
    return (struct bytes){ full, size + name.size };
}

static int expire(const struct copy_plan *plan, int shard, struct bytes key, int64_t at_ms)
{
    AUTO_FREE char *until = xasprintf("%lld", (long long)at_ms);
    const struct bytes words[] = { text("PEXPIREAT"), key, text(until) };
    AUTO_REPLY reply = NULL;

    return store_command(plan->store, shard, COUNT_OF(words), words, &reply);
}

/* Of two numbers in one place the lower counts where it says how far something came, else the higher. */
static const char MERGE[] = "local had, new = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or ''), tonumber(ARGV[2])\n"
                            "if had and new and (ARGV[3] == 'low' and had < new or ARGV[3] == 'high' and had > new) then return 0 end\n"
                            "redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])\n"
                            "return 1";

static int write_hash(const struct copy_plan *plan, int shard, struct bytes key, const struct element *element, enum way way)
{
    const char *name = element->key->name.data;
    bool is_place = strncmp(name, "matched", 7) == 0 || strncmp(name, "rewound", 7) == 0 || strncmp(name, "faded", 5) == 0;
    const struct bytes merge[] = {
        text("EVAL"), text(MERGE), text("1"), key, element->name, element->value, text(is_place ? "low" : "high")
    };
    const struct bytes add[] = { text("HINCRBY"), key, element->name, element->value };
    AUTO_REPLY reply = NULL;

    if (way == ADDED_UP)
        return store_command(plan->store, shard, COUNT_OF(add), add, &reply);
    return store_command(plan->store, shard, COUNT_OF(merge), merge, &reply);
}

static int write_element(const struct copy_plan *plan, int shard, const struct element *element, enum way way)
{
    struct bytes key = full_name(plan, shard, element->key->name);
    const struct bytes of_sorted[] = { text("ZADD"), key, text("GT"), element->value, element->name };
    const struct bytes of_set[] = { text("SADD"), key, element->name };
    AUTO_REPLY reply = NULL;
    int status;

    if (element->type == 'h')
        status = write_hash(plan, shard, key, element, way);
    else if (element->type == 'z')
        status = store_command(plan->store, shard, COUNT_OF(of_sorted), of_sorted, &reply);
    else
        status = store_command(plan->store, shard, COUNT_OF(of_set), of_set, &reply);
    if (status == 0 && element->key->expires_ms > 0)
        status = expire(plan, shard, key, element->key->expires_ms);
    free((void *)(uintptr_t)key.data);
    return status;
}

static int write_to_all(const struct copy_plan *plan, const struct element *element, enum way way)
{
    int status = 0;

    for (int shard = 0; shard < store_shards(plan->store) && status == 0; shard++)
        status = write_element(plan, shard, element, way);
    return status;
}

static int place_element(const struct copy_plan *plan, const struct element *element, enum way way)
{
    int shard = way == BY_ELEMENT ? shard_of_run(plan, element->name) : -1;

    if (way == BY_ELEMENT && shard < 0 && element->type == 'h')
        shard = shard_of_run(plan, element->value);
    if (way == FUNCTIONS)
        shard = shard_of_function(plan, element->name);
    if (way == ADDED_UP)
        shard = 0;
    return shard >= 0 ? write_element(plan, shard, element, way) : write_to_all(plan, element, way);
}

/* ---- a set ------------------------------------------------------------------------------------------ */

/* What of a page of a sorted set or a set is of runs of one shard, in one command. */
static int place_runs(const struct copy_plan *plan, const struct copied_key *key, const redisReply *page, char type, int shard)
{
    const size_t step = type == 's' ? 1 : 2;
    AUTO_FREE struct bytes *words = xcalloc(page->elements + 3, sizeof(*words));
    struct bytes name = full_name(plan, shard, key->name);
    size_t count = 0;
    AUTO_REPLY reply = NULL;

    words[count++] = text(type == 's' ? "SADD" : "ZADD");
    words[count++] = name;
    const size_t head = count;
    for (size_t i = 0; i + step <= page->elements; i += step) {
        if (shard_of_run(plan, bytes_of(page->element[i])) != shard)
            continue;
        if (type == 'z')
            words[count++] = bytes_of(page->element[i + 1]);
        words[count++] = bytes_of(page->element[i]);
    }
    int status = count > head ? store_command(plan->store, shard, count, words, &reply) : 0;
    if (status == 0 && count > head && key->expires_ms > 0)
        status = expire(plan, shard, name, key->expires_ms);
    free((void *)(uintptr_t)name.data);
    return status;
}

static int place_page(const struct copy_plan *plan, const struct copied_key *key, const redisReply *page, char type, enum way way)
{
    const size_t step = type == 's' ? 1 : 2;
    const bool is_of_runs = way == BY_ELEMENT && type != 'h';
    int status = 0;

    for (int shard = 0; is_of_runs && shard < store_shards(plan->store) && status == 0; shard++)
        status = place_runs(plan, key, page, type, shard);
    for (size_t i = 0; i + step <= page->elements && status == 0; i += step) {
        struct element element = { .key = key, .name = bytes_of(page->element[i]), .type = type };
        if (type != 's')
            element.value = bytes_of(page->element[i + 1]);
        if (!is_of_runs || shard_of_run(plan, element.name) < 0)
            status = place_element(plan, &element, way);
    }
    return status;
}

/* The key, as it was put apart, element by element. */
static int place_elements(const struct copy_plan *plan, const struct copied_key *key, char type, enum way way)
{
    const char *command = type == 'h' ? "HSCAN" : type == 'z' ? "ZSCAN" : "SSCAN";
    AUTO_FREE char *apart = keys_format(store_prefix(plan->store, 0), APART);
    char cursor[24] = "0";

    do {
        const struct bytes words[] = { text(command), text(apart), text(cursor), text("COUNT"), text(AT_ONCE) };
        AUTO_REPLY page = NULL;
        int status = store_command(plan->store, 0, COUNT_OF(words), words, &page);
        if (status != 0)
            return status;
        (void)snprintf(cursor, sizeof(cursor), "%s", page->element[0]->str);
        status = place_page(plan, key, page->element[1], type, way);
        if (status != 0)
            return status;
    } while (strcmp(cursor, "0") != 0);
    return 0;
}

static int put_at(const struct copy_plan *plan, int shard, struct bytes name, const struct copied_key *key)
{
    struct copied_key copy = *key;

    copy.shard = shard;
    copy.name = name;
    return copy_put(plan->store, &copy);
}

static int put_at_each(const struct copy_plan *plan, const struct copied_key *key)
{
    int status = 0;

    for (int shard = 0; shard < store_shards(plan->store) && status == 0; shard++)
        status = put_at(plan, shard, key->name, key);
    return status;
}

/* A set, element by element; what is none, and has no way of its own, stays in the order of shards. */
static int split(const struct copy_plan *plan, const struct copied_key *key, enum way way)
{
    AUTO_FREE char *apart = keys_format(store_prefix(plan->store, 0), APART);
    AUTO_REPLY type = NULL;
    AUTO_REPLY gone = NULL;
    struct copied_key copy = *key;

    copy.expires_ms = 0;
    int status = put_at(plan, 0, text(APART), &copy);
    if (status == 0)
        status = store_commandf(plan->store, 0, &type, "TYPE %s", apart);
    if (status != 0)
        return status;
    bool is_set = strcmp(type->str, "hash") == 0 || strcmp(type->str, "zset") == 0 || strcmp(type->str, "set") == 0;
    if (is_set)
        status = place_elements(plan, key, type->str[0], way);
    else
        status = put_at(plan, key->shard % store_shards(plan->store), key->name, key);
    return status != 0 ? status : store_commandf(plan->store, 0, &gone, "UNLINK %s", apart);
}

/* ---- all of it --------------------------------------------------------------------------------------- */

struct copy_plan *copy_plan_create(struct redis_store *store)
{
    struct copy_plan *plan = xcalloc(1, sizeof(*plan));

    plan->store = store;
    return plan;
}

void copy_plan_destroy(struct copy_plan *plan)
{
    for (size_t i = 0; i < plan->scoped_count; i++)
        free(plan->scoped[i]);
    free(plan->scoped);
    free(plan);
}

bool copy_plan_wants(const struct copied_key *key)
{
    return key->shard == 0 && key->name.size == strlen("functions") && memcmp(key->name.data, "functions", key->name.size) == 0;
}

int copy_plan_read(struct copy_plan *plan, const struct copied_key *key)
{
    AUTO_REPLY reply = NULL;
    int status = put_at(plan, 0, key->name, key);

    if (status == 0)
        status = store_commandf(plan->store, 0, &reply, "HGETALL %sfunctions", store_prefix(plan->store, 0));
    for (size_t i = 0; status == 0 && i + 1 < reply->elements; i += 2) {
        const char *placed = strchr(reply->element[i + 1]->str, ' ');
        if (placed == NULL || atoi(placed + 1) != PLACED_BY_SCOPE)
            continue;
        plan->scoped = xrealloc(plan->scoped, (plan->scoped_count + 1) * sizeof(char *));
        plan->scoped[plan->scoped_count++] = xstrdup(reply->element[i]->str);
    }
    return status;
}

int copy_plan_put(struct copy_plan *plan, const struct copied_key *key)
{
    enum way way = way_of(key->name);
    int shard;

    switch (way) {
    case NOWHERE:
        return 0;
    case TO_FIRST:
        return put_at(plan, 0, key->name, key);
    case TO_EACH:
        return put_at_each(plan, key);
    case BY_NAME:
        shard = shard_of_run(plan, behind_colon(key->name));
        return put_at(plan, shard >= 0 ? shard : 0, key->name, key);
    case BY_FUNCTION:
        return put_at(plan, shard_of_function(plan, behind_colon(key->name)), key->name, key);
    case BY_ELEMENT:
    case FUNCTIONS:
    case TO_ALL:
    case ADDED_UP:
        break;
    }
    return split(plan, key, way);
}
