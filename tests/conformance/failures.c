/* SPDX-License-Identifier: Apache-2.0 */
/* Runs that fail for good: on_failure, dead letters, stepd/function.failed, and what a person does then. */
#include "scenario.h"

static enum stepd_status fails(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    return stepd_error(ctx, "Boom", "attempt %d", stepd_attempt(ctx));
}

static enum stepd_status fails_for_good(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    return stepd_non_retriable(ctx, "Hopeless", "no use");
}

static enum stepd_status mourns(struct stepd_ctx *ctx)
{
    const struct stepd_error *error = stepd_last_error(ctx);
    const struct stepd_event *event = stepd_event(ctx);

    trace(ctx, "on_failure", "%s: %s, attempt %d, n=%d", error->name, error->message, error->attempt,
          (int)stepd_get_int(ctx, event->data, "n", -1));
    return STEPD_OK;
}

static enum stepd_status mourns_at_the_third_attempt(struct stepd_ctx *ctx)
{
    trace(ctx, "on_failure", "%s", stepd_last_error(ctx)->name);
    return stepd_attempt(ctx) < 2 ? stepd_error(ctx, "Sad", "attempt %d", stepd_attempt(ctx)) : STEPD_OK;
}

static enum stepd_status never_recovers(struct stepd_ctx *ctx)
{
    trace(ctx, "on_failure", "%s", stepd_last_error(ctx)->name);
    return stepd_error(ctx, "Sad", "attempt %d", stepd_attempt(ctx));
}

static enum stepd_status fails_behind_a_step(struct stepd_ctx *ctx)
{
    STEPD_TRY(STEP(ctx, "same", .where = "function's", .answer = 1));
    return stepd_non_retriable(ctx, "Hopeless", "no use");
}

static enum stepd_status mourns_in_steps(struct stepd_ctx *ctx)
{
    trace(ctx, "on_failure", "%d steps, the first is %s=%d", (int)stepd_step_count(ctx), stepd_step_at(ctx, 0)->id,
          (int)stepd_step_at(ctx, 0)->value->via.i64);
    STEPD_TRY(STEP(ctx, "same", .where = "on_failure's", .answer = 2, .failures = 1));
    STEPD_TRY(stepd_sleep(ctx, "nap", 10));
    trace(ctx, "end", "%d steps, after %s", (int)stepd_step_count(ctx), stepd_last_error(ctx)->name);
    return STEPD_OK;
}

/* ---- what others hear of it ------------------------------------------------------------------------ */

static enum stepd_status hears_of_failures(struct stepd_ctx *ctx)
{
    const msgpack_object *data = stepd_event(ctx)->data;
    const char *function = stepd_get_str(ctx, data, "function_id", "?");

    if (strcmp(function, "a-failed-run-is-told") != 0)
        return STEPD_OK;
    trace_as(ctx, function, "listener|heard", "%s: %s of %s, n=%d, run %s", stepd_get_str(ctx, data, "error.name", "?"),
             stepd_get_str(ctx, data, "error.message", "?"), stepd_get_str(ctx, data, "event.name", "?"),
             (int)stepd_get_int(ctx, data, "event.data.n", -1), stepd_get_str(ctx, data, "run_id", NULL) != NULL ? "known" : "?");
    return STEPD_OK;
}

/* ---- what a person does ---------------------------------------------------------------------------- */

static enum stepd_status fails_until_it_is_retried(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    STEPD_TRY(STEP(ctx, "done", .where = "done"));
    if (is_first_time(ctx, "failure"))
        return stepd_non_retriable(ctx, "Hopeless", "until somebody mends it");
    return STEPD_OK;
}

static enum stepd_status fails_until_it_works(struct stepd_ctx *ctx, const void *arg)
{
    (void)arg;
    trace(ctx, "step", "%s", "");
    return is_first_time(ctx, "failure") ? stepd_non_retriable(ctx, "Hopeless", "until somebody mends it") : STEPD_OK;
}

static enum stepd_status its_step_fails_until_it_is_retried(struct stepd_ctx *ctx)
{
    STEPD_TRY(STEP(ctx, "done", .where = "done"));
    return stepd_step_run(ctx, "mended", fails_until_it_works, NULL, NULL);
}

static enum stepd_status sleeps_for_a_year(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    STEPD_TRY(stepd_sleep(ctx, "year", INT64_C(365) * 86400000));
    trace(ctx, "never", "%s", "");
    return STEPD_OK;
}

STEPD_MODULE(.name = "failures",
             .functions = STEPD_FUNCTIONS(
                 FUNCTION("on-failure-runs-once-the-run-has-failed", .run = fails, .on_failure = mourns, .retries = 1),
                 FUNCTION("on-failure-runs-after-a-non-retriable-error", .run = fails_for_good, .on_failure = mourns),
                 FUNCTION("on-failure-has-retries-of-its-own", .run = fails, .on_failure = mourns_at_the_third_attempt, .retries = 2),
                 FUNCTION("on-failure-that-fails-leaves-the-run-failed", .run = fails, .on_failure = never_recovers, .retries = 1),
                 FUNCTION("on-failure-has-steps-of-its-own", .run = fails_behind_a_step, .on_failure = mourns_in_steps),
                 FUNCTION("a-failed-run-is-told", .run = fails_for_good),
                 STEPD_FUNCTION(.id = "listener", .event = "stepd/function.failed", .run = hears_of_failures),
                 FUNCTION("a-failed-run-can-be-retried", .run = fails_until_it_is_retried),
                 FUNCTION("a-failed-step-runs-again-when-its-run-is-retried", .run = its_step_fails_until_it_is_retried),
                 FUNCTION("a-run-can-be-cancelled", .run = sleeps_for_a_year)));

const struct scenario scenarios[] = {
    { .name = "on-failure-runs-once-the-run-has-failed",
      .events = EVENTS({ .data = "{\"n\": 7}" }),
      .trace = LINES("function 0/2", "function 1/2", "on_failure 0/2 Boom: attempt 1, attempt 1, n=7"),
      .status = "failed",
      .error = "Boom: attempt 1",
      .letters = LINES("Boom 2") },
    { .name = "on-failure-runs-after-a-non-retriable-error",
      .trace = LINES("function 0/5", "on_failure 0/5 Hopeless: no use, attempt 0, n=-1"),
      .status = "failed",
      .error = "Hopeless: no use",
      .letters = LINES("Hopeless 1") },
    { .name = "on-failure-has-retries-of-its-own",
      .trace = LINES("function 0/3", "function 1/3", "function 2/3", "on_failure 0/3 Boom", "on_failure 1/3 Boom", "on_failure 2/3 Boom"),
      .status = "failed",
      .error = "Boom: attempt 2",
      .letters = LINES("Boom 3") },
    { .name = "on-failure-that-fails-leaves-the-run-failed",
      .trace = LINES("function 0/2", "function 1/2", "on_failure 0/2 Boom", "on_failure 1/2 Boom"),
      .status = "failed",
      .error = "Boom: attempt 1",
      .letters = LINES("Boom 2") },
    { .name = "on-failure-has-steps-of-its-own",
      .trace = LINES("function's 0/5", "on_failure 0/5 1 steps, the first is same=1", "on_failure's 0/5",
                     "on_failure 1/5 1 steps, the first is same=1", "on_failure's 1/5", "on_failure 0/5 3 steps, the first is same=1",
                     "end 0/5 3 steps, after Hopeless"),
      .status = "failed",
      .error = "Hopeless: no use",
      .steps = LINES("same completed 1 1", "same completed 2 2", "nap completed 1 null") },
    { .name = "a-failed-run-is-told",
      .events = EVENTS({ .data = "{\"n\": 8}" }),
      .trace = LINES("function 0/5", "listener|heard 0/5 Hopeless: no use of conformance/a-failed-run-is-told, n=8, run known"),
      .status = "failed",
      .error = "Hopeless: no use",
      .letters = LINES("Hopeless 1") },
    { .name = "a-failed-run-can-be-retried",
      .act = ACT_RETRY,
      .trace = LINES("function 0/5", "done 0/5", "function 0/5"),
      .status = "completed",
      .letters = LINES("Hopeless 1"),
      .steps = LINES("done completed 1 0") },
    { .name = "a-failed-step-runs-again-when-its-run-is-retried",
      .act = ACT_RETRY,
      .trace = LINES("done 0/5", "step 0/5", "step 0/5"),
      .status = "completed",
      .letters = LINES("Hopeless 1") },
    { .name = "a-run-can-be-cancelled", .act = ACT_CANCEL, .trace = LINES("function 0/5"), .status = "cancelled", .letters = LINES(NULL) },
    { .name = NULL },
};
