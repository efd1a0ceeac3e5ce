/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An app: the functions that one program registers, as daemon functions. What stepd has not got is refused
 * when it is registered, in a sentence; nothing is accepted and then ignored. Constant once made.
 */
#ifndef STEPD_SDK_APP_H
#define STEPD_SDK_APP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/memory.h"
#include "codec/expression.h"
#include "config/config.h"
#include "config/config_flow.h"
#include "run/flow_settings.h"
#include "run/function.h"
#include "sdk/asked.h"
#include "sdk/step_url.h"

/* One of a function's triggers by event. */
struct sdk_trigger {
    char *event;
    char *text;                   /* of its condition; NULL: none */
    struct expression *condition; /* the same, compiled */
};

/* A function of an app; `base.options` points to itself. */
struct sdk_function {
    struct function base;         /* id: the SDK's */
    char *id;                     /* base.id */
    char *slug;                   /* the same */
    char *url;                    /* of its calls; ends with "stepId=" */
    char uuid[STEP_UUID_SIZE];    /* what calls it in UUIDs' form, where SDKs want one; of the slug, so always the same */
    struct sdk_trigger *triggers; /* by event */
    size_t trigger_count;
    struct asked_flow asked;               /* its settings of flow control, with the config's */
    struct config_lists lists;             /* of the config, that those point into */
    struct flow_settings *flow;            /* base.flow */
    const struct config_retry *retry;      /* the config's for it; NULL: none */
    atomic_bool *has_failed_once;          /* a condition had an error, which was said. Owned */
    _Atomic int64_t *silent_until_ns;      /* monotonic; until then its steps are told in replies alone. Owned; all else is constant */
    bool is_gone;                          /* its app no longer has it: what waits fails */
    const struct calls_settings *settings; /* of its calls; sdk/calls.h */
};

struct app {
    char *name;
    struct sdk_function **functions; /* owned until taken */
    size_t count;
};

/* Of the body of a registration, with the settings that `config` (NULL: none) has for its functions. 0, or -EINVAL with the sentence, which the caller frees. */
int app_create(struct bytes body, const struct config *config, struct app **ret_app, char **ret_error) MUST_CHECK;
/* NULL is fine. */
void app_destroy(struct app *app);
void sdk_function_destroy(struct sdk_function *function);

#endif
