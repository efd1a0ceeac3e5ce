/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A function as the daemon runs it: the module's declaration with the config's settings applied.
 * Made by modules/loader, constant afterwards, lives as long as the daemon. New settings of a running
 * daemon make a newer struct of it, with the same id, trigger, ordering, code, module and index; what
 * has begun with the older one ends with it.
 */
#ifndef STEPD_RUN_FUNCTION_H
#define STEPD_RUN_FUNCTION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stepd/stepd.h>

#include "run/backoff.h"
#include "run/flow_settings.h"

/* A loaded module. `index` numbers modules from 0: each worker keeps one `local` for each. */
struct module {
    const struct stepd_module *declared;
    const char *path;
    size_t index;
    void *handle;  /* of dlopen; never closed */
    void *options; /* the filled struct, NULL: has none */
    void *shared;  /* from init */
};

struct function {
    const char *id;
    const char *event;         /* exactly one of event and topic */
    struct stepd_texts events; /* that start it as well, as they are given; `event` is the first of them where it stands for none else */
    const char *topic;
    stepd_run_fn run;
    stepd_run_fn on_failure;
    int retries;
    int64_t timeout_ms;
    struct backoff backoff;
    enum stepd_ordering ordering;
    int concurrency;
    int64_t dedupe_ms;
    /* Whether it is to run on an event of its trigger at all; of others nothing is listed or counted. Negative: that could
     * not be worked out, and so it is not. NULL: it is. Any thread. */
    int (*wants)(const struct function *function, const struct stepd_event *event);
    const struct flow_settings *flow; /* NULL: none */
    struct stepd_texts older_ids;     /* that it had for some of its events once */
    const void *options;
    const struct module *module;
    size_t index;                            /* position in the daemon's list of functions */
    _Atomic(const struct function *) newest; /* a newer one: in the first of an id the newest; NULL: there is none */
};

/* As an attempt is to begin with it now; `function` may be any that there was of its id. Any thread. */
static inline const struct function *function_newest(const struct function *function)
{
    const struct function *newer;

    while ((newer = atomic_load_explicit(&function->newest, memory_order_acquire)) != NULL)
        function = newer;
    return function;
}

/* The store is asked of each of its events. */
static inline bool function_asks(const struct function *function)
{
    return function->flow != NULL && function->flow->asks;
}

/* All its runs live in one shard. */
static inline bool function_shares_shard(const struct function *function)
{
    return function->flow != NULL && function->flow->shares_shard;
}

static inline bool function_has_breaker(const struct function *function)
{
    return function->flow != NULL && flow_has_breaker(function->flow);
}

/* Its runs wait in the store for their turns. */
static inline bool function_is_lined(const struct function *function)
{
    return function->flow != NULL && function->flow->is_lined;
}

/* It was given `events` alone. */
static inline bool function_has_events_alone(const struct function *function)
{
    return function->events.count > 0 && function->event == function->events.items[0];
}

/* Its events go into batches. */
static inline bool function_has_batch(const struct function *function)
{
    return function->flow != NULL && flow_has_batch(function->flow);
}

/* Whether its runs on that event's key come one after the other. */
static inline bool function_orders(const struct function *function, const struct stepd_event *event)
{
    return function->ordering == STEPD_BY_KEY && event->key != NULL;
}

#endif
