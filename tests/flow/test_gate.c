/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/gate.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define SECOND_NS INT64_C(1000000000)
#define NOW_NS (10 * SECOND_NS)

static struct gate gate;
static struct job job;

static void set_up(void)
{
    gate_init(&gate);
    job = (struct job){ 0 };
}

static void tear_down(void)
{
    gate_done(&gate);
}

TestSuite(gate, .init = set_up, .fini = tear_down);

static enum gate_answer enter(int limit, size_t most, int64_t now_ns)
{
    struct job next = { 0 };

    return gate_enter(&gate, &next, limit, most, now_ns);
}

static void expect_next(int limit, bool is_one)
{
    struct job *next = gate_next(&gate, limit);

    cr_assert_eq(next != NULL, is_one);
    free(next);
}

Test(gate, as_many_as_the_limit_run_and_some_wait)
{
    cr_assert_eq(enter(2, 1, NOW_NS), GATE_OPEN);
    cr_assert_eq(enter(2, 1, NOW_NS), GATE_OPEN);
    cr_assert_eq(enter(2, 1, NOW_NS), GATE_WAITS);
    cr_assert_eq(enter(2, 1, NOW_NS), GATE_FULL);
    expect_next(2, false);
    gate_leave(&gate);
    expect_next(2, true);
    expect_next(2, false);
}

Test(gate, while_there_is_a_line_what_comes_joins_it)
{
    gate_see_line(&gate, NOW_NS);
    cr_assert_eq(enter(2, 5, NOW_NS), GATE_FULL);
    cr_assert_null(gate_left(&gate, 5));
    cr_assert_eq(enter(2, 5, NOW_NS + 5 * SECOND_NS), GATE_OPEN, "a line that was not seen since is gone");
}

Test(gate, few_threads_wait_for_the_store_and_what_came_meanwhile_follows)
{
    cr_assert_eq(enter(1, 1, NOW_NS), GATE_OPEN);
    cr_assert_eq(enter(1, 1, NOW_NS), GATE_WAITS);
    cr_assert_eq(enter(1, 1, NOW_NS), GATE_FULL);
    cr_assert_eq(enter(1, 1, NOW_NS), GATE_FULL);
    cr_assert_eq(enter(1, 1, NOW_NS), GATE_WAITS, "two threads are on their way");
    struct job *next = gate_left(&gate, 1);
    cr_assert_not_null(next);
    cr_assert_not(next->is_gated);
    free(next);
    cr_assert_null(gate_left(&gate, 1));
    cr_assert_null(gate_left(&gate, 1));
    gate_leave(&gate);
    expect_next(1, true);
}

Test(gate, what_waits_here_goes_before_places_are_reserved)
{
    cr_assert_eq(enter(1, 1, NOW_NS), GATE_OPEN);
    cr_assert_eq(enter(1, 1, NOW_NS), GATE_WAITS);
    gate_leave(&gate);
    cr_assert_eq(gate_reserve(&gate, 1, 10), 0);
    cr_assert_not(gate_try(&gate, 1));
    expect_next(1, true);
    gate_leave(&gate);
    cr_assert_eq(gate_reserve(&gate, 3, 10), 3);
    cr_assert_eq(gate_reserve(&gate, 3, 10), 0);
}

Test(gate, a_limit_that_was_raised_or_lifted_lets_all_go_that_may)
{
    cr_assert_eq(enter(1, 9, NOW_NS), GATE_OPEN);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(enter(1, 9, NOW_NS), GATE_WAITS);
    gate_leave(&gate);
    expect_next(2, true);
    expect_next(2, true);
    expect_next(2, false);
    expect_next(0, true);
    expect_next(0, true);
    expect_next(0, false);
}

Test(gate, a_limit_that_was_lowered_holds_once_enough_have_left)
{
    for (int i = 0; i < 3; i++)
        cr_assert_eq(enter(3, 9, NOW_NS), GATE_OPEN);
    cr_assert_eq(enter(1, 9, NOW_NS), GATE_WAITS);
    gate_leave(&gate);
    expect_next(1, false);
    gate_leave(&gate);
    expect_next(1, false);
    gate_leave(&gate);
    expect_next(1, true);
}

Test(gate, what_is_queued_is_what_the_store_said_and_what_went_there_since)
{
    gate_see_queued(&gate, 5, 0);
    gate_expect(&gate);
    gate_expect(&gate);
    cr_assert_eq(gate_queued(&gate, 1), 7);
    gate_arrive(&gate, true);
    cr_assert_eq(gate_queued(&gate, 1), 7, "it has got there, or will within a moment");
    gate_arrive(&gate, false);
    cr_assert_eq(gate_queued(&gate, 1), 6, "one began instead");
    gate_see_queued(&gate, 1, 2);
    cr_assert_eq(gate_queued(&gate, 3), 6, "the store counts it now");
    gate_see_queued(&gate, -6, 4);
    cr_assert_eq(gate_queued(&gate, 5), 0);
    gate_expect(&gate);
    gate_arrive(&gate, true);
    cr_assert_eq(gate_queued(&gate, INT64_C(3000000000)), 0, "the store would have said so");
}
