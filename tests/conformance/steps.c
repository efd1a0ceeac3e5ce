/* SPDX-License-Identifier: Apache-2.0 */
/* Steps that succeed, fail, are retried alone, and are never done twice. */
#include "scenario.h"

static enum stepd_status one_flaky_step(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    STEPD_TRY(STEP(ctx, "before", .where = "before"));
    STEPD_TRY(STEP(ctx, "flaky", .where = "flaky", .failures = 2));
    trace(ctx, "behind", "%s", "");
    return STEPD_OK;
}

static enum stepd_status errors_add_up(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    STEPD_TRY(STEP(ctx, "flaky", .where = "flaky", .failures = 2));
    trace(ctx, "behind", "%s", "");
    if (stepd_attempt(ctx) == 0)
        return stepd_error(ctx, "Function", "once");
    STEPD_TRY(STEP(ctx, "next", .where = "next"));
    trace(ctx, "end", "%s", "");
    return STEPD_OK;
}

static enum stepd_status fails_after_steps(struct stepd_ctx *ctx)
{
    const msgpack_object *answer = NULL;
    const struct work work = { .where = "step", .answer = 7 };

    trace(ctx, "function", "%s", "");
    STEPD_TRY(stepd_step_run(ctx, "step", do_work, &work, &answer));
    trace(ctx, "behind", "%d", (int)answer->via.i64);
    if (stepd_attempt(ctx) < 2)
        return stepd_error(ctx, "Function", "attempt %d", stepd_attempt(ctx));
    msgpack_pack_object(stepd_output(ctx), *answer);
    return STEPD_OK;
}

/* ---- a step's last failure ------------------------------------------------------------------------ */

static enum stepd_status returns_what_the_step_said(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    enum stepd_status status = STEP(ctx, "fails", .where = "fails", .failures = 1000);
    if (status == STEPD_FAILED)
        trace(ctx, "behind", "%s: %s", stepd_last_error(ctx)->name, stepd_last_error(ctx)->message);
    return status;
}

static enum stepd_status handles_a_failure(struct stepd_ctx *ctx)
{
    static const struct stepd_policy twice = { .retries = 1 };
    static const struct work fails = { .where = "fails", .failures = 1000 };

    trace(ctx, "function", "%s", "");
    enum stepd_status status = stepd_step_run_with(ctx, &twice, "fails", do_work, &fails, NULL);
    if (status == STEPD_SUSPENDED)
        return status;
    trace(ctx, "handled", "%s of %s", stepd_last_error(ctx)->name, stepd_last_error(ctx)->step_id);
    STEPD_TRY(STEP(ctx, "flaky", .where = "flaky", .failures = 1));
    output_text(ctx, "handled");
    return STEPD_OK;
}

static enum stepd_status wraps_a_failure(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    enum stepd_status status = STEP(ctx, "hopeless", .where = "hopeless", .failures = 1000, .is_non_retriable = true);
    return status == STEPD_FAILED ? stepd_error(ctx, "Wrapped", "attempt %d", stepd_attempt(ctx)) : status;
}

static enum stepd_status rolls_back_and_returns_it(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    enum stepd_status status = STEP(ctx, "hopeless", .where = "hopeless", .failures = 1000, .is_non_retriable = true);
    if (status != STEPD_FAILED)
        return status;
    STEPD_TRY(STEP(ctx, "roll-back", .where = "roll-back", .failures = 1));
    return status;
}

static enum stepd_status raises_and_rolls_back(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", stepd_last_error(ctx) != NULL ? stepd_last_error(ctx)->name : "");
    if (stepd_attempt(ctx) > 0)
        return STEPD_OK;
    enum stepd_status status = stepd_error(ctx, "Mine", "raised before the step");
    STEPD_TRY(STEP(ctx, "roll-back", .where = "roll-back"));
    return status;
}

static enum stepd_status gives_up_in_a_step(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    return STEP(ctx, "hopeless", .where = "hopeless", .failures = 1000, .is_non_retriable = true);
}

/* ---- when, and how often -------------------------------------------------------------------------- */

static enum stepd_status busy_once(struct stepd_ctx *ctx, const void *arg)
{
    (void)arg;
    trace(ctx, "busy", "%s", "");
    return stepd_attempt(ctx) == 0 ? stepd_retry_after(ctx, 100, "Busy", "later") : STEPD_OK;
}

static enum stepd_status one_busy_step(struct stepd_ctx *ctx)
{
    return stepd_step_run(ctx, "busy", busy_once, NULL, NULL);
}

static enum stepd_status always_busy(struct stepd_ctx *ctx, const void *arg)
{
    (void)arg;
    trace(ctx, "busy", "%s", "");
    return stepd_retry_after(ctx, 10, "Busy", "attempt %d", stepd_attempt(ctx));
}

static enum stepd_status one_step_that_stays_busy(struct stepd_ctx *ctx)
{
    static const struct stepd_policy policy = { .retries = 1 };

    return stepd_step_run_with(ctx, &policy, "busy", always_busy, NULL, NULL);
}

static enum stepd_status a_policy_of_its_own(struct stepd_ctx *ctx)
{
    const struct work work = { .where = "fails", .failures = 1000 };

    trace(ctx, "function", "%s", "");
    enum stepd_status status =
        stepd_step_run_with(ctx, &(struct stepd_policy){ .retries = 2, .backoff = STEPD_BACKOFF(50, 200) }, "fails", do_work, &work, NULL);
    return status == STEPD_FAILED ? STEPD_OK : status;
}

static enum stepd_status a_policy_without_retries(struct stepd_ctx *ctx)
{
    static const struct stepd_policy none = { .retries = 0 };
    static const struct work work = { .where = "fails", .failures = 1000 };

    return stepd_step_run_with(ctx, &none, "fails", do_work, &work, NULL);
}

/* ---- ids ------------------------------------------------------------------------------------------ */

static enum stepd_status one_id_three_times(struct stepd_ctx *ctx)
{
    STEPD_TRY(STEP(ctx, "same", .where = "first", .answer = 1));
    STEPD_TRY(STEP(ctx, "same", .where = "second", .answer = 2, .failures = 1));
    return STEP(ctx, "same", .where = "third", .answer = 3);
}

static enum stepd_status silent_number(struct stepd_ctx *ctx, const void *arg)
{
    msgpack_pack_int(stepd_output(ctx), *(const int *)arg);
    return STEPD_OK;
}

static enum stepd_status a_thousand_steps(struct stepd_ctx *ctx)
{
    int64_t sum = 0;

    for (int i = 0; i < 1000; i++) {
        const msgpack_object *number;
        STEPD_TRY(stepd_step_run(ctx, "same", silent_number, &i, &number));
        sum += number->via.i64;
    }
    trace(ctx, "function", "%d steps, the last is %s", (int)stepd_step_count(ctx), stepd_step_at(ctx, 999)->id);
    if (stepd_attempt(ctx) == 0)
        return stepd_error(ctx, "Function", "all of them from their checkpoints, please");
    msgpack_pack_int64(stepd_output(ctx), sum);
    return STEPD_OK;
}

static enum stepd_status bad_ids(struct stepd_ctx *ctx)
{
    enum stepd_status status = STEP(ctx, "", .where = "never");
    trace(ctx, "function", "%s", stepd_last_error(ctx)->name);
    return status;
}

/* ---- what is refused, and what does no harm -------------------------------------------------------- */

static enum stepd_status calls_a_step(struct stepd_ctx *ctx, const void *arg)
{
    (void)arg;
    enum stepd_status status = STEP(ctx, "inner", .where = "inner");
    trace(ctx, "outer", "%s", stepd_last_error(ctx)->name);
    return status;
}

static enum stepd_status nests(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    return stepd_step_run(ctx, "outer", calls_a_step, NULL, NULL);
}

static enum stepd_status ignores_suspension(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    (void)STEP(ctx, "flaky", .where = "flaky", .failures = 1);
    (void)STEP(ctx, "next", .where = "next");
    (void)stepd_sleep(ctx, "nap", 10);
    (void)stepd_error(ctx, "Ignored", "nobody looks at it");
    return stepd_attempt(ctx) == 0 && stepd_step_count(ctx) == 3 ? STEPD_OK : STEPD_FAILED;
}

static enum stepd_status no_result(struct stepd_ctx *ctx, const void *arg)
{
    (void)ctx;
    (void)arg;
    return STEPD_OK;
}

static enum stepd_status a_step_without_a_result(struct stepd_ctx *ctx)
{
    const msgpack_object *nothing;

    STEPD_TRY(stepd_step_run(ctx, "nothing", no_result, NULL, &nothing));
    trace(ctx, "function", "%s", nothing->type == MSGPACK_OBJECT_NIL ? "nil" : "something");
    return STEPD_OK;
}

/* ---- code that changes under a waiting run: its first attempts have the old code ------------------- */

static enum stepd_status code_that_changes(struct stepd_ctx *ctx)
{
    const bool is_new = stepd_attempt(ctx) > 0 || stepd_step_count(ctx) > 2;

    trace(ctx, "function", "%s", is_new ? "new" : "old");
    if (!is_new) {
        STEPD_TRY(STEP(ctx, "a", .where = "a"));
        STEPD_TRY(STEP(ctx, "b", .where = "b"));
        return stepd_error(ctx, "Bug", "to be mended");
    }
    STEPD_TRY(STEP(ctx, "b", .where = "b"));
    STEPD_TRY(STEP(ctx, "inserted", .where = "inserted"));
    return STEP(ctx, "a", .where = "a");
}

static enum stepd_status a_step_that_goes_away(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    if (stepd_attempt(ctx) > 0)
        return STEP(ctx, "kept", .where = "kept");
    STEPD_TRY(STEP(ctx, "gone", .where = "gone"));
    return stepd_error(ctx, "Bug", "to be mended");
}

static enum stepd_status lists_its_steps(struct stepd_ctx *ctx)
{
    static const struct stepd_policy none = { .retries = 0 };
    static const struct work fails = { .where = "fails", .failures = 1000 };

    STEPD_TRY(STEP(ctx, "works", .where = "works", .answer = 3));
    enum stepd_status status = stepd_step_run_with(ctx, &none, "fails", do_work, &fails, NULL);
    if (status == STEPD_SUSPENDED)
        return status;
    const struct stepd_step *works = stepd_step_at(ctx, 0);
    const struct stepd_step *failed = stepd_step_at(ctx, 1);
    trace(ctx, "function", "%d: %s=%d, %s: %s%s", (int)stepd_step_count(ctx), works->id, (int)works->value->via.i64, failed->id,
          failed->error->name, stepd_step_at(ctx, 2) == NULL ? "" : " and more");
    return STEPD_OK;
}

STEPD_MODULE(.name = "steps",
             .functions = STEPD_FUNCTIONS(
                 FUNCTION("a-step-is-retried-alone", .run = one_flaky_step),
                 FUNCTION("errors-of-steps-and-function-add-up", .run = errors_add_up),
                 FUNCTION("a-function-is-retried-with-its-finished-steps", .run = fails_after_steps),
                 FUNCTION("a-steps-error-that-is-returned-fails-the-run", .run = returns_what_the_step_said, .retries = 2),
                 FUNCTION("retries-0-are-one-execution-of-a-step", .run = returns_what_the_step_said, .retries = 0),
                 FUNCTION("a-steps-failure-can-be-handled", .run = handles_a_failure),
                 FUNCTION("a-wrapped-failure-retries-the-function-not-the-step", .run = wraps_a_failure, .retries = 2),
                 FUNCTION("a-steps-error-returned-after-a-roll-back-fails-the-run", .run = rolls_back_and_returns_it),
                 FUNCTION("an-error-raised-before-a-roll-back-is-the-functions", .run = raises_and_rolls_back),
                 FUNCTION("non-retriable-from-a-step-is-its-last-attempt", .run = gives_up_in_a_step),
                 FUNCTION("retry-after-from-a-step-is-exact", .run = one_busy_step, .backoff = STEPD_BACKOFF(3600000)),
                 FUNCTION("retry-after-from-a-step-adds-no-attempts", .run = one_step_that_stays_busy),
                 FUNCTION("a-step-has-a-policy-of-its-own", .run = a_policy_of_its_own),
                 FUNCTION("a-policy-without-retries-is-one-execution", .run = a_policy_without_retries),
                 FUNCTION("an-id-used-again-gets-a-number", .run = one_id_three_times),
                 FUNCTION("a-thousand-steps-in-a-loop-with-one-id", .run = a_thousand_steps),
                 FUNCTION("a-step-without-an-id-is-refused", .run = bad_ids), FUNCTION("a-step-in-a-step-is-refused", .run = nests),
                 FUNCTION("a-suspension-that-is-ignored-does-no-harm", .run = ignores_suspension),
                 FUNCTION("a-step-without-a-result-answers-nil", .run = a_step_without_a_result),
                 FUNCTION("steps-may-be-inserted-and-change-their-order", .run = code_that_changes),
                 FUNCTION("a-finished-step-that-is-gone-is-ignored", .run = a_step_that_goes_away),
                 FUNCTION("finished-steps-can-be-listed", .run = lists_its_steps)));

const struct scenario scenarios[] = {
    { .name = "a-step-is-retried-alone",
      .trace = LINES("function 0/5", "before 0/5", "flaky 0/5", "function 1/5", "flaky 1/5", "function 2/5", "flaky 2/5", "behind 0/5"),
      .status = "completed",
      .steps = LINES("before completed 1 0", "flaky completed 3 0") },
    { .name = "errors-of-steps-and-function-add-up",
      .trace = LINES("function 0/5", "flaky 0/5", "function 1/5", "flaky 1/5", "function 2/5", "flaky 2/5", "behind 0/5", "function 1/5",
                     "behind 1/5", "next 1/5", "end 0/5"),
      .status = "completed",
      .steps = LINES("flaky completed 3 0", "next completed 1 0") },
    { .name = "a-function-is-retried-with-its-finished-steps",
      .trace = LINES("function 0/5", "step 0/5", "behind 0/5 7", "function 1/5", "behind 1/5 7", "function 2/5", "behind 2/5 7"),
      .status = "completed",
      .output = "7",
      .steps = LINES("step completed 1 7") },
    { .name = "a-steps-error-that-is-returned-fails-the-run",
      .trace =
          LINES("function 0/3", "fails 0/3", "function 1/3", "fails 1/3", "function 2/3", "fails 2/3", "behind 0/3 Boom: fails, attempt 2"),
      .status = "failed",
      .error = "Boom: fails, attempt 2",
      .steps = LINES("fails failed 3 Boom"),
      .letters = LINES("Boom 3") },
    { .name = "retries-0-are-one-execution-of-a-step",
      .trace = LINES("function 0/1", "fails 0/1", "behind 0/1 Boom: fails, attempt 0"),
      .status = "failed",
      .error = "Boom: fails, attempt 0",
      .steps = LINES("fails failed 1 Boom"),
      .letters = LINES("Boom 1") },
    { .name = "a-steps-failure-can-be-handled",
      .trace = LINES("function 0/5", "fails 0/2", "function 1/5", "fails 1/2", "handled 0/5 Boom of fails", "flaky 0/5", "function 1/5",
                     "handled 1/5 Boom of fails", "flaky 1/5"),
      .status = "completed",
      .output = "\"handled\"",
      .steps = LINES("fails failed 2 Boom", "flaky completed 2 0"),
      .letters = LINES(NULL) },
    { .name = "a-wrapped-failure-retries-the-function-not-the-step",
      .trace = LINES("function 0/3", "hopeless 0/3", "function 1/3", "function 2/3"),
      .status = "failed",
      .error = "Wrapped: attempt 2",
      .steps = LINES("hopeless failed 1 Hopeless") },
    { .name = "a-steps-error-returned-after-a-roll-back-fails-the-run",
      .trace = LINES("function 0/5", "hopeless 0/5", "roll-back 0/5", "function 1/5", "roll-back 1/5"),
      .status = "failed",
      .error = "Hopeless: hopeless is of no use",
      .steps = LINES("hopeless failed 1 Hopeless", "roll-back completed 2 0") },
    { .name = "an-error-raised-before-a-roll-back-is-the-functions",
      .trace = LINES("function 0/5", "roll-back 0/5", "function 1/5 Mine"),
      .status = "completed" },
    { .name = "non-retriable-from-a-step-is-its-last-attempt",
      .trace = LINES("function 0/5", "hopeless 0/5"),
      .status = "failed",
      .error = "Hopeless: hopeless is of no use",
      .steps = LINES("hopeless failed 1 Hopeless") },
    { .name = "retry-after-from-a-step-is-exact",
      .trace = LINES("busy 0/5", "busy 1/5"),
      .times = LINES("0", "100"),
      .status = "completed" },
    { .name = "retry-after-from-a-step-adds-no-attempts",
      .trace = LINES("busy 0/2", "busy 1/2"),
      .status = "failed",
      .error = "Busy: attempt 1" },
    { .name = "a-step-has-a-policy-of-its-own",
      .trace = LINES("function 0/5", "fails 0/3", "function 1/5", "fails 1/3", "function 2/5", "fails 2/3"),
      .times = LINES("0", "0", "50", "50", "250", "250"),
      .status = "completed",
      .steps = LINES("fails failed 3 Boom") },
    { .name = "a-policy-without-retries-is-one-execution",
      .trace = LINES("fails 0/1"),
      .status = "failed",
      .error = "Boom: fails, attempt 0" },
    { .name = "an-id-used-again-gets-a-number",
      .trace = LINES("first 0/5", "second 0/5", "second 1/5", "third 0/5"),
      .status = "completed",
      .steps = LINES("same completed 1 1", "same:1 completed 2 2", "same:2 completed 1 3") },
    { .name = "a-thousand-steps-in-a-loop-with-one-id",
      .trace = LINES("function 0/5 1000 steps, the last is same:999", "function 1/5 1000 steps, the last is same:999"),
      .status = "completed",
      .output = "499500" },
    { .name = "a-step-without-an-id-is-refused",
      .trace = LINES("function 0/5 InvalidStepId"),
      .status = "failed",
      .error = "InvalidStepId: a step's id has 1 to 200 bytes" },
    { .name = "a-step-in-a-step-is-refused",
      .trace = LINES("function 0/5", "outer 0/5 NestedStep"),
      .status = "failed",
      .error = "NestedStep: step 'inner' was called inside step 'outer': steps do not nest",
      .steps = LINES("outer failed 1 NestedStep") },
    { .name = "a-suspension-that-is-ignored-does-no-harm",
      .trace = LINES("function 0/5", "flaky 0/5", "function 1/5", "flaky 1/5", "next 0/5", "function 0/5"),
      .status = "completed",
      .steps = LINES("flaky completed 2 0", "next completed 1 0", "nap completed 1 null") },
    { .name = "a-step-without-a-result-answers-nil", .trace = LINES("function 0/5 nil"), .status = "completed" },
    { .name = "steps-may-be-inserted-and-change-their-order",
      .trace = LINES("function 0/5 old", "a 0/5", "b 0/5", "function 1/5 new", "inserted 1/5"),
      .status = "completed",
      .steps = LINES("a completed 1 0", "b completed 1 0", "inserted completed 1 0") },
    { .name = "a-finished-step-that-is-gone-is-ignored",
      .trace = LINES("function 0/5", "gone 0/5", "function 1/5", "kept 1/5"),
      .status = "completed",
      .steps = LINES("gone completed 1 0", "kept completed 1 0") },
    { .name = "finished-steps-can-be-listed",
      .trace = LINES("works 0/5", "fails 0/1", "function 0/5 2: works=3, fails: Boom"),
      .status = "completed" },
    { .name = NULL },
};
