/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many workers sleep, and why none sleeps through what comes: a worker counts itself and then looks once
 * more for work; whoever publishes work then looks at the count. Either the worker sees the work, or the
 * publisher sees it sleep. No order of a single load or store gives that: each puts a fence between its two.
 */
#ifndef STEPD_POOL_SLEEPERS_H
#define STEPD_POOL_SLEEPERS_H

#include <stdatomic.h>

/* Worker, before it looks for work a last time. */
static inline void sleepers_add(atomic_int *sleepers)
{
    atomic_fetch_add_explicit(sleepers, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
}

/* Publisher, after ring_publish(). */
static inline int sleepers_after_publish(const atomic_int *sleepers)
{
    atomic_thread_fence(memory_order_seq_cst);
    return atomic_load_explicit(sleepers, memory_order_relaxed);
}

#endif
