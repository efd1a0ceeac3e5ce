/* SPDX-License-Identifier: Apache-2.0 */
#include "run/flow_ask.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "event/event_fields.h"

#define KEY_MOST 256 /* of a key's text; of what is longer the rest is a hash */
#define KEY_KEPT 200
#define PRIORITY_MOST_S 600

static void fields_of(const struct function *function, struct event *event, struct event_fields *fields)
{
    if (function->topic != NULL)
        event_fields_init_of_row(fields, event);
    else
        event_fields_init(fields, event);
}

static void note(struct flow_troubles *troubles, const char *setting, const struct error *error)
{
    if (troubles->count++ == 0) {
        troubles->setting = setting;
        troubles->error = *error;
    }
}

bool flow_wants(const struct function *function, struct event *event, int64_t now_ms, struct flow_troubles *troubles)
{
    struct event_fields fields;
    struct error error = { 0 };

    if (function->flow == NULL || function->flow->when == NULL)
        return true;
    fields_of(function, event, &fields);
    const struct expression_scope scope = { .event = &fields.base, .now_ms = now_ms };
    int holds = expression_holds(function->flow->when, &scope, &error);
    if (holds < 0)
        note(troubles, "when", &error);
    return holds == 1;
}

/* ---- keys ----------------------------------------------------------------------------------------- */

/* One event under evaluation. */
struct asking {
    struct flow_ask *ask;
    struct expression_scope scope;
};

static void shorten(msgpack_sbuffer *texts, size_t at)
{
    size_t size = texts->size - at;
    char digits[1 + 32 + 1];

    if (size <= KEY_MOST)
        return;
    XXH128_hash_t hash = XXH3_128bits(texts->data + at, size);
    (void)snprintf(digits, sizeof(digits), "#%016llx%016llx", (unsigned long long)hash.high64, (unsigned long long)hash.low64);
    texts->size = at + KEY_KEPT;
    msgpack_sbuffer_write(texts, digits, sizeof(digits) - 1);
}

/* False: its value is null, or it failed; then it is none. */
static bool add_key(struct asking *asking, const struct expression *expression, const char *setting, struct flow_key *ret_key)
{
    msgpack_sbuffer *texts = &asking->ask->texts;
    struct error error = { 0 };
    int status = 0;

    *ret_key = (struct flow_key){ .at = texts->size };
    msgpack_sbuffer_write(texts, expression != NULL ? "=" : "-", 1);
    if (expression != NULL)
        status = expression_key(expression, &asking->scope, texts, &error);
    if (status != 0) {
        texts->size = ret_key->at;
        msgpack_sbuffer_write(texts, "-", 1);
    }
    if (status == -EINVAL)
        note(&asking->ask->troubles, setting, &error);
    shorten(texts, ret_key->at);
    ret_key->size = texts->size - ret_key->at;
    return status == 0;
}

static int64_t priority_of(struct asking *asking, const struct expression *expression)
{
    struct error error = { 0 };
    double seconds = 0;

    if (expression == NULL)
        return 0;
    if (expression_number(expression, &asking->scope, &seconds, &error) != 0) {
        note(&asking->ask->troubles, "priority", &error);
        return 0;
    }
    if (isnan(seconds))
        return 0;
    return (int64_t)(fmin(fmax(seconds, -PRIORITY_MOST_S), PRIORITY_MOST_S) * 1000);
}

/* What has no value, or fails, is found by none: its condition is false whatever comes. */
static void add_wishes(struct asking *asking, const struct flow_wishes *wishes)
{
    msgpack_sbuffer *texts = &asking->ask->texts;
    struct error error = { 0 };

    for (size_t i = 0; i < wishes->count; i++) {
        const struct flow_wish *wish = &wishes->items[i];
        struct flow_key *value = &asking->ask->wishes[i];
        *value = (struct flow_key){ .at = texts->size };
        int status = wish->later[0] != '\0' ? expression_equality_write(wish->equality.earlier, &asking->scope, texts, &error) : 0;
        if (status == -EINVAL)
            note(&asking->ask->troubles, wish->kind == FLOW_WISH_CANCEL ? "cancel_on" : "expects", &error);
        if (status != 0)
            texts->size = value->at;
        value->size = texts->size - value->at;
    }
}

/* Of what only delays. */
static void add_waits(struct asking *asking, const struct flow_settings *flow)
{
    struct flow_ask *ask = asking->ask;

    (void)add_key(asking, flow->throttle_key, "throttle.key", &ask->throttle);
    for (size_t i = 0; i < flow->given.concurrency_limits.count; i++)
        (void)add_key(asking, flow->limit_keys[i], "concurrency_limits.key", &ask->limits[i]);
    (void)add_key(asking, flow->breaker_key, "breaker.key", &ask->breaker);
    ask->priority_ms = priority_of(asking, flow->priority);
    add_wishes(asking, &flow->wishes);
}

void flow_ask_init(struct flow_ask *ask, const struct function *function, struct event *event, int64_t now_ms)
{
    const struct flow_settings *flow = function->flow;
    struct event_fields fields;

    *ask = (struct flow_ask){ .has_dedupe = false };
    msgpack_sbuffer_init(&ask->texts);
    fields_of(function, event, &fields);
    struct asking asking = { ask, { .event = &fields.base, .now_ms = now_ms } };
    ask->has_dedupe = function->dedupe_ms > 0 && flow_dedupe_id(function, event, now_ms, &ask->dedupe, &ask->troubles);
    if (flow_has_rate_limit(flow))
        ask->has_rate_limit = add_key(&asking, flow->rate_limit_key, "rate_limit.key", &ask->rate_limit);
    if (flow->given.singleton.mode != STEPD_SINGLETON_NONE)
        ask->has_singleton = add_key(&asking, flow->singleton_key, "singleton.key", &ask->singleton);
    if (flow_has_debounce(flow))
        ask->has_debounce = add_key(&asking, flow->debounce_key, "debounce.key", &ask->debounce);
    add_waits(&asking, flow);
}

void flow_ask_init_again(struct flow_ask *ask, const struct function *function, struct event *event, int64_t now_ms)
{
    struct event_fields fields;

    *ask = (struct flow_ask){ .has_dedupe = false };
    msgpack_sbuffer_init(&ask->texts);
    fields_of(function, event, &fields);
    struct asking asking = { ask, { .event = &fields.base, .now_ms = now_ms } };
    add_waits(&asking, function->flow);
}

void flow_ask_done(struct flow_ask *ask)
{
    msgpack_sbuffer_destroy(&ask->texts);
}

struct bytes flow_ask_key(const struct flow_ask *ask, const struct flow_key *key)
{
    return (struct bytes){ ask->texts.data + key->at, key->size };
}

bool flow_dedupe_id(const struct function *function, struct event *event, int64_t now_ms, struct dedupe_id *ret_id,
                    struct flow_troubles *troubles)
{
    struct event_fields fields;
    struct error error = { 0 };
    msgpack_sbuffer text;

    if (function->flow == NULL || function->flow->dedupe_key == NULL) {
        *ret_id = dedupe_id_of(function, event);
        return true;
    }
    fields_of(function, event, &fields);
    const struct expression_scope scope = { .event = &fields.base, .now_ms = now_ms };
    msgpack_sbuffer_init(&text);
    int status = expression_key(function->flow->dedupe_key, &scope, &text, &error);
    if (status == 0)
        *ret_id = dedupe_id_of_key(function, (struct bytes){ text.data, text.size });
    else if (status == -EINVAL)
        note(troubles, "dedupe_key", &error);
    msgpack_sbuffer_destroy(&text);
    return status == 0;
}

bool flow_batch_key(const struct function *function, struct event *event, int64_t now_ms, msgpack_sbuffer *text,
                    struct flow_troubles *troubles)
{
    const struct flow_settings *flow = function->flow;
    struct flow_ask ask = { .has_dedupe = false };
    struct event_fields fields;
    struct error error = { 0 };
    struct flow_key key;

    fields_of(function, event, &fields);
    struct asking asking = { &ask, { .event = &fields.base, .now_ms = now_ms } };
    msgpack_sbuffer_init(&ask.texts);
    (void)add_key(&asking, flow->batch_key, "batch.key", &key);
    msgpack_sbuffer_write(text, ask.texts.data, ask.texts.size);
    msgpack_sbuffer_destroy(&ask.texts);
    *troubles = ask.troubles;
    if (flow->batch_when == NULL)
        return true;
    int holds = expression_holds(flow->batch_when, &asking.scope, &error);
    if (holds < 0)
        note(troubles, "batch.if", &error);
    return holds == 1;
}

/* ---- errors ----------------------------------------------------------------------------------------- */

static bool policy_matches(const char *pattern, const char *error)
{
    size_t plain = strcspn(pattern, "*");

    return pattern[plain] == '*' ? strncmp(pattern, error, plain) == 0 : strcmp(pattern, error) == 0;
}

const struct stepd_error_policy *flow_error_policy(const struct function *function, const char *error)
{
    if (function->flow == NULL)
        return NULL;
    const struct stepd_error_policies *all = &function->flow->given.on_error;
    for (size_t i = 0; i < all->count; i++) {
        if (policy_matches(all->items[i].error, error))
            return &all->items[i];
    }
    return NULL;
}

int flow_retries(const struct function *function, const char *error, int retries)
{
    const struct stepd_error_policy *policy = flow_error_policy(function, error);

    return policy != NULL ? policy->retries : retries;
}
