/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon put together: its parts, in the order in which they start; they stop in reverse. */
#ifndef STEPD_DAEMON_H
#define STEPD_DAEMON_H

#include <stdatomic.h>

#include "base/metrics.h"
#include "crash/crashes.h"
#include "engine/dispatch.h"
#include "run/journal.h"
#include "run/routes.h"
#include "sdk/inngest.h"
#include "intake/kafka/consumer.h"
#include "publish/producer.h"
#include "modules/loader.h"
#include "modules/reload.h"
#include "page/page.h"
#include "store/store.h"
#include "store/redis/timers.h"
#include "config/config.h"
#include "service/http.h"
#include "service/signals.h"
#include "service/watchdog.h"
#include "recovery.h"

enum {
    DAEMON_EXIT_CONFIG = 78, /* EX_CONFIG: the config or a module is refused */
};

struct daemon {
    int64_t started_ms;                  /* wall clock */
    struct config *config;
    struct loaded *loaded;
    struct reload *reload;
    struct routes *routes;
    struct redis_store *store;
    struct producer *producer;
    struct journal *journal;
    struct crashes *crashes;
    struct recovery *recovery;
    struct dispatch *dispatch;
    struct timers *timers;
    _Atomic(struct consumer *) consumer; /* the store thread looks before there is one */
    struct inngest *inngest;             /* NULL: the config has no such section */
    struct watchdog *watchdog;
    struct page *page;
    struct web_route *web_routes;        /* all that http answers besides its own */
    struct http *http;
    struct signals *signals;
};

/* Reads config and modules; says all that is wrong with them. 0, or the exit status. */
int daemon_load(struct daemon *daemon, const char *config_path);
/* Starts all parts. 0, or the exit status; the reason is said. */
int daemon_start(struct daemon *daemon);
/* Until a stop is asked for. */
void daemon_serve(struct daemon *daemon);
/* Drains and ends all that was started, whatever that is. */
void daemon_stop(struct daemon *daemon);

/* Whether the daemon can do its work, and in one line why not. Any thread. */
bool daemon_is_ready(void *daemon, char *ret_reason, size_t size);
/* apps.c: the programs that register functions over HTTP; nothing where the config does not want them. */
void apps_create(struct daemon *daemon);
size_t apps_function_room(const struct daemon *daemon);
/* Those of modules, then those of apps. `context` is the daemon. */
void apps_each_function(void *context, void (*each)(void *each_context, const struct function *function), void *each_context);
int apps_start(struct daemon *daemon, struct error *ret_error) MUST_CHECK;
/* gauges.c: what /metrics tells. Any thread. */
void daemon_write_metrics(void *daemon, struct metrics_page *page);

#endif
