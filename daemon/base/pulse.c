/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pulse.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/memory.h"

_Thread_local struct pulse *pulse_own;

static struct {
    struct lock lock; /* guards `first`, and what the looker keeps in each */
    struct pulse *first;
} the_pulses = { .lock = LOCK_INITIALIZER };

struct pulse *pulse_start(const char *name, int64_t limit_ms)
{
    struct pulse *pulse = xcalloc_aligned(_Alignof(struct pulse), sizeof(*pulse));

    assert(limit_ms > 0);
    *pulse = (struct pulse){ .name = name, .limit_ms = limit_ms, .moved_ms = clock_monotonic_ms() };
    lock_take(&the_pulses.lock);
    pulse->next = the_pulses.first;
    the_pulses.first = pulse;
    lock_give(&the_pulses.lock);
    pulse_own = pulse;
    return pulse;
}

void pulse_stop(struct pulse *pulse)
{
    if (pulse == NULL)
        return;
    lock_take(&the_pulses.lock);
    struct pulse **at = &the_pulses.first;
    while (*at != pulse) {
        assert(*at != NULL);
        at = &(*at)->next;
    }
    *at = pulse->next;
    lock_give(&the_pulses.lock);
    if (pulse_own == pulse)
        pulse_own = NULL;
    free(pulse);
}

/* How long it has been stuck; 0: it moves, or rests. */
static int64_t still_ms(struct pulse *pulse, int64_t now_ms)
{
    uint64_t beats = atomic_load_explicit(&pulse->beats, memory_order_relaxed);

    if (beats != pulse->seen_beats || (beats & 1) != 0) {
        pulse->seen_beats = beats;
        pulse->moved_ms = now_ms;
    }
    int64_t still = now_ms - pulse->moved_ms;
    return still > pulse->limit_ms ? still : 0;
}

size_t pulses_look(int64_t now_ms, const char **ret_name, int64_t *ret_still_ms)
{
    size_t stuck = 0;
    int64_t longest_ms = 0;

    lock_take(&the_pulses.lock);
    for (struct pulse *pulse = the_pulses.first; pulse != NULL; pulse = pulse->next) {
        int64_t still = still_ms(pulse, now_ms);
        stuck += still > 0;
        if (still <= longest_ms)
            continue;
        longest_ms = still;
        *ret_name = pulse->name;
        *ret_still_ms = still;
    }
    lock_give(&the_pulses.lock);
    return stuck;
}
