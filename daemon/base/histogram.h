/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often values of which size came, two buckets to each doubling: good for durations, whose
 * interesting range nobody knows beforehand. One thread adds, any may read.
 */
#ifndef STEPD_BASE_HISTOGRAM_H
#define STEPD_BASE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BUCKETS 64

/* Bucket i ends at 2^(i/2), which is in it; the last takes all the rest. */
struct histogram {
    _Atomic(uint64_t) buckets[HISTOGRAM_BUCKETS];
    _Atomic(double) sum;
};

/* The same as it was at some moment. */
struct histogram_counts {
    uint64_t buckets[HISTOGRAM_BUCKETS];
    double sum;
};

/* Which one a value is of. */
size_t histogram_bucket(double value);
/* The histogram's own thread. What is below 0 counts as 0. */
void histogram_add(struct histogram *histogram, double value);
/* Any thread: adds what it holds to `counts`. */
void histogram_read(const struct histogram *histogram, struct histogram_counts *counts);

#endif
