/* SPDX-License-Identifier: Apache-2.0 */
/* What the clock of the store has counted. */
#ifndef STEPD_STORE_REDIS_TIMERS_COUNTS_H
#define STEPD_STORE_REDIS_TIMERS_COUNTS_H

#include <stdint.h>

#include "base/histogram.h"

struct timers_counts {
    uint64_t taken_over;              /* runs, from workers that died */
    uint64_t delayed, dead;           /* runs in the store, all workers', as of the last heartbeat */
    uint64_t owned;                   /* and of them this worker's */
    struct histogram_counts lateness; /* µs, of claimed runs: how long they were due */
};

#endif
