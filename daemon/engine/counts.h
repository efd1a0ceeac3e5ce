/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine has counted since start. */
#ifndef STEPD_ENGINE_COUNTS_H
#define STEPD_ENGINE_COUNTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/histogram.h"

struct dispatch_counts {
    uint64_t events_unhandled, events_malformed;
    uint64_t letters_without_function; /* dead ones, of events that no function could be given */
    uint64_t runs_started, runs_completed, runs_failed, retries_scheduled, dead_letters; /* of all functions */
    size_t threads, threads_busy, threads_stuck, queued, away;
};
struct function_counts {
    uint64_t consumed, duplicates, rate_limited, singled, expression_errors, batches_early, started, completed, failed, retried, dead,
        fenced, timed_out, crashed;
    struct histogram_counts durations; /* µs, of all attempts that ended */
    struct histogram_counts steps;     /* µs, of steps' code */
};
#endif
