/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon as a server of SDKs is made for and with. */
#ifndef STEPD_SDK_INNGEST_SETTINGS_H
#define STEPD_SDK_INNGEST_SETTINGS_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "run/function.h"
#include "run/ports.h"
#include "run/routes.h"
#include "run/run.h"
#include "sdk/signals_port.h"

#define INNGEST_SHELF "inngest" /* of the registrations, by app */
#define INNGEST_ABSENT_SHELF "inngest-absent"
#define INNGEST_FUNCTIONS_MAX 1000 /* of all apps, since the start */

/* Where registered apps are kept, by name: 0 once it is durable, or all was told; or negative errno. */
struct app_shelf {
    int (*save)(void *context, const char *name, struct bytes app);
    int (*load)(void *context, void (*each)(void *each_context, const char *name, struct bytes app), void *each_context);
    void *context;
};

struct stepd_event;
struct checkpoints;

/* What the store holds of a run, whoever has it. 0, -ENOENT: it has no such run, or negative errno. */
struct run_reader {
    int (*read)(void *context, const char *id,
                void (*take)(void *take_context, const struct stepd_event *const *events, size_t count, const struct checkpoints *steps,
                             enum run_phase phase),
                void *take_context);
    void *context;
};

struct expression;

/* Runs of a function that are to end. */
struct cancellation {
    const char *function_id;
    int64_t after_ms, before_ms;   /* when they began */
    const struct expression *when; /* of their event; NULL: all */
};

/* Runs as programs ask for them, and end them. Each appends JSON as Inngest's server has it. 0, -ENOENT, or negative errno. */
struct runs_port {
    int (*show)(void *context, const char *id, msgpack_sbuffer *json);
    /* Of the runs that an event of that id began, all that are found, with commas between them. */
    int (*list)(void *context, const char *event_id, msgpack_sbuffer *json);
    int (*cancel)(void *context, const char *id);
    int (*cancel_all)(void *context, const struct cancellation *wanted, size_t *ret_count);
    void *context;
};

struct config;
struct http_pool;

struct inngest_settings {
    const struct config *config; /* of settings that its functions' ids have there; NULL: none */
    const char *const *apps;     /* URLs that are asked to register; NULL-ended */
    const char *event_key;       /* NULL: any will do */
    const char *signing_key;     /* NULL: nothing is signed, and anybody may register */
    struct http_pool *http_pool; /* holds its calls; outlives it */
    const char *topic;           /* of events that come in */
    size_t event_bytes;          /* one event */
    struct backoff backoff;
    const struct function *const *functions; /* the daemon's own, first in its list */
    size_t function_count;
    /* Any thread: who has a function of that id, where it is neither the daemon's nor an app's: "program media". The caller
     * frees; NULL: nobody. */
    char *(*find_holder)(void *context, const char *id);
    void *holder_context;
    struct routes *routes; /* of these; replaced when apps change */
    struct publisher *publisher;
    struct app_shelf shelf;
    struct app_shelf gone;   /* functions that apps had once, by id, and what the apps call them */
    struct app_shelf absent; /* by URL, why an app that is asked has not registered; empty: it has. Written alone */
    const char *address;     /* "host:port", of the daemon's HTTP */
    struct run_reader runs;
    struct runs_port runs_port;
    struct signals_port signals;
    /* Whether there is a function of that id here; its context is runs_port's. */
    bool (*knows_function)(void *context, const char *id);
};

#endif
