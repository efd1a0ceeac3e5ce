/* SPDX-License-Identifier: Apache-2.0 */
#include "run/backoff.h"

#include <criterion/criterion.h>

static int64_t without_jitter(int retry)
{
    return backoff_delay_ms(&(struct backoff){ .delays_ms = NULL, .count = 0 }, retry, UINT64_MAX);
}

Test(backoff, follows_the_table_and_repeats_its_last)
{
    const int64_t seconds[] = { 15, 30, 60, 120, 300, 600, 1200, 2400, 3600, 7200, 7200, 7200 };

    for (int retry = 0; retry < 12; retry++)
        cr_assert_eq(without_jitter(retry), seconds[retry] * 1000, "retry %d", retry);
    cr_assert_eq(without_jitter(1000), 7200000);
}

Test(backoff, adds_less_than_the_jitter)
{
    cr_assert_eq(backoff_delay_ms(&backoff_default, 0, 0), 15000);
    cr_assert_eq(backoff_delay_ms(&backoff_default, 0, UINT64_MAX), 15000 + 29999);
    cr_assert_eq(backoff_delay_ms(&backoff_default, 0, UINT64_MAX / 2), 15000 + 14999);
}

Test(backoff, keeps_a_table_of_its_own)
{
    const int64_t delays_ms[] = { 0, 200 };
    struct backoff backoff = { .delays_ms = delays_ms, .count = 2 };

    cr_assert_eq(backoff_delay_ms(&backoff, 0, 7), 0);
    cr_assert_eq(backoff_delay_ms(&backoff, 1, 7), 200);
    cr_assert_eq(backoff_delay_ms(&backoff, 2, 7), 200);
}
