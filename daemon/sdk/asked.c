/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/asked.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "codec/packed.h"
#include "sdk/object.h"
#include "sdk/sdk_time.h"

#define HOUR_MS INT64_C(3600000)
#define SECOND_MS INT64_C(1000)
#define ANY_MS INT64_C(31536000000)
#define LIMITS_MOST 2
#define CANCELS_MOST 5
#define DEDUPE_MS (24 * HOUR_MS) /* an idempotency key holds for a day */
#define LIMIT_MOST 1000000000
#define CONCURRENCY_MOST 1000000

const char *const ASKED_KEYS[] = {
    "rateLimit", "throttle", "debounce",  "batchEvents", "concurrency", "priority",
    "singleton", "cancel",   "Singleton", "timeouts",    "idempotency", NULL,
};

void *asked_keep(struct asked_flow *asked, void *kept)
{
    asked->kept = xrealloc(asked->kept, (asked->kept_count + 1) * sizeof(*asked->kept));
    asked->kept[asked->kept_count++] = kept;
    return kept;
}

void asked_done(struct asked_flow *asked)
{
    for (size_t i = 0; i < asked->kept_count; i++)
        free(asked->kept[i]);
    free(asked->kept);
}

/* ---- one setting ----------------------------------------------------------------------------------- */

/* A map of a few members. */
struct part {
    const struct reading *reading;
    const char *setting;
    const msgpack_object *map;
    struct asked_flow *asked;
};

/* 0 and a map with no other members than `known`, by blanks; *ret_is_given false: it asks for nothing. */
static int part_open(const struct part *part, const char *known, bool *ret_is_given)
{
    const msgpack_object *map = part->map;

    *ret_is_given = !object_is_nothing(map);
    if (!*ret_is_given)
        return 0;
    if (map->type != MSGPACK_OBJECT_MAP)
        return reading_refuse(part->reading, "asks for a '%s' that is no object", part->setting);
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        AUTO_FREE char *key = object_text(&map->via.map.ptr[i].key);
        AUTO_FREE char *word = xasprintf(" %s ", key != NULL ? key : "?");
        if (strstr(known, word) == NULL && !object_is_nothing(&map->via.map.ptr[i].val))
            return reading_refuse(part->reading, "asks for '%s.%s', which stepd does not have", part->setting, key != NULL ? key : "?");
    }
    return 0;
}

static int read_number(const struct part *part, const char *member, int64_t least, int64_t *ret_number)
{
    const msgpack_object *given = packed_find(part->map, member);
    int64_t number = object_int(given, INT64_MIN);

    if (!object_is_given(given))
        return reading_refuse(part->reading, "asks for '%s' without '%s'", part->setting, member);
    if (number < least || number > LIMIT_MOST)
        return reading_refuse(part->reading, "asks for a '%s.%s' that is no whole number between %lld and %d", part->setting, member,
                              (long long)least, LIMIT_MOST);
    *ret_number = number;
    return 0;
}

/* Left out: 0. `least` 0: it may be. */
static int read_time(const struct part *part, const char *member, int64_t least_ms, int64_t most_ms, int64_t *ret_ms)
{
    AUTO_FREE char *text = object_find_text(part->map, member);
    int64_t time_ms;

    if (object_is_nothing(packed_find(part->map, member)))
        return least_ms > 0 ? reading_refuse(part->reading, "asks for '%s' without '%s'", part->setting, member) : 0;
    if (text == NULL || text[0] == '-' || sdk_time_parse_delay(text, &time_ms) != 0)
        return reading_refuse(part->reading, "asks for a '%s.%s' that is no time such as \"10s\"", part->setting, member);
    if (time_ms < least_ms || time_ms > most_ms)
        return reading_refuse(part->reading, "asks for a '%s.%s' of %s: it must be between %lld and %lld ms", part->setting, member, text,
                              (long long)least_ms, (long long)most_ms);
    *ret_ms = time_ms;
    return 0;
}

/* NULL where there is none, or it is null. */
static int read_text(const struct part *part, const char *member, const char **ret_text)
{
    const msgpack_object *given = packed_find(part->map, member);

    if (!object_is_given(given))
        return 0;
    *ret_text = asked_keep(part->asked, object_text(given));
    if (*ret_text == NULL)
        return reading_refuse(part->reading, "asks for a '%s.%s' that is no text", part->setting, member);
    return 0;
}

/* One that Inngest's server refuses where it is empty. */
static int read_expression(const struct part *part, const char *member, const char **ret_text)
{
    int status = read_text(part, member, ret_text);

    if (status == 0 && *ret_text != NULL && (*ret_text)[0] == '\0')
        return reading_refuse(part->reading, "asks for a '%s.%s' that is empty", part->setting, member);
    return status;
}

/* One that counts as none where it is empty. */
static int read_key(const struct part *part, const char *member, const char **ret_text)
{
    int status = read_text(part, member, ret_text);

    if (status == 0 && *ret_text != NULL && (*ret_text)[0] == '\0')
        *ret_text = NULL;
    return status;
}

static struct part part_of(const struct reading *reading, const msgpack_object *function, const char *setting, struct asked_flow *asked)
{
    return (struct part){ reading, setting, packed_find(function, setting), asked };
}

/* ---- each ------------------------------------------------------------------------------------------ */

static int read_rate_limit(const struct reading *reading, const msgpack_object *function, struct asked_flow *asked)
{
    const struct part part = part_of(reading, function, "rateLimit", asked);
    struct stepd_rate_limit *given = &asked->given.rate_limit;
    bool is_given;
    int status = part_open(&part, " limit period key ", &is_given);

    if (status != 0 || !is_given)
        return status;
    status = read_number(&part, "limit", 1, &given->limit);
    if (status == 0)
        status = read_time(&part, "period", 1, 24 * HOUR_MS, &given->period_ms);
    return status == 0 ? read_expression(&part, "key", &given->key) : status;
}

/* A limit of 0 counts as 1, as on Inngest's server. */
static int read_throttle(const struct reading *reading, const msgpack_object *function, struct asked_flow *asked)
{
    const struct part part = part_of(reading, function, "throttle", asked);
    struct stepd_throttle *given = &asked->given.throttle;
    bool is_given;
    int status = part_open(&part, " limit period burst key ", &is_given);

    if (status != 0 || !is_given)
        return status;
    status = read_number(&part, "limit", 0, &given->limit);
    if (given->limit == 0)
        given->limit = 1;
    if (status == 0)
        status = read_time(&part, "period", 1, ANY_MS, &given->period_ms);
    if (status == 0 && !object_is_nothing(packed_find(part.map, "burst")))
        status = read_number(&part, "burst", 0, &given->burst);
    return status == 0 ? read_key(&part, "key", &given->key) : status;
}

static int read_debounce(const struct reading *reading, const msgpack_object *function, struct asked_flow *asked)
{
    const struct part part = part_of(reading, function, "debounce", asked);
    struct stepd_debounce *given = &asked->given.debounce;
    bool is_given;
    int status = part_open(&part, " period timeout key ", &is_given);

    if (status != 0 || !is_given)
        return status;
    status = read_time(&part, "period", SECOND_MS, 7 * 24 * HOUR_MS, &given->period_ms);
    if (status == 0)
        status = read_time(&part, "timeout", 0, ANY_MS, &given->timeout_ms);
    return status == 0 ? read_key(&part, "key", &given->key) : status;
}

/* Inngest's server knows no days here. */
static int read_batch_timeout(const struct part *part, int64_t *ret_ms)
{
    AUTO_FREE char *text = object_find_text(part->map, "timeout");

    if (text != NULL && strpbrk(text, "dw") != NULL)
        return reading_refuse(part->reading, "asks for a 'batchEvents.timeout' of %s: it is of hours, minutes and seconds", text);
    return read_time(part, "timeout", SECOND_MS, ANY_MS, ret_ms);
}

static int read_batch(const struct reading *reading, const msgpack_object *function, struct asked_flow *asked)
{
    const struct part part = part_of(reading, function, "batchEvents", asked);
    struct stepd_batch *given = &asked->given.batch;
    bool is_given;
    int status = part_open(&part, " maxSize timeout key if ", &is_given);

    if (status != 0 || !is_given)
        return status;
    status = read_number(&part, "maxSize", 2, &given->size);
    if (status == 0)
        status = read_batch_timeout(&part, &given->timeout_ms);
    if (status == 0)
        status = read_expression(&part, "key", &given->key);
    return status == 0 ? read_expression(&part, "if", &asked->batch_when) : status;
}

static int read_singleton(const struct reading *reading, const msgpack_object *function, struct asked_flow *asked)
{
    const char *name = object_is_nothing(packed_find(function, "singleton")) ? "Singleton" : "singleton"; /* Go's SDK */
    struct part part = part_of(reading, function, name, asked);
    struct stepd_singleton *given = &asked->given.singleton;
    bool is_given;

    part.setting = "singleton";
    int status = part_open(&part, " mode key ", &is_given);
    if (status != 0 || !is_given)
        return status;
    const msgpack_object *mode = packed_find(part.map, "mode");
    if (object_is_text(mode, "skip"))
        given->mode = STEPD_SINGLETON_SKIP;
    else if (object_is_text(mode, "cancel"))
        given->mode = STEPD_SINGLETON_CANCEL;
    else
        return reading_refuse(reading, "asks for a 'singleton.mode' that is neither skip nor cancel");
    return read_key(&part, "key", &given->key);
}

static int read_priority(const struct reading *reading, const msgpack_object *function, struct asked_flow *asked)
{
    const struct part part = part_of(reading, function, "priority", asked);
    bool is_given;
    int status = part_open(&part, " run ", &is_given);

    return status != 0 || !is_given ? status : read_expression(&part, "run", &asked->given.priority);
}

static int read_timeouts(const struct reading *reading, const msgpack_object *function, struct asked_flow *asked)
{
    const struct part part = part_of(reading, function, "timeouts", asked);
    bool is_given;
    int status = part_open(&part, " start finish ", &is_given);

    if (status != 0 || !is_given)
        return status;
    status = read_time(&part, "start", 0, ANY_MS, &asked->given.start_timeout_ms);
    return status == 0 ? read_time(&part, "finish", 0, ANY_MS, &asked->given.finish_timeout_ms) : status;
}

static int read_idempotency(const struct reading *reading, const msgpack_object *function, struct asked_flow *asked)
{
    const msgpack_object *given = packed_find(function, "idempotency");

    if (object_is_nothing(given))
        return 0;
    const char *key = asked_keep(asked, object_text(given));
    if (key == NULL)
        return reading_refuse(reading, "asks for an 'idempotency' that is no expression");
    asked->given.dedupe_ms = DEDUPE_MS;
    if (!object_is_text(given, "event.id"))
        asked->given.dedupe_key = key;
    return 0;
}

static int read_cancels(const struct reading *reading, const msgpack_object *function, struct asked_flow *asked)
{
    const msgpack_object *list = packed_find(function, "cancel");

    if (object_is_nothing(list))
        return 0;
    if (list->type != MSGPACK_OBJECT_ARRAY)
        return reading_refuse(reading, "asks for a 'cancel' that is no list");
    if (list->via.array.size > CANCELS_MOST)
        return reading_refuse(reading, "asks for %u events that cancel it: up to %d are possible", (unsigned)list->via.array.size,
                              CANCELS_MOST);
    struct stepd_cancel *items = asked_keep(asked, xcalloc(list->via.array.size, sizeof(*items)));
    asked->given.cancel_on = (struct stepd_cancels){ items, list->via.array.size };
    for (uint32_t i = 0; i < list->via.array.size; i++) {
        const struct part part = { reading, "cancel", &list->via.array.ptr[i], asked };
        bool is_given;
        int status = part_open(&part, " event if timeout ", &is_given);
        if (status == 0)
            status = read_text(&part, "event", &items[i].event);
        if (status == 0 && (items[i].event == NULL || items[i].event[0] == '\0'))
            status = reading_refuse(reading, "asks for a 'cancel' without 'event'");
        if (status == 0)
            status = read_expression(&part, "if", &items[i].when);
        if (status == 0)
            status = read_time(&part, "timeout", 0, ANY_MS, &items[i].timeout_ms);
        if (status != 0)
            return status;
    }
    return 0;
}

/* ---- concurrency: a number, one limit, a list of them, or (Go's SDK) an object with two lists -------- */

static const char *scope_of(const struct part *part, const char **ret_scope)
{
    AUTO_FREE char *scope = object_find_text(part->map, "scope");

    *ret_scope = NULL;
    if (scope == NULL || scope[0] == '\0' || strcmp(scope, "fn") == 0)
        return NULL;
    if (strcmp(scope, "env") == 0)
        *ret_scope = "inngest/env";
    else if (strcmp(scope, "account") == 0)
        *ret_scope = "inngest/account";
    else
        return "asks for a 'concurrency.scope' that is none of fn, env and account";
    return NULL;
}

/* A number of its own, without a key, is of the function as a whole. One that is not above 0 limits nothing. */
static int read_limit(const struct part *part, struct stepd_limits *limits)
{
    struct stepd_limit limit = { .limit = 0 };
    bool is_given;
    int status = part_open(part, " limit key scope hash ", &is_given);

    if (status != 0)
        return status;
    const char *why = scope_of(part, &limit.scope);
    if (why != NULL)
        return reading_refuse(part->reading, "%s", why);
    limit.limit = object_int(packed_find(part->map, "limit"), INT64_MIN);
    if (limit.limit == INT64_MIN || limit.limit > CONCURRENCY_MOST)
        return reading_refuse(part->reading, "asks for a 'concurrency.limit' that is no whole number up to %d", CONCURRENCY_MOST);
    status = read_expression(part, "key", &limit.key);
    if (status == 0 && limit.scope != NULL && limit.key == NULL)
        return reading_refuse(part->reading, "asks for a 'concurrency' of another scope than fn without a key");
    assert(limits->count < LIMITS_MOST);
    if (status == 0 && limit.limit > 0)
        ((struct stepd_limit *)(uintptr_t)limits->items)[limits->count++] = limit;
    return status;
}

static int read_limits(const struct reading *reading, const msgpack_object *list, struct asked_flow *asked)
{
    struct stepd_limits *limits = &asked->given.concurrency_limits;

    if (list->via.array.size > LIMITS_MOST)
        return reading_refuse(reading, "asks for %u concurrency limits: up to %d are possible", (unsigned)list->via.array.size,
                              LIMITS_MOST);
    for (uint32_t i = 0; i < list->via.array.size; i++) {
        const struct part part = { reading, "concurrency", &list->via.array.ptr[i], asked };
        int status = read_limit(&part, limits);
        if (status != 0)
            return status;
    }
    return 0;
}

static int read_concurrency(const struct reading *reading, const msgpack_object *function, struct asked_flow *asked)
{
    struct part part = part_of(reading, function, "concurrency", asked);
    int64_t number = object_int(part.map, INT64_MIN);

    if (object_is_nothing(part.map))
        return 0;
    struct stepd_limit *items = asked_keep(asked, xcalloc(LIMITS_MOST, sizeof(*items)));
    asked->given.concurrency_limits.items = items;
    if (number != INT64_MIN && number <= CONCURRENCY_MOST) {
        items[0].limit = number;
        asked->given.concurrency_limits.count = number > 0;
        return 0;
    }
    if (part.map->type == MSGPACK_OBJECT_MAP && !object_is_nothing(packed_find(part.map, "fn")))
        return reading_refuse(reading, "asks for a 'concurrency.fn', which holds its place for a whole run; stepd does not have it");
    if (part.map->type == MSGPACK_OBJECT_MAP && !object_is_nothing(packed_find(part.map, "step")))
        part.map = packed_find(part.map, "step");
    if (part.map->type == MSGPACK_OBJECT_ARRAY)
        return read_limits(reading, part.map, asked);
    return read_limit(&part, &asked->given.concurrency_limits);
}

/* ---- all ------------------------------------------------------------------------------------------- */

/* Of two of them the order of what happens would be anybody's guess. */
static int check_together(const struct reading *reading, const struct asked_flow *asked)
{
    const struct stepd_function *given = &asked->given;
    const struct {
        bool is_given;
        const char *setting;
    } others[] = {
        { given->cancel_on.count > 0, "cancel" },
        { given->debounce.period_ms > 0, "debounce" },
        { given->singleton.mode != STEPD_SINGLETON_NONE, "singleton" },
        { given->priority != NULL, "priority" },
    };

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (given->batch.size > 0 && others[i].is_given)
            return reading_refuse(reading, "asks for batchEvents and %s, which exclude each other", others[i].setting);
    }
    return 0;
}

int asked_read(const struct reading *reading, const msgpack_object *function, struct asked_flow *ret_asked)
{
    static int (*const readers[])(const struct reading *, const msgpack_object *, struct asked_flow *) = {
        read_rate_limit, read_throttle, read_debounce,    read_batch,   read_singleton,
        read_priority,   read_timeouts, read_idempotency, read_cancels, read_concurrency,
    };

    *ret_asked = (struct asked_flow){ .kept_count = 0 };
    for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++) {
        int status = readers[i](reading, function, ret_asked);
        if (status != 0)
            return status;
    }
    return check_together(reading, ret_asked);
}
