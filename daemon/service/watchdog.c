/* SPDX-License-Identifier: Apache-2.0 */
#include "service/watchdog.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/pulse.h"
#include "service/notify.h"

#define LOOK_MS 1000

struct watchdog {
    pthread_t thread;
    int64_t look_ms;
    pthread_mutex_t lock;
    pthread_cond_t ending;
    bool is_ending;          /* lock */
    size_t stuck;            /* lock; threads */
    const char *stuck_name;  /* lock; of the one that is for longest */
    int64_t still_ms;        /* lock */
};

/* Says it when it begins and when it is over, not at every look. */
static void log_change(size_t before, size_t stuck, const char *name, int64_t still_ms)
{
    char text[LOG_DURATION_SIZE];

    if (stuck > 0 && before == 0)
        log_error("thread '%s' has not moved for %s: the watchdog is not fed until it does", name,
                  log_duration(still_ms, text));
    if (stuck == 0 && before > 0)
        log_warn("every thread moves again");
}

static void look(struct watchdog *watchdog)
{
    const char *name = "";
    int64_t still_ms = 0;
    size_t stuck = pulses_look(clock_monotonic_ms(), &name, &still_ms);

    if (stuck == 0)
        notify_watchdog();
    log_change(watchdog->stuck, stuck, name, still_ms);
    watchdog->stuck = stuck;
    watchdog->stuck_name = name;
    watchdog->still_ms = still_ms;
}

static void wait_ms(struct watchdog *watchdog, int64_t duration_ms)
{
    int64_t until_ns = clock_monotonic_ns() + duration_ms * 1000000;
    const struct timespec until = { .tv_sec = until_ns / 1000000000, .tv_nsec = until_ns % 1000000000 };

    while (!watchdog->is_ending && pthread_cond_timedwait(&watchdog->ending, &watchdog->lock, &until) != ETIMEDOUT)
        ;
}

static void *watchdog_run(void *argument)
{
    struct watchdog *watchdog = argument;

    (void)pthread_mutex_lock(&watchdog->lock);
    while (!watchdog->is_ending) {
        look(watchdog);
        wait_ms(watchdog, watchdog->look_ms);
    }
    (void)pthread_mutex_unlock(&watchdog->lock);
    return NULL;
}

static void watchdog_free(struct watchdog *watchdog)
{
    (void)pthread_cond_destroy(&watchdog->ending);
    (void)pthread_mutex_destroy(&watchdog->lock);
    free(watchdog);
}

int watchdog_start(struct watchdog **ret_watchdog, struct error *ret_error)
{
    struct watchdog *watchdog = xcalloc(1, sizeof(*watchdog));
    int64_t fed_ms = notify_watchdog_interval_ms();
    pthread_condattr_t monotonic;

    watchdog->look_ms = fed_ms > 0 && fed_ms / 2 < LOOK_MS ? fed_ms / 2 : LOOK_MS;
    (void)pthread_mutex_init(&watchdog->lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&watchdog->ending, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    int code = pthread_create(&watchdog->thread, NULL, watchdog_run, watchdog);
    if (code != 0) {
        watchdog_free(watchdog);
        return error_set(ret_error, code, "watchdog: %s", strerror(code));
    }
    *ret_watchdog = watchdog;
    return 0;
}

bool watchdog_is_stuck(struct watchdog *watchdog, char *ret_reason, size_t size)
{
    char text[LOG_DURATION_SIZE];

    (void)pthread_mutex_lock(&watchdog->lock);
    bool is_stuck = watchdog->stuck > 0;
    if (is_stuck)
        (void)snprintf(ret_reason, size, "thread '%s' has not moved for %s", watchdog->stuck_name,
                       log_duration(watchdog->still_ms, text));
    (void)pthread_mutex_unlock(&watchdog->lock);
    return is_stuck;
}

void watchdog_stop(struct watchdog *watchdog)
{
    if (watchdog == NULL)
        return;
    (void)pthread_mutex_lock(&watchdog->lock);
    watchdog->is_ending = true;
    (void)pthread_cond_signal(&watchdog->ending);
    (void)pthread_mutex_unlock(&watchdog->lock);
    (void)pthread_join(watchdog->thread, NULL);
    watchdog_free(watchdog);
}
