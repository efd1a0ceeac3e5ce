/* SPDX-License-Identifier: Apache-2.0 */
#include "testing/watch.h"

#include <signal.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/thread.h"

#define LOOK_EVERY_MS 2

static void *run(void *argument)
{
    struct watch *watch = argument;

    LOCK_GUARD(&watch->lock);
    while (!watch->is_over) {
        (void)condition_wait_until(&watch->is_over_changed, &watch->lock, clock_monotonic_ms() + LOOK_EVERY_MS);
        (void)slot_abandon(watch->slot, clock_monotonic_ns());
    }
    return NULL;
}

void watch_start(struct watch *watch, struct slot *slot)
{
    sigset_t all, before;
    struct error error;

    *watch = (struct watch){ .slot = slot };
    lock_init(&watch->lock);
    condition_init(&watch->is_over_changed);
    (void)sigfillset(&all); /* signals are the test program's */
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    if (thread_start(&watch->thread, "watch", 0, run, watch, &error) != 0)
        abort();
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void watch_stop(struct watch *watch)
{
    lock_take(&watch->lock);
    watch->is_over = true;
    condition_wake_one(&watch->is_over_changed);
    lock_give(&watch->lock);
    thread_join(&watch->thread);
    condition_done(&watch->is_over_changed);
    lock_done(&watch->lock);
}
