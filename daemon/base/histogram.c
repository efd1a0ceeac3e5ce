/* SPDX-License-Identifier: Apache-2.0 */
#include "base/histogram.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

/* A double of IEEE 754 is 2^power * 1.fraction. */
#define FRACTION_BITS 52
#define POWER_BIAS 1023
#define FRACTION_OF_SQRT_2 UINT64_C(0x6a09e667f3bcd)

size_t histogram_bucket(double value)
{
    uint64_t bits;

    if (!(value > 1))
        return 0;
    memcpy(&bits, &value, sizeof(bits));
    size_t power = (size_t)(bits >> FRACTION_BITS) - POWER_BIAS;
    uint64_t fraction = bits & ((UINT64_C(1) << FRACTION_BITS) - 1);
    size_t bucket = 2 * power + (fraction > 0) + (fraction > FRACTION_OF_SQRT_2);

    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/* One thread writes: no need of an atomic add. */
void histogram_add(struct histogram *histogram, double value)
{
    _Atomic(uint64_t) *bucket = &histogram->buckets[histogram_bucket(value)];
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
