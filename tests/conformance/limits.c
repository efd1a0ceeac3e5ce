/* SPDX-License-Identifier: Apache-2.0 */
/* What a run may not grow past: it fails then, without a retry, with the limit's name. */
#include "scenario.h"

#define RESULT_LIMIT 65536
#define STATE_LIMIT (4 * RESULT_LIMIT)

static enum stepd_status nothing(struct stepd_ctx *ctx, const void *arg)
{
    (void)ctx;
    (void)arg;
    return STEPD_OK;
}

static enum stepd_status too_many_steps(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    for (int i = 0; i < 1001; i++)
        STEPD_TRY(stepd_step_run(ctx, "same", nothing, NULL, NULL));
    return STEPD_OK;
}

static void pack_zeros(struct stepd_ctx *ctx, size_t size)
{
    static const char zeros[RESULT_LIMIT + 1];

    msgpack_pack_bin_with_body(stepd_output(ctx), zeros, size);
}

static enum stepd_status large(struct stepd_ctx *ctx, const void *arg)
{
    pack_zeros(ctx, *(const size_t *)arg);
    return STEPD_OK;
}

static enum stepd_status too_large_a_result(struct stepd_ctx *ctx)
{
    static const size_t size = RESULT_LIMIT + 1;

    trace(ctx, "function", "%s", "");
    enum stepd_status status = stepd_step_run(ctx, "large", large, &size, NULL);
    if (status == STEPD_FAILED)
        trace(ctx, "handled", "%s", "a limit is for no function to handle");
    return status;
}

static enum stepd_status too_large_an_output(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    pack_zeros(ctx, RESULT_LIMIT + 1);
    return STEPD_OK;
}

static enum stepd_status too_large_a_state(struct stepd_ctx *ctx)
{
    static const size_t size = RESULT_LIMIT / 2;

    trace(ctx, "function", "%s", "");
    for (int i = 0; i < 2 * STATE_LIMIT / RESULT_LIMIT; i++)
        STEPD_TRY(stepd_step_run(ctx, "half", large, &size, NULL));
    return STEPD_OK;
}

/* Room for less than the checkpoint of a step whose id has 200 bytes: what is kept of a step named "s" takes 24 to 26
 * bytes beside its result, and a result's head 5. */
static enum stepd_status fill_state(struct stepd_ctx *ctx)
{
    static const size_t sizes[] = { RESULT_LIMIT - 5, RESULT_LIMIT - 5, RESULT_LIMIT - 5, RESULT_LIMIT - 5 - 200 };

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        STEPD_TRY(stepd_step_run(ctx, "s", large, &sizes[i], NULL));
    return STEPD_OK;
}

#define TEN_BYTES "0123456789"
#define LONG_ID \
    TEN_BYTES TEN_BYTES TEN_BYTES TEN_BYTES TEN_BYTES TEN_BYTES TEN_BYTES TEN_BYTES TEN_BYTES TEN_BYTES TEN_BYTES TEN_BYTES TEN_BYTES \
        TEN_BYTES TEN_BYTES TEN_BYTES TEN_BYTES TEN_BYTES TEN_BYTES TEN_BYTES

static enum stepd_status no_room_to_sleep(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    STEPD_TRY(fill_state(ctx));
    return stepd_sleep(ctx, LONG_ID, 10);
}

static enum stepd_status hang(struct stepd_ctx *ctx, const void *arg)
{
    const struct timespec pause = { .tv_nsec = 2000000 };

    (void)arg;
    trace(ctx, "step", "%s", "");
    while (!stepd_is_cancelled(ctx))
        (void)nanosleep(&pause, NULL);
    return STEPD_OK;
}

static enum stepd_status no_room_for_a_timeout(struct stepd_ctx *ctx)
{
    static const struct stepd_policy policy = { .retries = 0, .timeout_ms = 100 };

    trace(ctx, "function", "%s", "");
    STEPD_TRY(fill_state(ctx));
    return stepd_step_run_with(ctx, &policy, LONG_ID, hang, NULL, NULL);
}

static enum stepd_status fill_and_fail(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    STEPD_TRY(fill_state(ctx));
    return stepd_non_retriable(ctx, "Hopeless", "of no use");
}

static enum stepd_status sleep_in_on_failure(struct stepd_ctx *ctx)
{
    trace(ctx, "on_failure", "%s", "");
    return stepd_sleep(ctx, LONG_ID, 10);
}

static enum stepd_status nested(struct stepd_ctx *ctx, const void *arg)
{
    for (int i = *(const int *)arg; i > 0; i--)
        msgpack_pack_array(stepd_output(ctx), 1);
    msgpack_pack_nil(stepd_output(ctx));
    return STEPD_OK;
}

static enum stepd_status too_deep_a_result(struct stepd_ctx *ctx)
{
    static const int allowed = 64, refused = 65;

    trace(ctx, "function", "%s", "");
    STEPD_TRY(stepd_step_run(ctx, "deep", nested, &allowed, NULL));
    return stepd_step_run(ctx, "deeper", nested, &refused, NULL);
}

static enum stepd_status two_results(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    msgpack_pack_int(stepd_output(ctx), 1);
    msgpack_pack_int(stepd_output(ctx), 2);
    return STEPD_OK;
}

STEPD_MODULE(.name = "limits", .functions = STEPD_FUNCTIONS(FUNCTION("a-run-has-no-more-steps-than-its-limit", .run = too_many_steps),
                                                            FUNCTION("a-steps-result-has-a-limit", .run = too_large_a_result),
                                                            FUNCTION("a-functions-output-has-a-limit", .run = too_large_an_output),
                                                            FUNCTION("a-runs-state-has-a-limit", .run = too_large_a_state),
                                                            FUNCTION("a-runs-state-has-a-limit-for-a-sleep-too", .run = no_room_to_sleep),
                                                            FUNCTION("a-runs-state-has-a-limit-for-a-step-past-its-timeout-too",
                                                                     .run = no_room_for_a_timeout),
                                                            FUNCTION("a-runs-state-has-a-limit-in-on-failure-too", .run = fill_and_fail,
                                                                     .on_failure = sleep_in_on_failure),
                                                            FUNCTION("results-nest-64-levels-and-no-more", .run = too_deep_a_result),
                                                            FUNCTION("a-result-is-one-object", .run = two_results)));

const struct scenario scenarios[] = {
    { .name = "a-run-has-no-more-steps-than-its-limit",
      .trace = LINES("function 0/5"),
      .status = "failed",
      .error = "StepLimit: limits.steps: step 'same:1000' would be more than 1000 in one run" },
    { .name = "a-steps-result-has-a-limit",
      .trace = LINES("function 0/5"),
      .status = "failed",
      .error = "ResultLimit: limits.result: a result of 65542 bytes, more than 65536" },
    { .name = "a-functions-output-has-a-limit",
      .trace = LINES("function 0/5"),
      .status = "failed",
      .error = "ResultLimit: limits.result: a result of 65542 bytes, more than 65536" },
    { .name = "a-runs-state-has-a-limit",
      .trace = LINES("function 0/5"),
      .status = "failed",
      .error = "StateLimit: limits.state: the run's results would take more room than it has" },
    { .name = "a-runs-state-has-a-limit-for-a-sleep-too",
      .trace = LINES("function 0/5"),
      .status = "failed",
      .error = "StateLimit: limits.state: the run's results would take more room than it has",
      .letters = LINES("StateLimit 1") },
    { .name = "a-runs-state-has-a-limit-for-a-step-past-its-timeout-too",
      .trace = LINES("function 0/5", "step 0/1"),
      .status = "failed",
      .error = "StateLimit: limits.state: the run's results would take more room than it has",
      .letters = LINES("StateLimit 1") },
    { .name = "a-runs-state-has-a-limit-in-on-failure-too",
      .trace = LINES("function 0/5", "on_failure 0/5"),
      .status = "failed",
      .error = "Hopeless: of no use",
      .letters = LINES("Hopeless 1") },
    { .name = "results-nest-64-levels-and-no-more",
      .trace = LINES("function 0/5"),
      .status = "failed",
      .error = "NestingLimit: the result is nested deeper than 64 levels" },
    { .name = "a-result-is-one-object",
      .trace = LINES("function 0/5"),
      .status = "failed",
      .error = "InvalidOutput: the result is more than one object" },
    { .name = NULL },
};
