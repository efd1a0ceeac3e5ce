/* SPDX-License-Identifier: Apache-2.0 */
/* Functions that the clock starts, over the virtual clock. */
#include <stepd/testing.h>

#include <criterion/criterion.h>
#include <string.h>

static enum stepd_status report(struct stepd_ctx *ctx)
{
    const struct stepd_event *event = stepd_event(ctx);

    cr_expect_str_eq(event->name, "stepd/cron");
    cr_expect_eq(event->partition, -1);
    cr_expect_eq(event->offset, -1);
    if (stepd_attempt(ctx) == 0)
        return stepd_error(ctx, "Busy", "not yet");
    stepd_pack(ctx, stepd_output(ctx), event->data);
    return STEPD_OK;
}

STEPD_MODULE(.name = "ticking",
             .functions = STEPD_FUNCTIONS(
                 STEPD_FUNCTION(.id = "report", .cron = STEPD_CRONS("TZ=Europe/Berlin 30 2 * * *"), .run = report, .retries = 1),
                 STEPD_FUNCTION(.id = "rare", .event = "no/one", .cron = STEPD_CRONS("@hourly", "0 12 * * *"), .run = report,
                                .rate_limit = { .limit = 1, .period_ms = 86400000 }, .singleton = { .mode = STEPD_SINGLETON_SKIP },
                                .debounce = { .period_ms = 3600000 })));

static struct stepd_test *test;

static void setup(void)
{
    test = stepd_test_create(&stepd_module);
}

static void teardown(void)
{
    stepd_test_destroy(test);
}

TestSuite(tick, .init = setup, .fini = teardown, .timeout = 60);

/* 30 2 in Berlin: 01:30 UTC in winter, 00:30 in summer; the instant after the gap in the night between. */
static bool is_half_past_two(int64_t at_ms)
{
    int64_t of_day_ms = at_ms % 86400000;

    return of_day_ms == 5400000 || of_day_ms == 1800000 || of_day_ms == 3600000;
}

Test(tick, moves_the_clock_to_the_next_one)
{
    int64_t began_ms = stepd_test_now_ms(test), before_ms = began_ms;
    char wanted[160];

    for (int i = 0; i < 400; i++) {
        struct stepd_test_run *run = stepd_test_tick(test, "report");
        int64_t at_ms = stepd_test_now_ms(test);
        cr_assert_not_null(run);
        cr_assert(is_half_past_two(at_ms), "%lld", (long long)at_ms);
        cr_assert(at_ms > before_ms && at_ms - before_ms < 2 * INT64_C(86400000));
        cr_assert_eq(stepd_test_finish(run), STEPD_TEST_COMPLETED);
        (void)snprintf(wanted, sizeof(wanted), "{\"cron\":\"TZ=Europe/Berlin 30 2 * * *\",\"scheduled_ms\":%lld}", (long long)at_ms);
        cr_assert(stepd_test_equals(stepd_test_output(run), wanted), "%s", stepd_test_output_json(run));
        before_ms = at_ms;
    }
    cr_assert_gt(before_ms - began_ms, 398 * INT64_C(86400000));
    cr_assert_eq(stepd_test_run_count(test), 400);
}

Test(tick, has_an_id_of_its_instant)
{
    struct stepd_test_run *first = stepd_test_tick(test, "report"), *second = stepd_test_tick(test, "report");

    cr_assert_str_neq(stepd_test_run_id(first), stepd_test_run_id(second));
}

Test(tick, is_dropped_by_nothing)
{
    for (int i = 0; i < 3; i++) {
        struct stepd_test_run *run = stepd_test_tick(test, "rare");
        cr_assert_eq(stepd_test_status(run), STEPD_TEST_READY, "%s", stepd_test_status_name(stepd_test_status(run)));
    }
}
