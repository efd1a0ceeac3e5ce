/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/coming.h"

#include <criterion/criterion.h>

static struct claimed runs[3];

Test(coming, runs_go_in_order_of_their_turns_and_none_before_its_own)
{
    struct coming coming = { .first = NULL };

    cr_expect_eq(coming_first_us(&coming), INT64_MAX);
    coming_add(&coming, &runs[0], 200);
    coming_add(&coming, &runs[1], 100);
    coming_add(&coming, &runs[2], 300);
    cr_expect_eq(coming_first_us(&coming), 100);
    cr_expect_eq(coming.last_us, 300);
    cr_expect_null(coming_take(&coming, 99));
    cr_expect_eq(coming_take(&coming, 250), &runs[1]);
    cr_expect_eq(coming_take(&coming, 250), &runs[0]);
    cr_expect_null(coming_take(&coming, 250));
    cr_expect_eq(coming_take(&coming, 300), &runs[2]);
    cr_expect_eq(coming_first_us(&coming), INT64_MAX);
    cr_expect_eq(coming.last_us, 300, "what was given back is due no sooner");
}

Test(coming, of_runs_of_one_time_the_first_that_came_is_first)
{
    struct coming coming = { .first = NULL };

    for (int i = 0; i < 3; i++)
        coming_add(&coming, &runs[i], 100);
    for (int i = 0; i < 3; i++)
        cr_expect_eq(coming_take(&coming, 100), &runs[i]);
}
