/* SPDX-License-Identifier: Apache-2.0 */
/* Flow control over stepd::testing's virtual clock. */
#include <stepd/testing.h>

#include <criterion/criterion.h>
#include <string.h>

static int last;
static int events[8]; /* of the last attempt */
static size_t event_count;
static int order[16]; /* of attempts */
static size_t order_count;

static void note(struct stepd_ctx *ctx)
{
    event_count = stepd_event_count(ctx);
    for (size_t i = 0; i < event_count && i < 8; i++)
        events[i] = (int)stepd_get_int(ctx, stepd_event_at(ctx, i)->data, "n", -1);
    if (order_count < 16)
        order[order_count++] = events[0];
}

static enum stepd_status work(struct stepd_ctx *ctx)
{
    note(ctx);
    if (stepd_attempt(ctx) < stepd_get_int(ctx, stepd_event(ctx)->data, "fails", 0))
        return stepd_error(ctx, "Down", "as it was told");
    if (stepd_get_bool(ctx, stepd_event(ctx)->data, "wrong", false))
        return stepd_non_retriable(ctx, "Wrong", "as it was told");
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
    event_count = order_count = 0;
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

/* ---- batches ---------------------------------------------------------------------------------------------- */

static void expect_events(const int *wanted, size_t count)
{
    cr_assert_eq(event_count, count);
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(events[i], wanted[i], "%zu", i);
}

Test(limits, a_batch_begins_at_once_when_it_is_full)
{
    stepd_test_configure(test, "functions: {work: {batch: {size: 3, timeout: 10s, key: event.data.k}}}");
    struct stepd_test_run *first = begin("{n: 1, k: a}");
    struct stepd_test_run *second = begin("{n: 2, k: a}");
    struct stepd_test_run *other = begin("{n: 9, k: b}");
    cr_assert_eq(stepd_test_status(first), STEPD_TEST_QUEUED);
    cr_assert_eq(stepd_test_status(second), STEPD_TEST_SKIPPED);
    (void)begin("{n: 3, k: a}");
    cr_assert_eq(stepd_test_status(first), STEPD_TEST_READY);
    cr_assert_eq(stepd_test_finish(first), STEPD_TEST_COMPLETED);
    expect_events((int[]){ 1, 2, 3 }, 3);
    cr_assert_eq(stepd_test_finish(begin("{n: 4, k: a}")), STEPD_TEST_COMPLETED, "another batch");
    expect_events((int[]){ 4 }, 1);
    cr_assert_eq(stepd_test_finish(other), STEPD_TEST_COMPLETED);
    expect_events((int[]){ 9 }, 1);
}

Test(limits, a_batch_that_is_not_full_begins_its_timeout_after_its_first_event)
{
    stepd_test_configure(test, "functions: {work: {batch: {size: 3, timeout: 10s}}}");
    struct stepd_test_run *first = begin("{n: 1}");
    stepd_test_advance(test, 6000);
    (void)begin("{n: 2}");
    cr_assert_eq(stepd_test_finish(first), STEPD_TEST_COMPLETED);
    cr_assert_eq(stepd_test_attempt_at(first, 0)->delay_ms, 10000);
    expect_events((int[]){ 1, 2 }, 2);
}

Test(limits, a_batch_is_retried_with_its_events_and_leaves_a_dead_letter_for_each)
{
    stepd_test_configure(test, "functions: {work: {batch: {size: 2, timeout: 10s}, retries: 1}}");
    struct stepd_test_run *first = begin("{n: 1, fails: 5}");
    (void)begin("{n: 2}");
    cr_assert_eq(stepd_test_finish(first), STEPD_TEST_FAILED);
    cr_assert_eq(stepd_test_attempt_count(first), 2);
    expect_events((int[]){ 1, 2 }, 2);
    cr_assert_eq(stepd_test_letter_count(test), 2);
    cr_assert_not_null(strstr(stepd_test_letter_at(test, 1)->data, "2"));
}

Test(limits, of_a_batch_a_throttle_is_asked_once)
{
    stepd_test_configure(test, "functions: {work: {batch: {size: 2, timeout: 1s}, throttle: {limit: 1, period: 10s}}}");
    struct stepd_test_run *runs[4];
    for (size_t i = 0; i < 4; i++)
        runs[i] = begin("{n: 1}");
    stepd_test_finish_all(test);
    cr_assert_eq(stepd_test_attempt_at(runs[0], 0)->delay_ms, 0);
    cr_assert_eq(stepd_test_attempt_at(runs[2], 0)->delay_ms, 10000);
    cr_assert_eq(stepd_test_status(runs[3]), STEPD_TEST_SKIPPED);
}

/* ---- breakers --------------------------------------------------------------------------------------------- */

#define BREAKER "breaker: {failures: 2, window: 1m, pause: 30s, key: event.data.k}, retries: 9, schedule: [1s], jitter: 0"

static int64_t begun_ms(const struct stepd_test_run *run, size_t attempt)
{
    return stepd_test_attempt_at(run, attempt)->at_ms - STEPD_TEST_BEGIN_MS;
}

Test(limits, while_a_breaker_is_open_nothing_of_its_key_begins_and_then_one_tries)
{
    stepd_test_configure(test, "functions: {work: {" BREAKER "}}");
    struct stepd_test_run *one = begin("{k: a, n: 1, fails: 2}");
    struct stepd_test_run *two = begin("{k: a, n: 2, fails: 1}");
    (void)stepd_test_attempt(one);
    (void)stepd_test_attempt(two);
    struct stepd_test_run *held = begin("{k: a, n: 3}");
    cr_assert_eq(stepd_test_status(held), STEPD_TEST_QUEUED);
    cr_assert_eq(stepd_test_finish(begin("{k: b, n: 4}")), STEPD_TEST_COMPLETED, "another key");
    stepd_test_finish_all(test);
    cr_assert_eq(begun_ms(one, 1), 30000, "it tries, and fails");
    cr_assert_eq(begun_ms(two, 1), 60000, "the next one closes it");
    cr_assert_eq(begun_ms(held, 0), 60000);
    cr_assert_eq(begun_ms(one, 2), 60000);
    cr_assert_eq(stepd_test_attempt_count(held), 1, "that it was held is no attempt");
}

Test(limits, an_error_for_good_opens_no_breaker_and_closes_one)
{
    stepd_test_configure(test, "functions: {work: {" BREAKER "}}");
    for (int i = 0; i < 3; i++)
        cr_assert_eq(stepd_test_finish(begin("{k: a, wrong: true}")), STEPD_TEST_FAILED);
    struct stepd_test_run *next = begin("{k: a}");
    cr_assert_eq(stepd_test_status(next), STEPD_TEST_READY);
    struct stepd_test_run *wrong = begin("{k: a, wrong: true}");
    struct stepd_test_run *failing[] = { begin("{k: a, fails: 1}"), begin("{k: a, fails: 1}") };
    (void)stepd_test_attempt(failing[0]);
    (void)stepd_test_attempt(failing[1]);
    cr_assert_eq(stepd_test_status(next), STEPD_TEST_QUEUED);
    cr_assert_eq(stepd_test_attempt(wrong), STEPD_TEST_FAILED);
    cr_assert_eq(stepd_test_status(next), STEPD_TEST_READY);
}

Test(limits, failures_that_lie_further_apart_than_its_window_open_no_breaker)
{
    stepd_test_configure(test, "functions: {work: {" BREAKER "}}");
    struct stepd_test_run *one = begin("{k: a, fails: 1}");
    (void)stepd_test_attempt(one);
    stepd_test_advance(test, 61000);
    struct stepd_test_run *two = begin("{k: a, fails: 1}");
    (void)stepd_test_attempt(two);
    cr_assert_eq(stepd_test_status(begin("{k: a}")), STEPD_TEST_READY);
}

Test(limits, what_a_breaker_holds_up_counts_to_no_timeout)
{
    stepd_test_configure(test, "functions: {work: {" BREAKER ", start_timeout: 5s, throttle: {limit: 3, period: 300s}}}");
    struct stepd_test_run *failing[] = { begin("{k: a, fails: 1}"), begin("{k: a, fails: 1}") };
    (void)stepd_test_attempt(failing[0]);
    (void)stepd_test_attempt(failing[1]);
    struct stepd_test_run *held = begin("{k: a}");
    struct stepd_test_run *late = begin("{k: a}");
    stepd_test_finish_all(test);
    cr_assert_eq(stepd_test_status(held), STEPD_TEST_COMPLETED);
    cr_assert_eq(begun_ms(held, 0), 30000);
    cr_assert_eq(stepd_test_status(late), STEPD_TEST_CANCELLED, "its throttle does count");
}

Test(limits, a_retry_that_a_breaker_holds_can_be_cancelled)
{
    stepd_test_configure(test,
                         "functions: {work: {breaker: {failures: 1, window: 1m, pause: 30s}, retries: 9, schedule: [1s], jitter: 0}}");
    struct stepd_test_run *run = begin("{fails: 5}");
    (void)stepd_test_attempt(run);
    stepd_test_advance(test, 2000);
    cr_assert_eq(stepd_test_status(run), STEPD_TEST_QUEUED);
    cr_assert(stepd_test_cancel(run));
    cr_assert_eq(stepd_test_status(run), STEPD_TEST_CANCELLED);
}

/* ---- priority --------------------------------------------------------------------------------------------- */

static void expect_order(const int *wanted, size_t count)
{
    cr_assert_eq(order_count, count);
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(order[i], wanted[i], "attempt %zu is of %d", i, order[i]);
}

Test(limits, priority_goes_ahead_in_line_by_its_seconds)
{
    stepd_test_configure(test, "functions: {work: {concurrency_limits: [{limit: 1}], priority: event.data.p}}");
    (void)begin("{n: 1, p: 0}");
    stepd_test_advance(test, 10000);
    (void)begin("{n: 2, p: 5}");
    (void)begin("{n: 3, p: 20}");
    (void)begin("{n: 4, p: -5}");
    (void)begin("{n: 5}");
    stepd_test_finish_all(test);
    expect_order((int[]){ 3, 1, 2, 5, 4 }, 5);
}

Test(limits, priority_decides_who_has_the_next_turn_of_a_throttle)
{
    stepd_test_configure(test, "functions: {work: {throttle: {limit: 1, period: 10s}, priority: event.data.p}}");
    struct stepd_test_run *runs[4];
    static const char *const data[] = { "{n: 1, p: 0}", "{n: 2, p: 0}", "{n: 3, p: 60}", "{n: 4, p: 120}" };
    for (size_t i = 0; i < 4; i++)
        runs[i] = begin(data[i]);
    stepd_test_finish_all(test);
    expect_order((int[]){ 1, 4, 3, 2 }, 4);
    cr_assert_eq(begun_ms(runs[3], 0), 10000);
    cr_assert_eq(begun_ms(runs[1], 0), 30000);
}
