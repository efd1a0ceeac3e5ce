/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "sdk/app_internal.h"

/* ---- the config's ----------------------------------------------------------------------------------- */

/* What a config says of modules' functions alone; NULL: nothing of it. */
static const char *foreign_setting(const struct config_function *own)
{
    const struct {
        bool is_given;
        const char *name;
    } foreign[] = {
        { own->use != NULL, "use" },
        { own->event != NULL, "event" },
        { own->topic != NULL, "topic" },
        { own->has_ordering, "ordering" },
        { !own->is_enabled, "enabled" },
        { setting_find(&own->flow, "events") != NULL, "events" },
        { setting_find(&own->flow, "cron") != NULL, "cron" },
        { own->options.count > 0, own->options.count > 0 ? own->options.items[0].name : "" },
    };

    for (size_t i = 0; i < COUNT_OF(foreign); i++) {
        if (foreign[i].is_given)
            return foreign[i].name;
    }
    return NULL;
}

static int read_config(const struct reading *reading, const struct config_function *own, struct sdk_function *function)
{
    struct function *base = &function->base;
    struct stepd_function *given = &function->asked.given;
    struct config_faults faults = { 0 };
    const char *foreign = foreign_setting(own);
    int status = 0;

    if (foreign != NULL)
        return reading_refuse(reading, "is an app's: the config can't set its '%s'", foreign);
    if (own->retry.has_retries)
        base->retries = own->retry.retries;
    if (own->has_timeout)
        base->timeout_ms = own->timeout_ms;
    if (own->has_concurrency)
        base->concurrency = own->concurrency;
    if (own->has_dedupe)
        given->dedupe_ms = own->dedupe_ms;
    function->retry = &own->retry;
    given->retries = base->retries;
    config_flow_read(&own->flow, given, &function->lists, &faults);
    if (faults.count > 0)
        status = reading_refuse(reading, "has a setting in the config that can't be taken: %s", faults.items[0].text);
    config_faults_done(&faults);
    return status;
}

/* ---- the whole -------------------------------------------------------------------------------------- */

struct refused {
    const struct reading *reading;
    bool is_refused;
};

/* The first that is wrong. */
static void refuse(void *context, const char *setting, const char *text)
{
    static const struct {
        const char *ours, *theirs;
    } names[] = {
        { "rate_limit", "rateLimit" },   { "batch", "batchEvents" },      { "concurrency_limits", "concurrency" },
        { "cancel_on", "cancel" },       { "start_timeout", "timeouts" }, { "finish_timeout", "timeouts" },
        { "dedupe_key", "idempotency" },
    };
    struct refused *refused = context;
    const char *name = setting;

    if (refused->is_refused)
        return;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(names[i].ours, setting) == 0)
            name = names[i].theirs;
    }
    refused->is_refused = true;
    (void)reading_refuse(refused->reading, "has a '%s' that can't be taken: %s", name, text);
}

/* A number alone is of the whole function; as it stands in the list of limits, all daemons keep to it together. */
static int plain_limit(const struct stepd_limits *limits)
{
    for (size_t i = 0; i < limits->count; i++) {
        if (limits->items[i].key == NULL && limits->items[i].scope == NULL)
            return (int)limits->items[i].limit;
    }
    return 0;
}

int app_settings_apply(const struct reading *reading, const struct config *config, struct sdk_function *function)
{
    const struct config_function *own = config != NULL ? config_function_find(config, function->slug) : NULL;
    struct stepd_function *given = &function->asked.given;
    struct function *base = &function->base;
    struct refused refused = { reading, false };
    const struct flow_refusal refusal = { refuse, &refused };

    given->id = base->id;
    base->concurrency = plain_limit(&given->concurrency_limits);
    int status = own != NULL ? read_config(reading, own, function) : 0;
    if (status != 0)
        return status;
    base->events = given->events;
    base->event = given->events.count > 0 ? given->events.items[0] : NULL;
    base->dedupe_ms = given->dedupe_ms;
    if (!flow_settings_make(given, &refusal, &function->flow))
        return -EINVAL;
    base->flow = function->flow;
    if (config != NULL && given->batch.size > config->worker.queue / 2)
        return reading_refuse(reading,
                              "asks for a 'batchEvents.maxSize' that is more than half of worker.queue (%d): it could never be full",
                              config->worker.queue);
    if (function->flow != NULL && function->asked.batch_when != NULL &&
        !flow_settings_batch_when(function->flow, function->asked.batch_when, &refusal))
        return -EINVAL;
    return 0;
}
