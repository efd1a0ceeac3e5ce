/* SPDX-License-Identifier: Apache-2.0 */
/* Flow control over stepd::testing's virtual clock. */
#include <stepd/testing.h>

#include <criterion/criterion.h>
#include <string.h>

static int last;

static enum stepd_status work(struct stepd_ctx *ctx)
{
    last = (int)stepd_get_int(ctx, stepd_event(ctx)->data, "n", -1);
    return stepd_get_int(ctx, stepd_event(ctx)->data, "ms", 0) > 0
               ? stepd_sleep(ctx, "rest", stepd_get_int(ctx, stepd_event(ctx)->data, "ms", 0))
               : STEPD_OK;
}

STEPD_MODULE(.name = "limits", .functions = STEPD_FUNCTIONS(STEPD_FUNCTION(.id = "work", .event = "work/go", .run = work)));

static struct stepd_test *test;

static void setup(void)
{
    last = -1;
    test = stepd_test_create(&stepd_module);
}

static void teardown(void)
{
    stepd_test_destroy(test);
}

TestSuite(limits, .init = setup, .fini = teardown, .timeout = 60);

static struct stepd_test_run *begin(const char *data)
{
    return stepd_test_start(test, "work", STEPD_TEST_EVENT(.data = data));
}

/* The run's stepd/function.cancelled is the `index`th event that went out. */
static void expect_told(const struct stepd_test_run *run, size_t index)
{
    const struct stepd_test_event *event = stepd_test_sent_at(test, index);

    cr_assert_not_null(event);
    cr_assert_str_eq(event->name, "stepd/function.cancelled");
    cr_assert_not_null(strstr(event->data, stepd_test_run_id(run)), "%s", event->data);
    cr_assert_null(strstr(event->data, "\"error\""), "%s", event->data);
}

Test(limits, what_when_is_false_for_starts_nothing)
{
    stepd_test_configure(test, "functions: {work: {when: 'event.data.n > 1'}}");
    cr_assert_eq(stepd_test_send(test, STEPD_TEST_EVENT(.name = "work/go", .data = "{n: 1}")), 0);
    cr_assert_eq(stepd_test_send(test, STEPD_TEST_EVENT(.name = "work/go", .data = "{n: 2}")), 1);
}

Test(limits, a_rate_limit_skips_what_is_over_it)
{
    stepd_test_configure(test, "functions: {work: {rate_limit: {limit: 2, period: 10s, key: event.data.k}}}");
    static const enum stepd_test_status wanted[] = { STEPD_TEST_COMPLETED, STEPD_TEST_COMPLETED, STEPD_TEST_SKIPPED };
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(stepd_test_finish(begin("{k: a}")), wanted[i]);
    cr_assert_eq(stepd_test_finish(begin("{k: b}")), STEPD_TEST_COMPLETED);
    cr_assert_eq(stepd_test_finish(begin("{n: 1}")), STEPD_TEST_COMPLETED, "without a key it does not apply");
    stepd_test_advance(test, 5000);
    cr_assert_eq(stepd_test_finish(begin("{k: a}")), STEPD_TEST_COMPLETED);
}

Test(limits, a_throttle_has_runs_wait_for_their_turns)
{
    stepd_test_configure(test, "functions: {work: {throttle: {limit: 2, period: 10s, burst: 1}}}");
    int64_t began_ms = stepd_test_now_ms(test);
    static const int64_t turns_ms[] = { 0, 0, 0, 5000, 10000 };
    struct stepd_test_run *runs[5];
    for (size_t i = 0; i < 5; i++)
        runs[i] = begin("{n: 1}");
    cr_assert_eq(stepd_test_status(runs[3]), STEPD_TEST_QUEUED);
    stepd_test_finish_all(test);
    for (size_t i = 0; i < 5; i++)
        cr_assert_eq(stepd_test_attempt_at(runs[i], 0)->at_ms - began_ms, turns_ms[i], "%zu", i);
}

Test(limits, a_debounced_run_is_of_the_latest_event_under_the_id_of_the_first)
{
    stepd_test_configure(test, "functions: {work: {debounce: {period: 2s, timeout: 3s, key: event.data.k}}}");
    int64_t began_ms = stepd_test_now_ms(test);
    struct stepd_test_run *first = begin("{n: 1, k: a}");
    stepd_test_advance(test, 1500);
    struct stepd_test_run *second = begin("{n: 2, k: a}");
    cr_assert_eq(stepd_test_status(first), STEPD_TEST_QUEUED);
    cr_assert_eq(stepd_test_status(second), STEPD_TEST_SKIPPED);
    cr_assert_eq(stepd_test_finish(first), STEPD_TEST_COMPLETED);
    cr_assert_eq(last, 2);
    cr_assert_eq(stepd_test_attempt_at(first, 0)->at_ms - began_ms, 3000, "at the latest, the timeout after the first");
    struct stepd_test_run *third = begin("{n: 3, k: a}");
    cr_assert_eq(stepd_test_finish(third), STEPD_TEST_COMPLETED);
    cr_assert_eq(last, 3);
}

Test(limits, a_singleton_skips_while_its_run_lives)
{
    stepd_test_configure(test, "functions: {work: {singleton: {mode: skip, key: event.data.k}}}");
    struct stepd_test_run *first = begin("{k: a, ms: 5000}");
    (void)stepd_test_attempt(first);
    cr_assert_eq(stepd_test_status(begin("{k: a}")), STEPD_TEST_SKIPPED);
    cr_assert_eq(stepd_test_finish(begin("{k: b}")), STEPD_TEST_COMPLETED);
    cr_assert_eq(stepd_test_finish(first), STEPD_TEST_COMPLETED);
    cr_assert_eq(stepd_test_finish(begin("{k: a}")), STEPD_TEST_COMPLETED);
}

Test(limits, a_singleton_that_cancels_ends_the_older_run)
{
    stepd_test_configure(test, "functions: {work: {singleton: {mode: cancel, key: event.data.k}}}");
    struct stepd_test_run *sleeps = begin("{k: a, ms: 5000}");
    (void)stepd_test_attempt(sleeps);
    struct stepd_test_run *next = begin("{k: a}");
    cr_assert_eq(stepd_test_status(sleeps), STEPD_TEST_CANCELLED);
    expect_told(sleeps, 0);
    struct stepd_test_run *latest = begin("{k: a}");
    cr_assert_eq(stepd_test_finish(next), STEPD_TEST_CANCELLED, "that had not begun");
    expect_told(next, 1);
    cr_assert_eq(stepd_test_finish(latest), STEPD_TEST_COMPLETED);
    cr_assert_eq(stepd_test_sent_count(test), 2);
}

Test(limits, what_does_not_begin_in_time_is_cancelled)
{
    stepd_test_configure(test, "functions: {work: {start_timeout: 4s, throttle: {limit: 1, period: 10s}}}");
    struct stepd_test_run *first = begin("{n: 1}");
    struct stepd_test_run *late = begin("{n: 2}");
    stepd_test_finish_all(test);
    cr_assert_eq(stepd_test_status(first), STEPD_TEST_COMPLETED);
    cr_assert_eq(stepd_test_status(late), STEPD_TEST_CANCELLED);
    expect_told(late, 0);
}

Test(limits, what_does_not_end_in_time_is_cancelled_then)
{
    stepd_test_configure(test, "functions: {work: {finish_timeout: 4s}}");
    int64_t began_ms = stepd_test_now_ms(test);
    struct stepd_test_run *run = begin("{ms: 60000}");
    cr_assert_eq(stepd_test_finish(run), STEPD_TEST_CANCELLED);
    cr_assert_eq(stepd_test_now_ms(test) - began_ms, 4000);
    expect_told(run, 0);
}
