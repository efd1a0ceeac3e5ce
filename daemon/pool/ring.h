/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring of pointers that one thread fills and many empty, without a lock. It is never full: who
 * fills it keeps to its capacity.
 */
#ifndef STEPD_POOL_RING_H
#define STEPD_POOL_RING_H

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/memory.h"

struct ring {
    _Atomic(uintptr_t) *places;
    uint64_t mask;
    _Alignas(64) _Atomic(uint64_t) head; /* next to be taken; takers */
    _Alignas(64) _Atomic(uint64_t) tail; /* next to be filled; the one thread that fills */
};

static inline void ring_init(struct ring *ring, size_t capacity)
{
    size_t size = 64;

    while (size < capacity)
        size *= 2;
    ring->places = xcalloc(size, sizeof(*ring->places));
    ring->mask = size - 1;
    atomic_init(&ring->head, 0);
    atomic_init(&ring->tail, 0);
}

static inline void ring_done(struct ring *ring)
{
    free(ring->places);
}

static inline size_t ring_count(const struct ring *ring)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire); /* and no tail that is older than it */
    return (size_t)(atomic_load_explicit(&ring->tail, memory_order_relaxed) - head);
}

/* Not seen by takers before ring_publish(). `at` counts from 0 since the last one. */
static inline void ring_put(struct ring *ring, uint64_t at, uintptr_t item)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed) + at;

    assert(tail - atomic_load_explicit(&ring->head, memory_order_relaxed) <= ring->mask);
    atomic_store_explicit(&ring->places[tail & ring->mask], item, memory_order_relaxed);
}

static inline void ring_publish(struct ring *ring, uint64_t count)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    atomic_store_explicit(&ring->tail, tail + count, memory_order_release);
}

/* 0: empty. A place is read before it is won: whoever loses drops what it read. Each load of `head` is an acquire:
 * else a processor may look at `tail` first, and a newer head that stands beyond that older tail counts as an item. */
static inline uintptr_t ring_take(struct ring *ring)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);

    while (head != atomic_load_explicit(&ring->tail, memory_order_acquire)) {
        uintptr_t item = atomic_load_explicit(&ring->places[head & ring->mask], memory_order_relaxed);
        if (atomic_compare_exchange_weak_explicit(&ring->head, &head, head + 1, memory_order_acq_rel, memory_order_acquire))
            return item;
    }
    return 0;
}

#endif
