/* SPDX-License-Identifier: Apache-2.0 */
#include "page/past.h"

#include <criterion/criterion.h>

static struct past *past;
static struct past_point points[PAST_POINTS];

static void setup(void)
{
    past = past_create(2);
}

static void teardown(void)
{
    past_destroy(past);
}

TestSuite(past, .init = setup, .fini = teardown);

Test(past, is_empty_at_first)
{
    struct function_counts counts;
    int64_t at_ms;

    cr_assert_eq(past_points(past, points), 0);
    cr_assert_not(past_function(past, 1, &at_ms, &counts));
}

Test(past, has_the_oldest_first)
{
    for (int i = 0; i < 3; i++)
        past_add(past, &(struct past_point){ .at_ms = i, .events = 10 });
    cr_assert_eq(past_points(past, points), 3);
    cr_assert_eq(points[0].at_ms, 0);
    cr_assert_eq(points[2].at_ms, 2);
}

Test(past, spans_fifteen_minutes_and_no_more)
{
    for (int i = 0; i < 1000; i++)
        past_add(past, &(struct past_point){ .at_ms = (int64_t)i * PAST_EVERY_MS });
    cr_assert_eq(past_points(past, points), PAST_POINTS);
    cr_assert_eq(points[PAST_POINTS - 1].at_ms, 999 * PAST_EVERY_MS);
    cr_assert_eq(points[PAST_POINTS - 1].at_ms - points[0].at_ms, 15 * 60 * 1000);
}

Test(past, keeps_each_function_apart)
{
    struct function_counts counts;
    int64_t at_ms = 0;

    for (uint64_t i = 1; i <= 25; i++)
        past_add_functions(past, (int64_t)i, (struct function_counts[]){ { .completed = i }, { .completed = 100 * i } });
    cr_assert(past_function(past, 1, &at_ms, &counts));
    cr_assert_eq(at_ms, 25 - PAST_FUNCTION_POINTS + 1, "the oldest that is kept");
    cr_assert_eq(counts.completed, 100 * (uint64_t)at_ms);
    cr_assert(past_function(past, 0, &at_ms, &counts));
    cr_assert_eq(counts.completed, (uint64_t)at_ms);
}
