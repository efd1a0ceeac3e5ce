/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proof of life: each thread that the daemon can't do without shows that it moves, and one thread
 * looks whether all do. A thread waits for nothing longer than about a second without a beat; where
 * it may take any time (a module's code, a connection), it rests.
 */
#ifndef STEPD_BASE_PULSE_H
#define STEPD_BASE_PULSE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define PULSE_LIMIT_MS 30000 /* of a thread without a reason for another */

/* Of one thread, which alone beats and rests; in a cache line of its own. */
struct pulse {
    _Alignas(64) _Atomic(uint64_t) beats; /* odd: at rest */
    const char *name;
    int64_t limit_ms;
    uint64_t seen_beats; /* looker's */
    int64_t moved_ms;    /* looker's; monotonic */
    struct pulse *next;
};

/* The thread's that runs, NULL: it has none. */
extern _Thread_local struct pulse *pulse_own;

/* A thread that begins. `name` is borrowed; `limit_ms`: without a beat for longer, and not at rest, it
 * is stuck. */
struct pulse *pulse_start(const char *name, int64_t limit_ms);
/* The same thread, before it ends. NULL is fine. */
void pulse_stop(struct pulse *pulse);

static inline void pulse_beat(struct pulse *pulse)
{
    uint64_t beats = atomic_load_explicit(&pulse->beats, memory_order_relaxed);
    atomic_store_explicit(&pulse->beats, (beats | 1) + 1, memory_order_relaxed);
}

/* Until the next beat. */
static inline void pulse_rest(struct pulse *pulse)
{
    uint64_t beats = atomic_load_explicit(&pulse->beats, memory_order_relaxed);
    atomic_store_explicit(&pulse->beats, (beats + 1) | 1, memory_order_relaxed);
}

/* Around what any thread may have to wait for, and someone else answers for. */
static inline void pulse_rest_here(void)
{
    if (pulse_own != NULL)
        pulse_rest(pulse_own);
}

static inline void pulse_beat_here(void)
{
    if (pulse_own != NULL)
        pulse_beat(pulse_own);
}

/* Looks at all, always from the same thread and at least as often as the shortest limit. How many are
 * stuck; of the one that is for longest `ret_name` (borrowed) and for how long. now_ms: monotonic. */
size_t pulses_look(int64_t now_ms, const char **ret_name, int64_t *ret_still_ms);

#endif
