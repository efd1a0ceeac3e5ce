/* SPDX-License-Identifier: Apache-2.0 */
/* What one worker has counted: it alone adds, any thread reads. */
#ifndef STEPD_ENGINE_TALLY_H
#define STEPD_ENGINE_TALLY_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/histogram.h"
#include "engine/counts.h"
#include "run/attempt.h"

/* What no function was given. */
struct tally {
    _Atomic(uint64_t) unhandled, malformed, dead;
};

/* One function's: struct function_counts. */
struct function_tally {
    _Atomic(uint64_t) consumed, duplicates, rate_limited, singled, expression_errors, batches_early, started, completed, failed, retried,
        dead, fenced, timed_out, crashed;
    struct histogram durations;
    struct histogram steps;
};

/* One writer: no need of an atomic add. */
static inline void tally_add(_Atomic(uint64_t) *counter)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1, memory_order_relaxed);
}

/* What became of an attempt. */
void tally_end(struct function_tally *tally, const struct attempt_report *report);
/* How long module code had it. */
void tally_duration(struct function_tally *tally, int64_t started_ns, int64_t ended_ns);

/* Any thread: adds it to the counts. */
void tally_read(const struct tally *tally, struct dispatch_counts *counts);
/* `tally` NULL: nothing. tally_read_numbers(): all but the histograms, which are much to read. */
void tally_read_function(const struct function_tally *tally, struct function_counts *counts);
void tally_read_numbers(const struct function_tally *tally, struct function_counts *counts);

#endif
