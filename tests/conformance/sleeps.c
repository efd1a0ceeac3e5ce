/* SPDX-License-Identifier: Apache-2.0 */
/* Sleeping: no thread is held, no attempt is counted. */
#include "scenario.h"

static enum stepd_status naps(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    STEPD_TRY(stepd_sleep(ctx, "nap", 200));
    STEPD_TRY(stepd_sleep(ctx, "nap", 300));
    trace(ctx, "behind", "%s", "");
    return STEPD_OK;
}

static enum stepd_status sleeps_until(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    STEPD_TRY(stepd_sleep_until(ctx, "until", stepd_event(ctx)->ts_ms + 400));
    trace(ctx, "behind", "%s", "");
    return STEPD_OK;
}

static enum stepd_status sleeps_until_yesterday(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    STEPD_TRY(stepd_sleep_until(ctx, "until", stepd_event(ctx)->ts_ms - 86400000));
    STEPD_TRY(stepd_sleep(ctx, "none", 0));
    STEPD_TRY(stepd_sleep(ctx, "less", -5));
    trace(ctx, "behind", "%s", "");
    return STEPD_OK;
}

static enum stepd_status fails_around_a_sleep(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", stepd_step_count(ctx) > 0 ? "slept" : "");
    if (stepd_step_count(ctx) == 0 && stepd_attempt(ctx) == 0)
        return stepd_error(ctx, "Early", "before the sleep");
    STEPD_TRY(stepd_sleep(ctx, "nap", 50));
    return stepd_attempt(ctx) == 0 ? stepd_error(ctx, "Late", "after the sleep") : STEPD_OK;
}

static enum stepd_status sleeps_between_steps(struct stepd_ctx *ctx)
{
    STEPD_TRY(STEP(ctx, "before", .where = "before"));
    STEPD_TRY(stepd_sleep(ctx, "nap", 100));
    return STEP(ctx, "after", .where = "after", .failures = 1);
}

STEPD_MODULE(.name = "sleeps",
             .functions = STEPD_FUNCTIONS(FUNCTION("a-sleep-ends-at-its-time", .run = naps),
                                          FUNCTION("a-sleep-until-ends-then", .run = sleeps_until),
                                          FUNCTION("a-sleep-whose-time-is-over-goes-on-at-once", .run = sleeps_until_yesterday),
                                          FUNCTION("a-sleep-is-no-attempt", .run = fails_around_a_sleep),
                                          FUNCTION("steps-go-on-behind-a-sleep", .run = sleeps_between_steps)));

const struct scenario scenarios[] = {
    { .name = "a-sleep-ends-at-its-time",
      .trace = LINES("function 0/5", "function 0/5", "function 0/5", "behind 0/5"),
      .times = LINES("0", "200", "500", "500"),
      .status = "completed",
      .steps = LINES("nap completed 1 null", "nap:1 completed 1 null") },
    { .name = "a-sleep-until-ends-then",
      .trace = LINES("function 0/5", "function 0/5", "behind 0/5"),
      .times = LINES("0", "400", "400"),
      .status = "completed" },
    { .name = "a-sleep-whose-time-is-over-goes-on-at-once",
      .trace = LINES("function 0/5", "behind 0/5"),
      .status = "completed",
      .steps = LINES("until completed 1 null", "none completed 1 null", "less completed 1 null") },
    { .name = "a-sleep-is-no-attempt",
      .trace = LINES("function 0/5", "function 1/5", "function 0/5 slept", "function 1/5 slept"),
      .status = "completed" },
    { .name = "steps-go-on-behind-a-sleep",
      .trace = LINES("before 0/5", "after 0/5", "after 1/5"),
      .status = "completed",
      .steps = LINES("before completed 1 0", "nap completed 1 null", "after completed 2 0") },
    { .name = NULL },
};
