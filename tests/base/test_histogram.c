/* SPDX-License-Identifier: Apache-2.0 */
#include "base/histogram.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stddef.h>

static size_t bucket_of(double value)
{
    struct histogram histogram = { 0 };
    struct histogram_counts counts = { 0 };

    histogram_add(&histogram, value);
    histogram_read(&histogram, &counts);
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (counts.buckets[i] != 0)
            return i;
    }
    return HISTOGRAM_BUCKETS;
}

Test(histogram, a_bucket_holds_its_end_and_nothing_above)
{
    for (size_t i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
        double end = pow(2, (double)i / 2);
        cr_assert_eq(bucket_of(end * 0.9999), i, "%zu", i);
        cr_assert_eq(bucket_of(end * 1.0001), i + 1, "%zu", i);
    }
    for (unsigned power = 0; power < HISTOGRAM_BUCKETS / 2; power++)
        cr_assert_eq(bucket_of((double)(UINT64_C(1) << power)), 2 * power);
}

Test(histogram, the_first_and_the_last_take_the_rest)
{
    cr_assert_eq(bucket_of(-1), 0);
    cr_assert_eq(bucket_of(0), 0);
    cr_assert_eq(bucket_of(0.4), 0);
    cr_assert_eq(bucket_of(1e18), HISTOGRAM_BUCKETS - 1);
    cr_assert_eq(bucket_of(INFINITY), HISTOGRAM_BUCKETS - 1);
}

Test(histogram, sums_what_came)
{
    struct histogram histogram = { 0 };
    struct histogram_counts counts = { 0 };

    histogram_add(&histogram, 0.25);
    histogram_add(&histogram, 10);
    histogram_add(&histogram, -5);
    histogram_read(&histogram, &counts);
    histogram_read(&histogram, &counts);
    cr_assert_float_eq(counts.sum, 20.5, 1e-9);
    cr_assert_eq(counts.buckets[0], 4);
}
