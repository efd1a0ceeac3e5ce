/* SPDX-License-Identifier: Apache-2.0 */
#include "service/watchdog.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/pulse.h"
#include "base/thread.h"
#include "service/notify.h"

#define LOOK_MS 1000

struct watchdog {
    struct thread thread;
    int64_t look_ms;
    struct lock lock;
    struct condition ending;
    bool is_ending;         /* lock */
    size_t stuck;           /* lock; threads */
    const char *stuck_name; /* lock; of the one that is for longest */
    int64_t still_ms;       /* lock */
};

/* Says it when it begins and when it is over, not at every look. */
static void log_change(size_t before, size_t stuck, const char *name, int64_t still_ms)
{
    char text[LOG_DURATION_SIZE];

    if (stuck > 0 && before == 0)
        log_error("thread '%s' has not moved for %s: systemd will restart the daemon unless it moves soon", name,
                  log_duration(still_ms, text));
    if (stuck == 0 && before > 0)
        log_warn("every thread moves again");
}

static void look(struct watchdog *watchdog)
{
    const char *name = "";
    int64_t still_ms = 0;

    assert_held(&watchdog->lock);
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
    assert_held(&watchdog->lock);
    int64_t until_ms = clock_monotonic_ms() + duration_ms;

    while (!watchdog->is_ending && condition_wait_until(&watchdog->ending, &watchdog->lock, until_ms))
        ;
}

static void *watchdog_run(void *argument)
{
    struct watchdog *watchdog = argument;

    LOCK_GUARD(&watchdog->lock);
    while (!watchdog->is_ending) {
        look(watchdog);
        wait_ms(watchdog, watchdog->look_ms);
    }
    return NULL;
}

static void watchdog_free(struct watchdog *watchdog)
{
    condition_done(&watchdog->ending);
    lock_done(&watchdog->lock);
    free(watchdog);
}

int watchdog_start(struct watchdog **ret_watchdog, struct error *ret_error)
{
    struct watchdog *watchdog = xcalloc(1, sizeof(*watchdog));
    int64_t fed_ms = notify_watchdog_interval_ms();
    watchdog->look_ms = fed_ms > 0 && fed_ms / 2 < LOOK_MS ? fed_ms / 2 : LOOK_MS;
    lock_init(&watchdog->lock);
    condition_init(&watchdog->ending);
    int status = thread_start(&watchdog->thread, "watchdog", 0, watchdog_run, watchdog, ret_error);
    if (status != 0) {
        watchdog_free(watchdog);
        return status;
    }
    *ret_watchdog = watchdog;
    return 0;
}

bool watchdog_is_stuck(struct watchdog *watchdog, char *ret_reason, size_t size)
{
    char text[LOG_DURATION_SIZE];

    LOCK_GUARD(&watchdog->lock);
    bool is_stuck = watchdog->stuck > 0;
    if (is_stuck)
        (void)snprintf(ret_reason, size, "thread '%s' has not moved for %s", watchdog->stuck_name, log_duration(watchdog->still_ms, text));
    return is_stuck;
}

void watchdog_stop(struct watchdog *watchdog)
{
    if (watchdog == NULL)
        return;
    lock_take(&watchdog->lock);
    watchdog->is_ending = true;
    condition_wake_one(&watchdog->ending);
    lock_give(&watchdog->lock);
    thread_join(&watchdog->thread);
    watchdog_free(watchdog);
}
