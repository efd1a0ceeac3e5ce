/* SPDX-License-Identifier: Apache-2.0 */
#include "run/flow_settings.h"

#include <criterion/criterion.h>

Test(flow_settings, as_many_turns_as_the_limit_take_no_less_than_their_period)
{
    static const int64_t limits[] = { 1, 2, 3, 7, 30000, 700000, 1000000, 2000000 };

    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        int64_t interval_us = flow_interval_us(1000, limits[i]);
        cr_expect_geq(interval_us * limits[i], 1000000, "limit %lld", (long long)limits[i]);
        cr_expect_lt((interval_us - 1) * limits[i], 1000000, "limit %lld", (long long)limits[i]);
    }
    cr_expect_eq(flow_interval_us(1000, 1000000), 1);
}

Test(flow_settings, the_largest_burst_of_the_longest_period_is_no_less_than_a_small_one)
{
    cr_expect_eq(flow_tolerance_us(flow_interval_us(1000, 4), 4), 750000);
    cr_expect_eq(flow_tolerance_us(flow_interval_us(1000, 7), 1), 0);
    cr_expect_eq(flow_tolerance_us(flow_interval_us(INT64_C(31536000000), 1), 2000000000), INT64_MAX);
}
