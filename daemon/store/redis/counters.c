/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/counters.h"

#include <string.h>

#include "base/array.h"

void counters_tell(struct counters *counters, const struct incarnation *self, const struct worker_counts *now, struct script_call *call)
{
    if (memcmp(self, &counters->counted_as, sizeof(*self)) != 0) {
        counters->base = counters->told; /* stands in the earlier name's counters */
        counters->counted_as = *self;
    }
    const struct worker_counts *base = &counters->base;
    const struct {
        const char *name;
        uint64_t value;
    } COUNTS[] = {
        { "events_consumed", now->events_consumed - base->events_consumed },
        { "runs_started", now->runs_started - base->runs_started },
        { "runs_completed", now->runs_completed - base->runs_completed },
        { "runs_failed", now->runs_failed - base->runs_failed },
        { "retries_scheduled", now->retries_scheduled - base->retries_scheduled },
        { "dead_letters", now->dead_letters - base->dead_letters },
    };

    for (size_t i = 0; i < COUNT_OF(COUNTS); i++) {
        script_add_text(call, COUNTS[i].name);
        script_add_number(call, (int64_t)COUNTS[i].value);
    }
    counters->asked = *now;
}

void counters_heard(struct counters *counters, const struct incarnation *self)
{
    if (memcmp(self, &counters->counted_as, sizeof(*self)) == 0)
        counters->told = counters->asked;
}
