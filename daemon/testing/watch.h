/* SPDX-License-Identifier: Apache-2.0 */
/* Gives up on module code that is past its timeout, as the daemon's watch does. Timeouts are the one
 * thing here that real time rules. */
#ifndef STEPD_TESTING_WATCH_H
#define STEPD_TESTING_WATCH_H

#include <pthread.h>
#include <stdbool.h>

#include "pool/slot.h"

struct watch {
    struct slot *slot;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t is_over_changed;
    bool is_over; /* lock */
};

/* Over one attempt; `slot` is its. */
void watch_start(struct watch *watch, struct slot *slot);
void watch_stop(struct watch *watch);

#endif
