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

STEPD_MODULE(
    .name = "limits",
    .functions = STEPD_FUNCTIONS(
        FUNCTION("a-run-has-no-more-steps-than-its-limit", .run = too_many_steps),
        FUNCTION("a-steps-result-has-a-limit", .run = too_large_a_result),
        FUNCTION("a-functions-output-has-a-limit", .run = too_large_an_output),
        FUNCTION("a-runs-state-has-a-limit", .run = too_large_a_state),
        FUNCTION("results-nest-64-levels-and-no-more", .run = too_deep_a_result),
        FUNCTION("a-result-is-one-object", .run = two_results)));

const struct scenario scenarios[] = {
    { .name = "a-run-has-no-more-steps-than-its-limit", .trace = LINES("function 0/5"), .status = "failed",
      .error = "StepLimit: limits.steps: step 'same:1000' would be more than 1000 in one run" },
    { .name = "a-steps-result-has-a-limit", .trace = LINES("function 0/5"), .status = "failed",
      .error = "ResultLimit: limits.result: a result of 65542 bytes, more than 65536" },
    { .name = "a-functions-output-has-a-limit", .trace = LINES("function 0/5"), .status = "failed",
      .error = "ResultLimit: limits.result: a result of 65542 bytes, more than 65536" },
    { .name = "a-runs-state-has-a-limit", .trace = LINES("function 0/5"), .status = "failed",
      .error = "StateLimit: limits.state: the run's results would take more room than it has" },
    { .name = "results-nest-64-levels-and-no-more", .trace = LINES("function 0/5"), .status = "failed",
      .error = "NestingLimit: the result is nested deeper than 64 levels" },
    { .name = "a-result-is-one-object", .trace = LINES("function 0/5"), .status = "failed",
      .error = "InvalidOutput: the result is more than one object" },
    { .name = NULL },
};
