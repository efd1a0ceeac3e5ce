/* SPDX-License-Identifier: Apache-2.0 */
/* The process itself: modules that are loaded, signals, the watchdog over all threads. */
#include <semaphore.h>
#include <time.h>

#include "base/log.h"
#include "config/config.h"
#include "modules/loader.h"
#include "modules/reload.h"
#include "parts/families.h"
#include "parts/part.h"
#include "program/programs.h"
#include "run/routes.h"
#include "service/signals.h"
#include "service/watchdog.h"

static sem_t stop_asked; /* the process has one daemon */

static void ask_to_stop(void *context, const char *signal_name)
{
    (void)context;
    log_info("%s: stopping", signal_name);
    (void)sem_post(&stop_asked);
}

static void ask_to_reload(void *context)
{
    struct daemon *daemon = context;

    programs_reload(daemon->programs, reload_run(daemon->reload));
}

static int start(struct daemon *daemon, struct error *ret_error)
{
    const struct signal_actions actions = { .stop = ask_to_stop, .reload = ask_to_reload, .context = daemon };

    (void)sem_init(&stop_asked, 0, 0);
    int status = modules_init(daemon->loaded, ret_error);
    daemon->reload = reload_create(daemon->config, daemon->loaded);
    daemon->routes = routes_create(daemon->loaded->functions.items, daemon->loaded->functions.count);
    if (status == 0)
        status = signals_start(&actions, &daemon->signals, ret_error);
    return status != 0 ? status : watchdog_start(&daemon->watchdog, ret_error);
}

bool part_wait_for_stop(int64_t timeout_ms)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += timeout_ms * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    return sem_clockwait(&stop_asked, CLOCK_MONOTONIC, &until) == 0;
}

static void end(struct daemon *daemon)
{
    watchdog_stop(daemon->watchdog);
    signals_stop(daemon->signals);
    if (daemon->loaded != NULL)
        modules_exit(daemon->loaded);
    routes_destroy(daemon->routes);
    loaded_destroy(daemon->loaded);
    reload_destroy(daemon->reload);
}

static const char *trouble(struct daemon *daemon, char *room, size_t size)
{
    return watchdog_is_stuck(daemon->watchdog, room, size) ? room : NULL;
}

static void write_metrics(struct daemon *daemon, struct metrics_page *page)
{
    const struct metric_label version[] = { { "version", STEPD_VERSION }, { 0 } };
    char reason[160];

    metrics_family(page, METRIC_GAUGE, "build_info", "The version that runs; always 1.");
    metrics_put(page, version, 1);
    families_put_gauge(page, "start_time_seconds", "When this process began, in Unix time.", (double)daemon->started_ms / 1000);
    families_put_gauge(page, "ready", "Whether it can do its work now, as /readyz says.", parts_are_ready(daemon, reason, sizeof(reason)));
}

const struct part PART_PROCESS = { .name = "process", .start = start, .end = end, .trouble = trouble, .write_metrics = write_metrics };
