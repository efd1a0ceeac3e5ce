/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A function's flow control: its settings, checked, with their expressions compiled. Made with the function, constant
 * but for what was said of it, freed with it. A function with none of these settings has none.
 */
#ifndef STEPD_RUN_FLOW_SETTINGS_H
#define STEPD_RUN_FLOW_SETTINGS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stepd/stepd.h>

#include "base/memory.h"
#include "codec/expression.h"
#include "run/flow_wishes.h"
#include "run/schedule.h"

#define FLOW_LIMITS_MOST 8

struct flow_settings {
    struct stepd_function given; /* the declaration, with the config's settings; of it those of flow control */
    struct expression *when;     /* of each: NULL: none */
    struct expression *dedupe_key;
    struct expression *rate_limit_key;
    struct expression *throttle_key;
    struct expression *singleton_key;
    struct expression *debounce_key;
    struct expression *breaker_key;
    struct expression *batch_key;
    struct expression *batch_when; /* of SDKs' functions: events of which it is not true are batches of one */
    struct expression *priority;
    struct expression *limit_keys[FLOW_LIMITS_MOST];
    struct flow_wishes wishes; /* of `cancel_on` and `expects` */
    struct schedule *schedule; /* of `cron`; NULL: none */
    bool asks;                 /* the store is asked of each event: one of the settings that are of all daemons */
    bool is_lined;             /* its runs wait for their turns in the store */
    bool has_scope;            /* of its limits */
    bool has_tried_cancels;    /* `cancel_on` has a condition without an equality: each living run is tried with each such event */
    bool shares_shard;         /* all of its runs live in one shard, where what they count is */
    atomic_bool *has_told;     /* an expression's error was said */
};

/* Hears what is wrong, in a sentence that begins with the setting's name; `setting` is its name in the config. */
struct flow_refusal {
    void (*refuse)(void *context, const char *setting, const char *text);
    void *context;
};

/* Of a function's declaration, which, with all that it points to, must live as long. *ret_flow is NULL where it has no such
 * setting. False: something was refused, and nothing is made. */
bool flow_settings_make(const struct stepd_function *function, const struct flow_refusal *refusal,
                        struct flow_settings **ret_flow) MUST_CHECK;
/* Adds that to one with a batch. False: refused, as above. */
bool flow_settings_batch_when(struct flow_settings *flow, const char *text, const struct flow_refusal *refusal) MUST_CHECK;
/* NULL is fine. */
void flow_settings_destroy(struct flow_settings *flow);

static inline bool flow_has_rate_limit(const struct flow_settings *flow)
{
    return flow->given.rate_limit.limit > 0;
}

static inline bool flow_has_debounce(const struct flow_settings *flow)
{
    return flow->given.debounce.period_ms > 0;
}

static inline bool flow_has_batch(const struct flow_settings *flow)
{
    return flow->given.batch.size > 0;
}

static inline bool flow_has_breaker(const struct flow_settings *flow)
{
    return flow->given.breaker.failures > 0;
}

static inline bool flow_has_throttle(const struct flow_settings *flow)
{
    return flow->given.throttle.limit > 0;
}

/* How far apart `limit` a period are, µs: rounded up, for in no period more are to begin. */
static inline int64_t flow_interval_us(int64_t period_ms, int64_t limit)
{
    return (period_ms * 1000 + limit - 1) / limit;
}

/* How long before its time the last of so many at once may be, µs. */
static inline int64_t flow_tolerance_us(int64_t interval_us, int64_t at_once)
{
    int64_t tolerance_us;

    return __builtin_mul_overflow(interval_us, at_once - 1, &tolerance_us) ? INT64_MAX : tolerance_us;
}

#endif
