/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers that crash or hang, and daemons that die. */
#include "scenario.h"

static enum stepd_status crashes_once(struct stepd_ctx *ctx)
{
    const struct stepd_error *last = stepd_last_error(ctx);

    trace(ctx, "function", "%s", last != NULL ? last->name : "");
    if (stepd_attempt(ctx) == 0)
        abort();
    return STEPD_OK;
}

static enum stepd_status crashes_always(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    (void)raise(SIGSEGV);
    return STEPD_OK;
}

static enum stepd_status crash(struct stepd_ctx *ctx, const void *arg)
{
    (void)arg;
    trace(ctx, "step", "%s", "");
    if (stepd_attempt(ctx) == 0)
        (void)raise(SIGSEGV);
    return STEPD_OK;
}

static enum stepd_status crashes_in_a_step(struct stepd_ctx *ctx)
{
    STEPD_TRY(STEP(ctx, "done", .where = "done"));
    return stepd_step_run(ctx, "crash", crash, NULL, NULL);
}

/* ---- timeouts -------------------------------------------------------------------------------------- */

static void hang(struct stepd_ctx *ctx)
{
    const struct timespec pause = { .tv_nsec = 2000000 };

    while (!stepd_is_cancelled(ctx))
        (void)nanosleep(&pause, NULL);
}

static enum stepd_status hangs_once(struct stepd_ctx *ctx)
{
    const struct stepd_error *last = stepd_last_error(ctx);

    trace(ctx, "function", "%s", last != NULL ? last->name : "");
    if (stepd_attempt(ctx) > 0)
        return STEPD_OK;
    hang(ctx);
    output_text(ctx, "late");
    return STEPD_OK;
}

static enum stepd_status hang_once(struct stepd_ctx *ctx, const void *arg)
{
    (void)arg;
    trace(ctx, "step", "%s", "");
    if (stepd_attempt(ctx) == 0)
        hang(ctx);
    msgpack_pack_int(stepd_output(ctx), stepd_attempt(ctx));
    return STEPD_OK;
}

static enum stepd_status hangs_in_a_step(struct stepd_ctx *ctx)
{
    static const struct stepd_policy policy = { .retries = 1, .timeout_ms = 100 };

    trace(ctx, "function", "%s", "");
    return stepd_step_run_with(ctx, &policy, "hang", hang_once, NULL, NULL);
}

static enum stepd_status hang_always(struct stepd_ctx *ctx, const void *arg)
{
    (void)arg;
    trace(ctx, "step", "%s", "");
    hang(ctx);
    return STEPD_OK;
}

static enum stepd_status handles_a_hang(struct stepd_ctx *ctx)
{
    static const struct stepd_policy policy = { .retries = 0, .timeout_ms = 100 };

    enum stepd_status status = stepd_step_run_with(ctx, &policy, "hang", hang_always, NULL, NULL);
    if (status == STEPD_FAILED)
        trace(ctx, "handled", "%s of %s", stepd_last_error(ctx)->name, stepd_last_error(ctx)->step_id);
    return status == STEPD_FAILED ? STEPD_OK : status;
}

/* ---- a daemon that dies: no attempt ------------------------------------------------------------------ */

static enum stepd_status do_last_work(struct stepd_ctx *ctx, const void *arg)
{
    trace(ctx, "step", "%s", "");
    msgpack_pack_int(stepd_output(ctx), *(const int *)arg);
    die_here(ctx);
    return STEPD_OK;
}

static enum stepd_status dies_before_a_checkpoint(struct stepd_ctx *ctx)
{
    static const int answer = 7;

    trace(ctx, "function", "%s", "");
    STEPD_TRY(STEP(ctx, "done", .where = "done"));
    STEPD_TRY(stepd_step_run(ctx, "last", do_last_work, &answer, NULL));
    trace(ctx, "end", "%s", "");
    return STEPD_OK;
}

static enum stepd_status dies_after_a_checkpoint(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    STEPD_TRY(STEP(ctx, "done", .where = "done"));
    die_here(ctx);
    return STEP(ctx, "next", .where = "next", .failures = 1);
}

static enum stepd_status dies_in_a_step_that_runs_once(struct stepd_ctx *ctx)
{
    static const struct stepd_policy once = { .retries = 4, .at_most_once = true };
    static const int answer = 7;

    enum stepd_status status = stepd_step_run_with(ctx, &once, "once", do_last_work, &answer, NULL);
    if (status == STEPD_FAILED) {
        trace(ctx, "handled", "%s of %s", stepd_last_error(ctx)->name, stepd_last_error(ctx)->step_id);
        return STEPD_OK;
    }
    return status;
}

static enum stepd_status fails_in_a_step_that_runs_once(struct stepd_ctx *ctx)
{
    static const struct stepd_policy once = { .retries = 2, .at_most_once = true };
    static const struct work work = { .where = "step", .failures = 1, .answer = 1 };

    return stepd_step_run_with(ctx, &once, "once", do_work, &work, NULL);
}

STEPD_MODULE(.name = "crashes",
             .functions = STEPD_FUNCTIONS(FUNCTION("a-crash-is-a-failed-attempt", .run = crashes_once),
                                          FUNCTION("a-handler-that-always-crashes-ends-as-a-dead-letter", .run = crashes_always,
                                                   .retries = 1),
                                          FUNCTION("a-crash-in-a-step-is-a-failed-attempt-of-the-step", .run = crashes_in_a_step),
                                          FUNCTION("a-handler-past-its-timeout-has-failed", .run = hangs_once, .timeout_ms = 100),
                                          FUNCTION("a-step-past-its-timeout-has-failed", .run = hangs_in_a_step),
                                          FUNCTION("a-steps-last-timeout-can-be-handled", .run = handles_a_hang),
                                          FUNCTION("a-step-that-was-not-recorded-runs-again", .run = dies_before_a_checkpoint),
                                          FUNCTION("a-step-that-was-recorded-does-not-run-again", .run = dies_after_a_checkpoint),
                                          FUNCTION("at-most-once-never-runs-twice", .run = dies_in_a_step_that_runs_once),
                                          FUNCTION("at-most-once-may-fail-and-be-retried", .run = fails_in_a_step_that_runs_once)));

const struct scenario scenarios[] = {
    { .name = "a-crash-is-a-failed-attempt", .trace = LINES("function 0/5", "function 1/5 HandlerCrashed"), .status = "completed" },
    { .name = "a-handler-that-always-crashes-ends-as-a-dead-letter",
      .trace = LINES("function 0/2", "function 1/2"),
      .status = "failed",
      .letters = LINES("HandlerCrashed 2"),
      .error = "HandlerCrashed" },
    { .name = "a-crash-in-a-step-is-a-failed-attempt-of-the-step",
      .trace = LINES("done 0/5", "step 0/5", "step 1/5"),
      .status = "completed",
      .steps = LINES("done completed 1 0", "crash completed 2 null") },
    { .name = "a-handler-past-its-timeout-has-failed",
      .trace = LINES("function 0/5", "function 1/5 HandlerTimeout"),
      .status = "completed",
      .output = "null" },
    { .name = "a-step-past-its-timeout-has-failed",
      .trace = LINES("function 0/5", "step 0/2", "function 1/5", "step 1/2"),
      .status = "completed",
      .steps = LINES("hang completed 2 1") },
    { .name = "a-steps-last-timeout-can-be-handled",
      .trace = LINES("step 0/1", "handled 0/5 HandlerTimeout of hang"),
      .status = "completed",
      .steps = LINES("hang failed 1 HandlerTimeout") },
    { .name = "a-step-that-was-not-recorded-runs-again",
      .dies_before = "last",
      .trace = LINES("function 0/5", "done 0/5", "step 0/5", "function 0/5", "step 0/5", "end 0/5"),
      .status = "completed",
      .steps = LINES("done completed 1 0", "last completed 1 7") },
    { .name = "a-step-that-was-recorded-does-not-run-again",
      .dies_after = "done",
      .trace = LINES("function 0/5", "done 0/5", "function 0/5", "next 0/5", "function 1/5", "next 1/5"),
      .status = "completed",
      .steps = LINES("done completed 1 0", "next completed 2 0") },
    { .name = "at-most-once-never-runs-twice",
      .dies_before = "once",
      .trace = LINES("step 0/5", "handled 0/5 OutcomeUnknown of once"),
      .status = "completed",
      .steps = LINES("once failed 1 OutcomeUnknown") },
    { .name = "at-most-once-may-fail-and-be-retried",
      .trace = LINES("step 0/3", "step 1/3"),
      .status = "completed",
      .steps = LINES("once completed 2 1") },
    { .name = NULL },
};
