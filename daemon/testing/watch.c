/* SPDX-License-Identifier: Apache-2.0 */
#include "testing/watch.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"

#define LOOK_EVERY_NS 2000000

static void *run(void *argument)
{
    struct watch *watch = argument;
    struct timespec until;

    (void)pthread_mutex_lock(&watch->lock);
    while (!watch->is_over) {
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += LOOK_EVERY_NS;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        (void)pthread_cond_timedwait(&watch->is_over_changed, &watch->lock, &until);
        (void)slot_abandon(watch->slot, clock_monotonic_ns());
    }
    (void)pthread_mutex_unlock(&watch->lock);
    return NULL;
}

void watch_start(struct watch *watch, struct slot *slot)
{
    pthread_condattr_t monotonic;
    sigset_t all, before;

    watch->slot = slot;
    watch->is_over = false;
    (void)pthread_mutex_init(&watch->lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&watch->is_over_changed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    (void)sigfillset(&all); /* signals are the test program's */
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&watch->thread, NULL, run, watch) != 0)
        abort();
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void watch_stop(struct watch *watch)
{
    (void)pthread_mutex_lock(&watch->lock);
    watch->is_over = true;
    (void)pthread_cond_signal(&watch->is_over_changed);
    (void)pthread_mutex_unlock(&watch->lock);
    (void)pthread_join(watch->thread, NULL);
    (void)pthread_cond_destroy(&watch->is_over_changed);
    (void)pthread_mutex_destroy(&watch->lock);
}
