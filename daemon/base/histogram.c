/* SPDX-License-Identifier: Apache-2.0 */
#include "base/histogram.h"

#include <stdatomic.h>
#include <stddef.h>

#define SQRT_2 1.41421356237309505

static size_t bucket_of(double value)
{
    if (value <= 1)
        return 0;
    if (value >= (double)(UINT64_C(1) << (HISTOGRAM_BUCKETS / 2)))
        return HISTOGRAM_BUCKETS - 1;
    uint64_t whole = (uint64_t)value;
    uint64_t below = (double)whole < value ? whole : whole - 1; /* the largest whole number under it */
    unsigned power = 63 - (unsigned)__builtin_clzll(below);
    size_t bucket = 2 * power + (value > (double)(UINT64_C(1) << power) * SQRT_2 ? 2 : 1);

    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/* One thread writes: no need of an atomic add. */
void histogram_add(struct histogram *histogram, double value)
{
    _Atomic(uint64_t) *bucket = &histogram->buckets[bucket_of(value)];
    double sum = atomic_load_explicit(&histogram->sum, memory_order_relaxed);

    atomic_store_explicit(bucket, atomic_load_explicit(bucket, memory_order_relaxed) + 1, memory_order_relaxed);
    if (value > 0)
        atomic_store_explicit(&histogram->sum, sum + value, memory_order_relaxed);
}

void histogram_read(const struct histogram *histogram, struct histogram_counts *counts)
{
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        counts->buckets[i] += atomic_load_explicit(&histogram->buckets[i], memory_order_relaxed);
    counts->sum += atomic_load_explicit(&histogram->sum, memory_order_relaxed);
}

void histogram_counts_add(struct histogram_counts *counts, const struct histogram_counts *more)
{
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        counts->buckets[i] += more->buckets[i];
    counts->sum += more->sum;
}
