/* SPDX-License-Identifier: Apache-2.0 */
#include "run/flow_settings.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"

#define YEAR_MS INT64_C(31536000000)
#define COUNT_MOST INT64_C(1000000000)
#define FAILURES_MOST INT64_C(100000) /* of a breaker, each of which is kept for its window */

/* What is being checked, and who hears of it. */
struct check {
    const struct stepd_function *function;
    const struct flow_refusal *refusal;
    bool is_sound;
};

static void refuse(struct check *check, const char *setting, const char *format, ...) PRINTF_LIKE(3, 4);

static void refuse(struct check *check, const char *setting, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    AUTO_FREE char *text = xvasprintf(format, arguments);
    va_end(arguments);
    check->is_sound = false;
    check->refusal->refuse(check->refusal->context, setting, text);
}

/* ---- numbers -------------------------------------------------------------------------------------- */

/* `unit` "_ms": a time, which the config gives without it. */
static void check_within(struct check *check, const char *setting, const char *field, int64_t value, int64_t least, int64_t most)
{
    if (value == 0 && least > 0)
        refuse(check, setting, "'%s' needs '%s'", setting, field);
    else if (value < least || value > most)
        refuse(check, setting, "'%s.%s' must be between %lld and %lld, not %lld", setting, field, (long long)least, (long long)most,
               (long long)value);
}

static void check_rate_limit(struct check *check)
{
    const struct stepd_rate_limit *given = &check->function->rate_limit;

    if (given->limit == 0 && given->period_ms == 0 && given->key == NULL)
        return;
    check_within(check, "rate_limit", "limit", given->limit, 1, COUNT_MOST);
    check_within(check, "rate_limit", "period", given->period_ms, 1, YEAR_MS);
}

static void check_throttle(struct check *check)
{
    const struct stepd_throttle *given = &check->function->throttle;

    if (given->limit == 0 && given->period_ms == 0 && given->burst == 0 && given->key == NULL)
        return;
    check_within(check, "throttle", "limit", given->limit, 1, COUNT_MOST);
    check_within(check, "throttle", "period", given->period_ms, 1, YEAR_MS);
    check_within(check, "throttle", "burst", given->burst, 0, COUNT_MOST);
}

static void check_debounce(struct check *check)
{
    const struct stepd_function *function = check->function;
    const struct stepd_debounce *given = &function->debounce;

    if (given->period_ms == 0 && given->timeout_ms == 0 && given->key == NULL)
        return;
    check_within(check, "debounce", "period", given->period_ms, 1, YEAR_MS);
    check_within(check, "debounce", "timeout", given->timeout_ms, 0, YEAR_MS);
    if (function->ordering == STEPD_BY_KEY)
        refuse(check, "debounce", "'debounce' does not go with ordered keys: a run waits for later events, which would wait behind it");
    if (function->batch.size != 0)
        refuse(check, "debounce", "'debounce' does not go with 'batch': one drops all events but the latest, the other keeps all");
}

static void check_limits(struct check *check)
{
    const struct stepd_limits *given = &check->function->concurrency_limits;

    if (given->count > FLOW_LIMITS_MOST)
        refuse(check, "concurrency_limits", "'concurrency_limits' can be up to %d, not %zu", FLOW_LIMITS_MOST, given->count);
    for (size_t i = 0; i < given->count; i++)
        check_within(check, "concurrency_limits", "limit", given->items[i].limit, 1, COUNT_MOST);
}

static void check_time(struct check *check, const char *setting, int64_t value_ms)
{
    if (value_ms < 0 || value_ms > YEAR_MS)
        refuse(check, setting, "'%s' must be between 0 and %lld ms, not %lld", setting, (long long)YEAR_MS, (long long)value_ms);
}

static void check_singleton(struct check *check)
{
    const struct stepd_singleton *given = &check->function->singleton;

    if ((unsigned)given->mode > STEPD_SINGLETON_CANCEL)
        refuse(check, "singleton", "'singleton.mode' must be skip or cancel");
    else if (given->mode == STEPD_SINGLETON_NONE && given->key != NULL)
        refuse(check, "singleton", "'singleton' needs 'mode': skip or cancel");
}

static void check_batch(struct check *check)
{
    const struct stepd_batch *given = &check->function->batch;

    if (given->size == 0 && given->timeout_ms == 0 && given->key == NULL)
        return;
    check_within(check, "batch", "size", given->size, 1, COUNT_MOST);
    check_within(check, "batch", "timeout", given->timeout_ms, 1, YEAR_MS);
}

static void check_breaker(struct check *check)
{
    const struct stepd_breaker *given = &check->function->breaker;

    if (given->failures == 0 && given->window_ms == 0 && given->pause_ms == 0 && given->key == NULL)
        return;
    check_within(check, "breaker", "failures", given->failures, 1, FAILURES_MOST);
    check_within(check, "breaker", "window", given->window_ms, 1, YEAR_MS);
    check_within(check, "breaker", "pause", given->pause_ms, 1, YEAR_MS);
}

static bool is_backoff(const struct stepd_backoff *backoff)
{
    if (backoff->count > 0 && (backoff->delays_ms == NULL || backoff->count > 1000))
        return false;
    for (size_t i = 0; i < backoff->count; i++) {
        if (backoff->delays_ms[i] < 0 || backoff->delays_ms[i] > YEAR_MS)
            return false;
    }
    return true;
}

static void check_on_error(struct check *check)
{
    const struct stepd_error_policies *given = &check->function->on_error;

    for (size_t i = 0; i < given->count; i++) {
        const struct stepd_error_policy *policy = &given->items[i];
        const char *star = policy->error != NULL ? strchr(policy->error, '*') : NULL;
        if (policy->error == NULL || policy->error[0] == '\0')
            refuse(check, "on_error", "each of 'on_error' needs 'error': the name of one, with a * at its end for a prefix");
        else if (star != NULL && star[1] != '\0')
            refuse(check, "on_error", "'on_error' has '%s': a * stands at the end only", policy->error);
        if (policy->retries < 0 || policy->retries > STEPD_MAX_RETRIES)
            refuse(check, "on_error", "'on_error' has %d retries: 0 to %d are possible", policy->retries, STEPD_MAX_RETRIES);
        if (!is_backoff(&policy->backoff))
            refuse(check, "on_error", "'on_error' has a backoff that is not up to 1000 delays, each between 0 and a year");
    }
}

static void check_events(struct check *check)
{
    const struct stepd_function *function = check->function;

    for (size_t i = 0; i < function->events.count; i++) {
        const char *name = function->events.items[i];
        size_t plain = name != NULL ? strcspn(name, "*") : 0;
        if (name == NULL || name[0] == '\0' || (name[plain] != '\0' && name[plain + 1] != '\0'))
            refuse(check, "events", "each of 'events' must be a name, with a * at its end only");
    }
    if (function->topic != NULL && function->events.count > 0)
        refuse(check, "events", "has both 'events' and 'topic': it is started by one kind");
    if (function->topic != NULL && function->cron.count > 0)
        refuse(check, "cron", "has both 'cron' and 'topic': it is started by one kind");
    if ((unsigned)function->catch_up > STEPD_CATCH_UP_ALL)
        refuse(check, "catch_up", "'catch_up' must be last, none or all");
}

/* ---- what does not go together -------------------------------------------------------------------------- */

static void check_cancel_on(struct check *check)
{
    const struct stepd_cancels *cancels = &check->function->cancel_on;

    if (cancels->count > FLOW_WISHES_MOST)
        refuse(check, "cancel_on", "'cancel_on' has %zu events, %d are the most", cancels->count, FLOW_WISHES_MOST);
    for (size_t i = 0; i < cancels->count; i++) {
        if (cancels->items[i].event == NULL || cancels->items[i].event[0] == '\0')
            refuse(check, "cancel_on", "'cancel_on' needs the 'event' that cancels");
        if (cancels->items[i].timeout_ms < 0)
            refuse(check, "cancel_on", "'cancel_on.timeout' must not be negative");
    }
}

static void check_expects(struct check *check)
{
    const struct stepd_expecteds *expects = &check->function->expects;

    if (expects->count + check->function->cancel_on.count > FLOW_WISHES_MOST)
        refuse(check, "expects", "'expects' and 'cancel_on' have %zu events, %d are the most",
               expects->count + check->function->cancel_on.count, FLOW_WISHES_MOST);
    for (size_t i = 0; i < expects->count; i++) {
        if (expects->items[i].event == NULL || expects->items[i].event[0] == '\0')
            refuse(check, "expects", "'expects' needs the 'event' that may come early");
    }
}

/* What looks at one event each has no meaning where several are one run. */
static void check_batch_together(struct check *check)
{
    const struct stepd_function *function = check->function;
    const struct {
        bool is_given;
        const char *setting;
    } others[] = {
        { function->debounce.period_ms != 0, "debounce" },  { function->singleton.mode != STEPD_SINGLETON_NONE, "singleton" },
        { function->cancel_on.count > 0, "cancel_on" },     { function->priority != NULL, "priority" },
        { function->ordering == STEPD_BY_KEY, "ordering" },
    };

    for (size_t i = 0; function->batch.size != 0 && i < COUNT_OF(others); i++) {
        if (others[i].is_given)
            refuse(check, "batch", "'batch' and '%s' exclude each other: a batch's events are one run", others[i].setting);
    }
}

static void check_together(struct check *check)
{
    const struct stepd_function *function = check->function;

    check_batch_together(check);

    if (function->dedupe_key != NULL && function->dedupe_ms == 0)
        refuse(check, "dedupe_key", "'dedupe_key' needs 'dedupe': for how long an event is remembered");
}

/* ---- expressions ------------------------------------------------------------------------------------ */

static struct expression *compile(struct check *check, const char *setting, const char *field, const char *text)
{
    struct expression *expression = NULL;
    struct error error = { 0 };

    if (text == NULL)
        return NULL;
    if (expression_compile((struct bytes){ text, strlen(text) }, &expression, &error) != 0)
        refuse(check, setting, "'%s%s' is no expression that can be read: %s", setting, field, error.text);
    return expression;
}

static void refuse_wish(void *context, const char *setting, const char *text)
{
    refuse(context, setting, "%s", text);
}

static void compile_all(struct check *check, struct flow_settings *flow)
{
    const struct stepd_function *function = check->function;
    const struct stepd_limits *limits = &function->concurrency_limits;

    struct error error = { 0 };
    if (schedule_create(&function->cron, &flow->schedule, &error) != 0)
        refuse(check, "cron", "'cron' has a schedule that can't be read: %s", error.text);
    flow->when = compile(check, "when", "", function->when);
    flow->dedupe_key = compile(check, "dedupe_key", "", function->dedupe_key);
    flow->rate_limit_key = compile(check, "rate_limit", ".key", function->rate_limit.key);
    flow->debounce_key = compile(check, "debounce", ".key", function->debounce.key);
    flow->throttle_key = compile(check, "throttle", ".key", function->throttle.key);
    flow->singleton_key = compile(check, "singleton", ".key", function->singleton.key);
    flow->batch_key = compile(check, "batch", ".key", function->batch.key);
    flow->breaker_key = compile(check, "breaker", ".key", function->breaker.key);
    flow->priority = compile(check, "priority", "", function->priority);
    flow_wishes_add_cancels(&flow->wishes, &function->cancel_on, refuse_wish, check);
    flow_wishes_add_expects(&flow->wishes, &function->expects, refuse_wish, check);
    for (size_t i = 0; i < limits->count && i < FLOW_LIMITS_MOST; i++)
        flow->limit_keys[i] = compile(check, "concurrency_limits", ".key", limits->items[i].key);
}

/* ---- the whole -------------------------------------------------------------------------------------- */

static bool is_lined(const struct stepd_function *function)
{
    return function->throttle.limit > 0 || function->concurrency_limits.count > 0 || function->priority != NULL ||
           function->singleton.mode != STEPD_SINGLETON_NONE || function->debounce.period_ms > 0 || function->start_timeout_ms > 0 ||
           function->finish_timeout_ms > 0 || function->cancel_on.count > 0 || function->expects.count > 0;
}

bool flow_settings_make(const struct stepd_function *function, const struct flow_refusal *refusal, struct flow_settings **ret_flow)
{
    struct check check = { .function = function, .refusal = refusal, .is_sound = true };
    struct flow_settings *flow = xcalloc(1, sizeof(*flow));

    *ret_flow = NULL;
    check_events(&check);
    check_rate_limit(&check);
    check_throttle(&check);
    check_debounce(&check);
    check_limits(&check);
    check_singleton(&check);
    check_time(&check, "start_timeout", function->start_timeout_ms);
    check_time(&check, "finish_timeout", function->finish_timeout_ms);
    check_batch(&check);
    check_breaker(&check);
    check_on_error(&check);
    check_cancel_on(&check);
    check_expects(&check);
    check_together(&check);
    compile_all(&check, flow);
    flow->given = *function;
    flow->is_lined = is_lined(function);
    flow->asks = flow->is_lined || function->rate_limit.limit > 0;
    flow->shares_shard = flow->asks || flow_has_breaker(flow);
    for (size_t i = 0; i < function->concurrency_limits.count; i++)
        flow->has_scope = flow->has_scope || function->concurrency_limits.items[i].scope != NULL;
    flow->has_tried_cancels = flow_wishes_try_cancels(&flow->wishes);
    flow->has_told = xcalloc(1, sizeof(*flow->has_told));
    bool is_needed = flow->shares_shard || flow_has_batch(flow) || function->when != NULL || function->dedupe_key != NULL ||
                     function->on_error.count > 0 || function->cron.count > 0;
    if (check.is_sound && is_needed)
        *ret_flow = flow;
    else
        flow_settings_destroy(flow);
    return check.is_sound;
}

bool flow_settings_batch_when(struct flow_settings *flow, const char *text, const struct flow_refusal *refusal)
{
    struct check check = { .function = &flow->given, .refusal = refusal, .is_sound = true };

    flow->batch_when = compile(&check, "batch", ".if", text);
    return check.is_sound;
}

void flow_settings_destroy(struct flow_settings *flow)
{
    if (flow == NULL)
        return;
    struct expression *const expressions[] = { flow->when,          flow->dedupe_key, flow->rate_limit_key, flow->throttle_key,
                                               flow->singleton_key, flow->priority,   flow->breaker_key,    flow->debounce_key,
                                               flow->batch_key,     flow->batch_when };
    for (size_t i = 0; i < COUNT_OF(expressions); i++)
        expression_destroy(expressions[i]);
    for (size_t i = 0; i < FLOW_LIMITS_MOST; i++)
        expression_destroy(flow->limit_keys[i]);
    flow_wishes_done(&flow->wishes);
    schedule_destroy(flow->schedule);
    free(flow->has_told);
    free(flow);
}
