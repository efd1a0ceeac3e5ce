/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header's step calls: what is finished answers from its checkpoint, what is new runs and is
 * recorded before the function goes on. Each call first takes the function off the clock: from there
 * on the watch keeps away, and whoever finds the attempt abandoned touches nothing of it.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include <stepd/stepd.h>

#include "base/clock.h"
#include "codec/packed.h"
#include "run/beside.h"
#include "run/checkpoints.h"
#include "run/context.h"
#include "run/emit.h"
#include "run/step_internal.h"
#include "run/trace.h"

/* ---- running one --------------------------------------------------------------------------------- */

static bool note_start(struct stepd_ctx *ctx)
{
    const struct checkpoint started = step_checkpoint(ctx, CHECKPOINT_STARTED);

    assert(ctx->step.is_at_most_once);
    return step_record(ctx, &started, ctx->run->attempt);
}

/* *ret_is_abandoned: nothing of the attempt may be touched any more. */
static enum stepd_status run_step(struct stepd_ctx *ctx, const struct stepd_policy *policy, stepd_step_fn fn, const void *arg,
                                  const msgpack_object **ret_result, bool *ret_is_abandoned)
{
    enum stepd_status status;

    step_set_up(ctx, policy);
    if (ctx->step.is_at_most_once && !note_start(ctx))
        return STEPD_SUSPENDED;
    if (!step_run_body(ctx, fn, arg, &status)) {
        *ret_is_abandoned = true;
        return STEPD_SUSPENDED;
    }
    return status == STEPD_OK ? step_keep_result(ctx, ret_result) : step_settle_failure(ctx);
}

static enum stepd_status step_call(struct stepd_ctx *ctx, const struct stepd_policy *policy, const char *id, stepd_step_fn fn,
                                   const void *arg, const msgpack_object **ret_result)
{
    enum stepd_status status;
    bool is_abandoned = false;
    int64_t left_ns = 0;

    if (!step_begin_call(ctx, id, ret_result, &left_ns, &status))
        return status;
    status = run_step(ctx, policy, fn, arg, ret_result, &is_abandoned);
    if (!is_abandoned)
        context_resume(ctx, left_ns);
    return status;
}

enum stepd_status stepd_step_run(struct stepd_ctx *ctx, const char *id, stepd_step_fn fn, const void *arg,
                                 const msgpack_object **ret_result)
{
    return step_call(ctx, NULL, id, fn, arg, ret_result);
}

enum stepd_status stepd_step_run_with(struct stepd_ctx *ctx, const struct stepd_policy *policy, const char *id, stepd_step_fn fn,
                                      const void *arg, const msgpack_object **ret_result)
{
    return step_call(ctx, policy, id, fn, arg, ret_result);
}

/* ---- steps beside each other ---------------------------------------------------------------------- */

static enum stepd_status settle_beside(struct stepd_ctx *ctx, int attempt, stepd_step_fn settle, const void *arg, int64_t *ret_due_ms,
                                       bool *ret_is_abandoned)
{
    int attempt_of_run = ctx->run->attempt;
    enum stepd_status status;

    assert(attempt >= 0);
    ctx->run->attempt = attempt; /* what errors and delays go by */
    step_set_up(ctx, NULL);
    *ret_is_abandoned = !step_run_body(ctx, settle, arg, &status);
    if (!*ret_is_abandoned && status != STEPD_OK)
        step_apply_error_policy(ctx);
    ctx->run->attempt = attempt_of_run;
    if (*ret_is_abandoned)
        return STEPD_SUSPENDED;
    if (status == STEPD_OK)
        return step_keep_result(ctx, NULL);
    if (ctx->step_raised.kind != RAISED_RETRIABLE || attempt >= ctx->step.retries)
        return step_fail_for_good(ctx);
    *ret_due_ms = raised_due_ms(&ctx->step_raised);
    if (*ret_due_ms == 0)
        *ret_due_ms = context_now_ms(ctx) + ctx->step.retry_delay_ms;
    return STEPD_SUSPENDED;
}

enum stepd_status beside_settle(struct stepd_ctx *ctx, const char *id, int attempt, stepd_step_fn settle, const void *arg,
                                int64_t *ret_due_ms)
{
    enum stepd_status status;
    bool is_abandoned;
    int64_t left_ns = 0;

    *ret_due_ms = 0;
    if (!step_begin_call(ctx, id, NULL, &left_ns, &status))
        return status;
    status = settle_beside(ctx, attempt, settle, arg, ret_due_ms, &is_abandoned);
    if (!is_abandoned)
        context_resume(ctx, left_ns);
    return status;
}

enum stepd_status beside_sleep(struct stepd_ctx *ctx, const char *id, int64_t until_ms)
{
    enum stepd_status status;
    int64_t left_ns = 0;

    if (!step_begin_call(ctx, id, NULL, &left_ns, &status))
        return status;
    ctx->step.position = step_finished_count(ctx->run);
    ctx->step.executions = 1;
    ctx->step.started_ms = context_now_ms(ctx);
    struct checkpoint checkpoint = step_checkpoint(ctx, CHECKPOINT_SLEEP);
    checkpoint.until_ms = until_ms;
    checkpoint.ended_ms = until_ms;
    status = step_record(ctx, &checkpoint, ctx->run->attempt) ? STEPD_OK : STEPD_SUSPENDED;
    context_resume(ctx, left_ns);
    return status;
}

/* ---- sleeps --------------------------------------------------------------------------------------- */

static enum stepd_status sleep_anew(struct stepd_ctx *ctx, int64_t until_ms)
{
    ctx->step.position = step_finished_count(ctx->run);
    ctx->step.executions = 1;
    ctx->step.started_ms = context_now_ms(ctx);
    struct checkpoint checkpoint = step_checkpoint(ctx, CHECKPOINT_SLEEP);
    checkpoint.until_ms = until_ms;
    if (step_is_over(ctx, until_ms))
        return step_record(ctx, &checkpoint, 0) ? STEPD_OK : STEPD_SUSPENDED;
    checkpoint.ended_ms = until_ms;
    return step_park_until(ctx, RUN_SLEEPING, until_ms, step_packed(ctx, &checkpoint), NULL);
}

enum stepd_status stepd_sleep(struct stepd_ctx *ctx, const char *id, int64_t delay_ms)
{
    return stepd_sleep_until(ctx, id, context_from_now_ms(ctx, delay_ms));
}

enum stepd_status stepd_sleep_until(struct stepd_ctx *ctx, const char *id, int64_t unix_ms)
{
    enum stepd_status status;
    int64_t left_ns = 0;

    if (!step_begin_call(ctx, id, NULL, &left_ns, &status))
        return status;
    status = sleep_anew(ctx, context_until_ms(unix_ms));
    context_resume(ctx, left_ns);
    return status;
}

/* ---- events -------------------------------------------------------------------------------------- */

static enum stepd_status send_anew(struct stepd_ctx *ctx, const char *name, const msgpack_sbuffer *data)
{
    struct bytes packed_data = { data != NULL ? data->data : NULL, data != NULL ? data->size : 0 };
    struct error error = { 0 };

    step_set_up(ctx, NULL);
    ctx->step.is_running = true; /* errors are the step's */
    int64_t begun_ns = ctx->run->span != 0 ? clock_monotonic_ns() : 0;
    int status = emit_event(ctx, name, packed_data, &error);
    if (status != 0)
        context_raise(ctx, status == -EIO ? RAISED_RETRIABLE : RAISED_NON_RETRIABLE, status == -EIO ? "SendRefused" : "InvalidEvent", "%s",
                      error.text);
    ctx->step.is_running = false;
    if (status == -ESHUTDOWN)
        return context_give_up(ctx);
    trace_step(ctx, begun_ns, status != 0 ? &ctx->step_raised.failure : NULL);
    msgpack_sbuffer_clear(&ctx->step_output);
    return status == 0 ? step_keep_result(ctx, NULL) : step_settle_failure(ctx);
}

enum stepd_status stepd_send_event(struct stepd_ctx *ctx, const char *id, const char *name, const msgpack_sbuffer *data)
{
    enum stepd_status status;
    int64_t left_ns = 0;

    if (!step_begin_call(ctx, id, NULL, &left_ns, &status))
        return status;
    status = send_anew(ctx, name, data);
    context_resume(ctx, left_ns);
    return status;
}

/* ---- what is finished ----------------------------------------------------------------------------- */

/* on_failure sees the function's steps too, before its own: it may be there to undo them. */
static bool is_finished(const struct stepd_ctx *ctx, const struct checkpoint *checkpoint)
{
    return !checkpoint_is_begun(checkpoint) && checkpoint->phase <= ctx->run->phase;
}

size_t stepd_step_count(struct stepd_ctx *ctx)
{
    size_t count = 0;

    for (size_t i = 0; i < step_finished_count(ctx->run); i++)
        count += is_finished(ctx, checkpoints_at(ctx->run->steps, i));
    return count;
}

static const struct stepd_step *view_of(struct stepd_ctx *ctx, const struct checkpoint *checkpoint)
{
    struct stepd_step *step = context_alloc(ctx, sizeof(*step));

    assert(!checkpoint_is_begun(checkpoint));
    *step = (struct stepd_step){ .id = context_strdup(ctx, checkpoint->id, strlen(checkpoint->id)), .status = STEPD_STEP_COMPLETED };
    if (checkpoint->kind == CHECKPOINT_FAILED) {
        struct failure *failure = context_alloc(ctx, sizeof(*failure));
        struct stepd_error *error = context_alloc(ctx, sizeof(*error));
        *failure = *checkpoint->failure;
        *error = (struct stepd_error){ failure->name, failure->message, failure->attempt, step->id };
        step->status = STEPD_STEP_FAILED;
        step->error = error;
        return step;
    }
    msgpack_object *value = context_alloc(ctx, sizeof(*value));
    value->type = MSGPACK_OBJECT_NIL;
    if (checkpoint->kind == CHECKPOINT_COMPLETED && checkpoint->value.size > 0)
        packed_build(checkpoint->value, ctx->zone, value);
    step->value = value;
    return step;
}

const struct stepd_step *stepd_step_at(struct stepd_ctx *ctx, size_t index)
{
    for (size_t i = 0; i < step_finished_count(ctx->run); i++) {
        const struct checkpoint *checkpoint = checkpoints_at(ctx->run->steps, i);
        if (is_finished(ctx, checkpoint) && index-- == 0)
            return view_of(ctx, checkpoint);
    }
    return NULL;
}
