/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon as a server of Inngest's SDKs: its HTTP routes, its functions, and the thread that asks the
 * configured apps to register. All it needs of Redis and Kafka is given to it.
 */
#ifndef STEPD_SDK_INNGEST_H
#define STEPD_SDK_INNGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/web.h"
#include "run/function.h"
#include "run/ports.h"
#include "run/routes.h"
#include "run/run.h"

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
struct steps;

/* What the store holds of a run, whoever has it. 0, -ENOENT: it has no such run, or negative errno. */
struct run_reader {
    int (*read)(void *context, const char *id,
                void (*take)(void *take_context, const struct stepd_event *event, const struct steps *steps, enum run_phase phase),
                void *take_context);
    void *context;
};

struct inngest_settings {
    const char *const *apps;               /* URLs that are asked to register; NULL-ended */
    const char *event_key;                 /* NULL: any will do */
    const char *signing_key;               /* NULL: nothing is signed, and anybody may register */
    int calls;                             /* at once */
    const char *topic;                     /* of events that come in */
    size_t event_bytes;                    /* one event */
    struct backoff backoff;
    const struct function *const *functions; /* the daemon's own, first in its list */
    size_t function_count;
    struct routes *routes;                 /* of these; replaced when apps change */
    struct publisher *publisher;
    struct app_shelf shelf;
    struct app_shelf gone;                 /* functions that apps had once, by id, and what the apps call them */
    struct app_shelf absent;               /* by URL, why an app that is asked has not registered; empty: it has. Written alone */
    const char *address;                   /* "host:port", of the daemon's HTTP */
    struct run_reader runs;
};

struct inngest;

/* Its functions can be found and its requests answered from here on. The settings are copied, not what
 * they point to. */
struct inngest *inngest_create(const struct inngest_settings *settings);
/* Starts the thread that looks at the shelf and asks the apps. 0, or negative errno with the reason. */
int inngest_start(struct inngest *inngest, struct error *ret_error) MUST_CHECK;
/* Until it is known what apps registered before: events that come sooner would find no function. False: it
 * stops. Any thread. */
bool inngest_wait(struct inngest *inngest);
/* Before the shelf and the publisher stop. NULL is fine. */
void inngest_stop(struct inngest *inngest);
/* Once no attempt runs any more. NULL is fine. */
void inngest_destroy(struct inngest *inngest);

const struct web_route *inngest_routes(const struct inngest *inngest, size_t *ret_count);
/* Any thread. Calls `each` for all functions in force; they live as long as `inngest`. */
void inngest_each_function(struct inngest *inngest, void (*each)(void *context, const struct function *function), void *context);
/* Any thread; waits for nobody. NULL: none is known. */
const struct function *inngest_find_function(struct inngest *inngest, const char *id);
/* Any thread that may wait for the shelf: looks there first. NULL: there is none. */
const struct function *inngest_learn_function(struct inngest *inngest, const char *id);

#endif
