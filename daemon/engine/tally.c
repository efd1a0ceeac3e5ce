/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/tally.h"

#include <stddef.h>

void tally_end(struct function_tally *tally, const struct attempt_report *report)
{
    switch (report->end) {
    case ATTEMPT_COMPLETED:
        tally_add(&tally->completed);
        break;
    case ATTEMPT_RETRY:
        tally_add(&tally->retried);
        break;
    case ATTEMPT_FAILED:
        tally_add(&tally->failed);
        tally_add(&tally->dead);
        break;
    case ATTEMPT_MOVED:
        tally_add(&tally->fenced);
        break;
    case ATTEMPT_SLEEPING:
    case ATTEMPT_WAITING:
    case ATTEMPT_PASSED_ON:
    case ATTEMPT_CANCELLED:
    case ATTEMPT_STOPPED:
    case ATTEMPT_REFUSED:
    case ATTEMPT_SETTLING:
    case ATTEMPT_ABANDONED:
        break;
    case ATTEMPT_AWAY:
        if (report->failure != NULL)
            tally_add(&tally->retried);
        break;
    }
}

void tally_duration(struct function_tally *tally, int64_t started_ns, int64_t ended_ns)
{
    histogram_add(&tally->durations, (double)(ended_ns - started_ns) / 1000);
}

void tally_read(const struct tally *tally, struct dispatch_counts *counts)
{
    counts->events_unhandled += atomic_load(&tally->unhandled);
    counts->events_malformed += atomic_load(&tally->malformed);
    counts->letters_without_function += atomic_load(&tally->dead);
}

void tally_read_numbers(const struct function_tally *tally, struct function_counts *counts)
{
    if (tally == NULL)
        return;
    counts->consumed += atomic_load(&tally->consumed);
    counts->duplicates += atomic_load(&tally->duplicates);
    counts->rate_limited += atomic_load(&tally->rate_limited);
    counts->singled += atomic_load(&tally->singled);
    counts->expression_errors += atomic_load(&tally->expression_errors);
    counts->batches_early += atomic_load(&tally->batches_early);
    counts->started += atomic_load(&tally->started);
    counts->completed += atomic_load(&tally->completed);
    counts->failed += atomic_load(&tally->failed);
    counts->retried += atomic_load(&tally->retried);
    counts->dead += atomic_load(&tally->dead);
    counts->fenced += atomic_load(&tally->fenced);
    counts->timed_out += atomic_load(&tally->timed_out);
    counts->crashed += atomic_load(&tally->crashed);
}

void tally_read_function(const struct function_tally *tally, struct function_counts *counts)
{
    if (tally == NULL)
        return;
    tally_read_numbers(tally, counts);
    histogram_read(&tally->durations, &counts->durations);
    histogram_read(&tally->steps, &counts->steps);
}
