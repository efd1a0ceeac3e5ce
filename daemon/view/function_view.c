/* SPDX-License-Identifier: Apache-2.0 */
#include "view/function_view.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/log.h"
#include "run/flow_settings.h"

static void put_delays(struct json_out *out, const int64_t *delays_ms, size_t count)
{
    json_out_open(out, "backoff_ms", '[');
    for (size_t i = 0; i < count; i++)
        json_out_number(out, NULL, delays_ms[i]);
    json_out_close(out, '[');
}

static void put_texts(struct json_out *out, const char *name, const struct stepd_texts *texts)
{
    json_out_open(out, name, '[');
    for (size_t i = 0; i < texts->count; i++)
        json_out_text(out, NULL, texts->items[i]);
    json_out_close(out, '[');
}

/* A map's numbers, then its key. */
struct number {
    const char *name;
    int64_t value;
};

static void put_map(struct json_out *out, const char *name, bool is_set, const struct number *numbers, size_t count, const char *key)
{
    if (!is_set) {
        json_out_null(out, name);
        return;
    }
    json_out_open(out, name, '{');
    for (size_t i = 0; i < count; i++)
        json_out_number(out, numbers[i].name, numbers[i].value);
    json_out_text(out, "key", key);
    json_out_close(out, '{');
}

static void put_maps(struct json_out *out, const struct stepd_function *given)
{
    const struct number rate_limit[] = { { "limit", given->rate_limit.limit }, { "period_ms", given->rate_limit.period_ms } };
    const struct number throttle[] = { { "limit", given->throttle.limit },
                                       { "period_ms", given->throttle.period_ms },
                                       { "burst", given->throttle.burst } };
    const struct number debounce[] = { { "period_ms", given->debounce.period_ms }, { "timeout_ms", given->debounce.timeout_ms } };
    const struct number batch[] = { { "size", given->batch.size }, { "timeout_ms", given->batch.timeout_ms } };
    const struct number breaker[] = { { "failures", given->breaker.failures },
                                      { "window_ms", given->breaker.window_ms },
                                      { "pause_ms", given->breaker.pause_ms } };

    put_map(out, "rate_limit", given->rate_limit.limit > 0, rate_limit, COUNT_OF(rate_limit), given->rate_limit.key);
    put_map(out, "throttle", given->throttle.limit > 0, throttle, COUNT_OF(throttle), given->throttle.key);
    put_map(out, "debounce", given->debounce.period_ms > 0, debounce, COUNT_OF(debounce), given->debounce.key);
    put_map(out, "batch", given->batch.size > 0, batch, COUNT_OF(batch), given->batch.key);
    put_map(out, "breaker", given->breaker.failures > 0, breaker, COUNT_OF(breaker), given->breaker.key);
}

static void put_limits(struct json_out *out, const struct stepd_limits *limits)
{
    json_out_open(out, "concurrency_limits", '[');
    for (size_t i = 0; i < limits->count; i++) {
        json_out_open(out, NULL, '{');
        json_out_number(out, "limit", limits->items[i].limit);
        json_out_text(out, "key", limits->items[i].key);
        json_out_text(out, "scope", limits->items[i].scope);
        json_out_close(out, '{');
    }
    json_out_close(out, '[');
}

static void put_singleton(struct json_out *out, const struct stepd_singleton *singleton)
{
    if (singleton->mode == STEPD_SINGLETON_NONE) {
        json_out_null(out, "singleton");
        return;
    }
    json_out_open(out, "singleton", '{');
    json_out_text(out, "mode", singleton->mode == STEPD_SINGLETON_SKIP ? "skip" : "cancel");
    json_out_text(out, "key", singleton->key);
    json_out_close(out, '{');
}

static void put_cancel_on(struct json_out *out, const struct stepd_cancels *cancels)
{
    json_out_open(out, "cancel_on", '[');
    for (size_t i = 0; i < cancels->count; i++) {
        json_out_open(out, NULL, '{');
        json_out_text(out, "event", cancels->items[i].event);
        json_out_text(out, "when", cancels->items[i].when);
        json_out_number(out, "timeout_ms", cancels->items[i].timeout_ms);
        json_out_close(out, '{');
    }
    json_out_close(out, '[');
}

static void put_expects(struct json_out *out, const struct stepd_expecteds *expects)
{
    json_out_open(out, "expects", '[');
    for (size_t i = 0; i < expects->count; i++) {
        json_out_open(out, NULL, '{');
        json_out_text(out, "event", expects->items[i].event);
        json_out_text(out, "when", expects->items[i].when);
        json_out_close(out, '{');
    }
    json_out_close(out, '[');
}

static void put_on_error(struct json_out *out, const struct stepd_error_policies *policies)
{
    json_out_open(out, "on_error", '[');
    for (size_t i = 0; i < policies->count; i++) {
        const struct stepd_error_policy *policy = &policies->items[i];
        json_out_open(out, NULL, '{');
        json_out_text(out, "error", policy->error);
        json_out_number(out, "retries", policy->retries);
        put_delays(out, policy->backoff.delays_ms, policy->backoff.count);
        json_out_close(out, '{');
    }
    json_out_close(out, '[');
}

static void put_flow(struct json_out *out, const struct stepd_function *given)
{
    json_out_text(out, "when", given->when);
    json_out_text(out, "dedupe_key", given->dedupe_key);
    put_maps(out, given);
    put_limits(out, &given->concurrency_limits);
    json_out_text(out, "priority", given->priority);
    put_singleton(out, &given->singleton);
    put_cancel_on(out, &given->cancel_on);
    put_expects(out, &given->expects);
    json_out_number(out, "start_timeout_ms", given->start_timeout_ms);
    json_out_number(out, "finish_timeout_ms", given->finish_timeout_ms);
    put_on_error(out, &given->on_error);
}

static void put_schedule(struct json_out *out, const struct function *function)
{
    static const char *const CATCH_UP[] = { "last", "none", "all" };
    const struct flow_settings *flow = function->flow;
    struct tick next;

    if (flow == NULL || flow->schedule == NULL)
        return;
    put_texts(out, "cron", &flow->given.cron);
    assert((size_t)flow->given.catch_up < COUNT_OF(CATCH_UP));
    json_out_text(out, "catch_up", CATCH_UP[flow->given.catch_up]);
    if (schedule_next(flow->schedule, clock_wall_ms(), &next))
        json_out_number(out, "next_tick_ms", next.at_ms);
}

void function_view_settings(struct json_out *out, const struct function *function)
{
    static const struct stepd_function nothing = { .id = NULL };
    const struct backoff *backoff = function->backoff.count != 0 ? &function->backoff : &backoff_default;

    assert(backoff->count > 0);
    put_texts(out, "events", &function->events);
    put_schedule(out, function);
    json_out_number(out, "retries", function->retries);
    json_out_number(out, "timeout_ms", function->timeout_ms);
    put_delays(out, backoff->delays_ms, backoff->count);
    json_out_number(out, "jitter_ms", function->backoff.jitter_ms);
    json_out_text(out, "ordering", function->ordering == STEPD_BY_KEY ? "by_key" : "unordered");
    json_out_number(out, "concurrency", function->concurrency);
    json_out_number(out, "dedupe_ms", function->dedupe_ms);
    json_out_bool(out, "on_failure", function->on_failure != NULL);
    put_flow(out, function->flow != NULL ? &function->flow->given : &nothing);
}

/* ---- in a few words -------------------------------------------------------------------------------- */

/* Takes `text`; `more` NULL: it stays. */
static char *joined(char *text, char *more)
{
    if (more == NULL)
        return text;
    char *longer = xasprintf("%s%s%s", text, text[0] != '\0' ? "  " : "", more);
    free(text);
    free(more);
    return longer;
}

static char *rate_words(const char *what, int64_t limit, int64_t period_ms, const char *key)
{
    char period[LOG_DURATION_SIZE];

    if (limit == 0)
        return NULL;
    return xasprintf("%s %lld in %s%s", what, (long long)limit, log_duration(period_ms, period), key != NULL ? " by key" : "");
}

static char *limit_words(const struct stepd_limit *limit)
{
    return xasprintf("at most %lld at once in all%s%s%s", (long long)limit->limit, limit->key != NULL ? " by key" : "",
                     limit->scope != NULL ? ", scope " : "", limit->scope != NULL ? limit->scope : "");
}

static char *tick_words(const struct flow_settings *flow)
{
    struct tick next;
    struct tm utc;
    char at[40];

    if (flow->schedule == NULL || !schedule_next(flow->schedule, clock_wall_ms(), &next))
        return NULL;
    const time_t seconds = (time_t)(next.at_ms / 1000);
    if (gmtime_r(&seconds, &utc) == NULL || strftime(at, sizeof(at), "%Y-%m-%d %H:%M:%S UTC", &utc) == 0)
        return NULL;
    return xasprintf("next tick %s", at);
}

/* "cancelled by order/cancelled and others"; NULL where there is none. */
static char *event_words(const char *what, const char *first, size_t count)
{
    assert(count == 0 || first != NULL);
    return count > 0 ? xasprintf("%s %s%s", what, first, count > 1 ? " and others" : "") : NULL;
}

/* "debounce 2 s by key": NULL where the time is 0. */
static char *time_words(const char *what, int64_t time_ms, const char *key)
{
    char time[LOG_DURATION_SIZE];

    return time_ms > 0 ? xasprintf("%s %s%s", what, log_duration(time_ms, time), key != NULL ? " by key" : "") : NULL;
}

static char *batch_words(const struct stepd_batch *batch)
{
    return batch->size > 0 ? xasprintf("batches of %lld%s", (long long)batch->size, batch->key != NULL ? " by key" : "") : NULL;
}

static char *breaker_words(const struct stepd_breaker *breaker)
{
    return rate_words("breaker after", breaker->failures, breaker->window_ms, breaker->key);
}

static char *singleton_words(const struct stepd_singleton *singleton)
{
    if (singleton->mode == STEPD_SINGLETON_NONE)
        return NULL;
    return xasprintf("singleton%s, %s", singleton->key != NULL ? " by key" : "",
                     singleton->mode == STEPD_SINGLETON_SKIP ? "skips what comes later" : "cancels what came before");
}

char *function_view_flow(const struct function *function)
{
    char *text = xstrdup("");

    if (function->flow == NULL)
        return text;
    const struct stepd_function *given = &function->flow->given;
    text = joined(text, tick_words(function->flow));
    text = joined(text, given->when != NULL ? xasprintf("when %s", given->when) : NULL);
    text = joined(text, time_words("debounce", given->debounce.period_ms, given->debounce.key));
    text = joined(text, batch_words(&given->batch));
    text = joined(text, rate_words("rate limit", given->rate_limit.limit, given->rate_limit.period_ms, given->rate_limit.key));
    text = joined(text, rate_words("throttle", given->throttle.limit, given->throttle.period_ms, given->throttle.key));
    for (size_t i = 0; i < given->concurrency_limits.count; i++)
        text = joined(text, limit_words(&given->concurrency_limits.items[i]));
    text = joined(text, given->priority != NULL ? xstrdup("priority") : NULL);
    text = joined(text, singleton_words(&given->singleton));
    text = joined(text, breaker_words(&given->breaker));
    text = joined(text,
                  event_words("cancelled by", given->cancel_on.count > 0 ? given->cancel_on.items[0].event : NULL, given->cancel_on.count));
    text = joined(text, event_words("expects", given->expects.count > 0 ? given->expects.items[0].event : NULL, given->expects.count));
    text = joined(text, time_words("begins within", given->start_timeout_ms, NULL));
    text = joined(text, time_words("ends within", given->finish_timeout_ms, NULL));
    return joined(text, given->on_error.count > 0 ? xasprintf("%zu errors with retries of their own", given->on_error.count) : NULL);
}
