/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may decide the outcome of what a worker thread is doing: the worker itself, or the watch that
 * gives up on a handler past its timeout. One atomic word settles it; whoever loses does nothing.
 * Written by the worker and the watch, lock-free.
 */
#ifndef STEPD_POOL_SLOT_H
#define STEPD_POOL_SLOT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum slot_state {
    SLOT_IDLE,       /* between attempts, or settling one: the watch keeps away */
    SLOT_IN_HANDLER, /* a module's code runs */
    SLOT_ABANDONED,  /* the watch took the attempt over; the thread ends when its handler returns */
};

struct slot {
    _Atomic(uint64_t) word;       /* sequence << 2 | enum slot_state */
    _Atomic(int64_t) deadline_ns; /* monotonic; 0: none */
    atomic_bool is_cancelled;     /* the result will be ignored, or the daemon stops */
};

static inline void slot_init(struct slot *slot)
{
    atomic_init(&slot->word, 0);
    atomic_init(&slot->deadline_ns, 0);
    atomic_init(&slot->is_cancelled, false);
}

/* Worker: module code begins, to be over by deadline_ns (0: no limit). What the watch needs to know
 * of the attempt is written before. */
static inline void slot_enter(struct slot *slot, int64_t deadline_ns)
{
    uint64_t sequence = (atomic_load_explicit(&slot->word, memory_order_relaxed) >> 2) + 1;
    atomic_store_explicit(&slot->deadline_ns, deadline_ns, memory_order_relaxed);
    atomic_store_explicit(&slot->word, sequence << 2 | SLOT_IN_HANDLER, memory_order_release);
}

/* Worker: module code is over. False: the watch was first, and nothing of the run is ours any more. */
static inline bool slot_leave(struct slot *slot)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
    if ((word & 3) != SLOT_IN_HANDLER)
        return false;
    return atomic_compare_exchange_strong(&slot->word, &word, (word & ~UINT64_C(3)) | SLOT_IDLE);
}

/* Watch: takes the attempt over if its deadline has passed at now_ns. */
static inline bool slot_abandon(struct slot *slot, int64_t now_ns)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
    int64_t deadline_ns = atomic_load_explicit(&slot->deadline_ns, memory_order_relaxed);
    if ((word & 3) != SLOT_IN_HANDLER || deadline_ns == 0 || now_ns < deadline_ns)
        return false;
    return atomic_compare_exchange_strong(&slot->word, &word, (word & ~UINT64_C(3)) | SLOT_ABANDONED);
}

/* Worker, early: slot_leave() decides. */
static inline bool slot_is_abandoned(const struct slot *slot)
{
    return (atomic_load_explicit(&slot->word, memory_order_relaxed) & 3) == SLOT_ABANDONED;
}

#endif
