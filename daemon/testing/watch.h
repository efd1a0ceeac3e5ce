/* SPDX-License-Identifier: Apache-2.0 */
/* Gives up on module code that is past its timeout, as the daemon's watch does. Timeouts are the one
 * thing here that real time rules. */
#ifndef STEPD_TESTING_WATCH_H
#define STEPD_TESTING_WATCH_H

#include <stdbool.h>

#include "base/lock.h"
#include "base/thread.h"
#include "pool/slot.h"

struct watch {
    struct slot *slot;
    struct thread thread;
    struct lock lock;
    struct condition is_over_changed;
    bool is_over; /* lock */
};

/* Over one attempt; `slot` is its. */
void watch_start(struct watch *watch, struct slot *slot);
void watch_stop(struct watch *watch);

#endif
