/* SPDX-License-Identifier: Apache-2.0 */
/* What step_calls.c's calls, and those of other kinds, are made of. */
#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include <stepd/stepd.h>

#include "base/clock.h"
#include "codec/packed.h"
#include "run/attempt_log.h"
#include "run/checkpoints.h"
#include "run/context.h"
#include "run/flow_ask.h"
#include "run/journal.h"
#include "run/step_internal.h"
#include "run/trace.h"

#define STEP_ID_MAX 200

/* ---- what all of them share ---------------------------------------------------------------------- */

void step_refuse(struct stepd_ctx *ctx, const char *name, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    context_vraise(ctx, RAISED_NON_RETRIABLE, name, format, arguments);
    va_end(arguments);
    context_set_last(ctx, ctx->step.is_running ? &ctx->step_raised.failure : &ctx->raised.failure);
}

bool step_open_call(struct stepd_ctx *ctx, const char *id, int64_t *ret_left_ns, enum stepd_status *ret_status)
{
    *ret_status = STEPD_SUSPENDED;
    if (slot_is_abandoned(ctx->slot) || context_is_decided(ctx))
        return false;
    if (ctx->step.is_running) {
        ctx->was_nested = true;
        step_refuse(ctx, "NestedStep", "step '%.200s' was called inside step '%s': steps do not nest", id != NULL ? id : "", ctx->step.id);
        *ret_status = STEPD_FAILED;
        return false;
    }
    return context_pause(ctx, ret_left_ns);
}

static bool id_is_valid(const char *id)
{
    return id != NULL && id[0] != '\0' && strnlen(id, STEP_ID_MAX + 1) <= STEP_ID_MAX;
}

bool step_name(struct stepd_ctx *ctx, const char *id)
{
    if (!id_is_valid(id)) {
        step_refuse(ctx, "InvalidStepId", "a step's id has 1 to %d bytes", STEP_ID_MAX);
        return false;
    }
    step_ids_next(&ctx->ids, id, ctx->step.id);
    return true;
}

size_t step_finished_count(const struct run *run)
{
    return run->steps != NULL ? checkpoints_count(run->steps) : 0;
}

/* How often the step ran before, in attempts that failed. */
static int earlier_executions(const struct run *run, const char *id)
{
    struct attempt_entry entry;
    struct failure failure;

    if (run->phase == RUN_IN_ON_FAILURE)
        return run->attempt;
    for (size_t i = attempt_log_count(run->tail); i-- > 0;) {
        attempt_log_at(run->tail, i, &entry, &failure);
        if (entry.failure != NULL && strcmp(failure.step_id, id) == 0)
            return failure.executions;
    }
    return 0;
}

bool step_may_begin(struct stepd_ctx *ctx, size_t count)
{
    assert(!ctx->step.is_running);
    if (atomic_load_explicit(&ctx->slot->is_cancelled, memory_order_relaxed) && !context_may_go_on(ctx))
        return false;
    if (step_finished_count(ctx->run) + count <= (size_t)ctx->settings->steps)
        return true;
    context_raise(ctx, RAISED_NON_RETRIABLE, "StepLimit", "limits.steps: step '%.100s' would be more than %d in one run", ctx->step.id,
                  ctx->settings->steps);
    (void)context_fail_by_limit(ctx, &ctx->raised);
    return false;
}

struct checkpoint step_checkpoint(struct stepd_ctx *ctx, enum checkpoint_kind kind)
{
    assert(ctx->step.id[0] != '\0');
    return (struct checkpoint){
        .id = ctx->step.id,
        .kind = kind,
        .phase = ctx->run->phase,
        .executions = ctx->step.executions,
        .started_ms = ctx->step.started_ms,
        .ended_ms = kind == CHECKPOINT_STARTED || kind == CHECKPOINT_WAITING ? 0 : context_now_ms(ctx),
    };
}

struct bytes step_packed(struct stepd_ctx *ctx, const struct checkpoint *checkpoint)
{
    msgpack_sbuffer_clear(&ctx->scratch);
    checkpoint_pack(&ctx->scratch, checkpoint);
    return (struct bytes){ ctx->scratch.data, ctx->scratch.size };
}

static void remember(struct run *run, size_t position, const struct checkpoint *checkpoint)
{
    assert(position <= step_finished_count(run));
    if (run->steps == NULL)
        run->steps = checkpoints_create();
    checkpoints_add(run->steps, position, checkpoint);
}

bool step_record(struct stepd_ctx *ctx, const struct checkpoint *checkpoint, int attempt)
{
    struct run *run = ctx->run;
    const struct transition change = {
        .kind = TRANSITION_CHECKPOINT,
        .phase = run->phase,
        .attempt = attempt,
        .position = ctx->step.position,
        .checkpoint = step_packed(ctx, checkpoint),
        .callee = ctx->step.callee,
        .wait = ctx->step.wait,
        .call_off = ctx->step.call_off.text[0] != '\0' ? &ctx->step.call_off : NULL,
    };

    assert(checkpoint->id != NULL);
    assert(attempt >= 0);
    if (!context_advance(ctx, &change))
        return false;
    remember(run, ctx->step.position, checkpoint);
    return true;
}

enum stepd_status step_answer_failed(struct stepd_ctx *ctx, const struct failure *failure)
{
    context_set_last(ctx, failure);
    context_raise_step_error(ctx);
    return STEPD_FAILED;
}

enum stepd_status step_answer_result(struct stepd_ctx *ctx, size_t position, const msgpack_object **ret_result)
{
    if (ret_result == NULL)
        return STEPD_OK;
    const struct checkpoint *checkpoint = checkpoints_at(ctx->run->steps, position);
    assert(checkpoint != NULL);
    msgpack_object *result = context_alloc(ctx, sizeof(*result));
    result->type = MSGPACK_OBJECT_NIL;
    if (checkpoint->kind == CHECKPOINT_COMPLETED && checkpoint->value.size > 0)
        packed_build(checkpoint->value, ctx->zone, result);
    *ret_result = result;
    return STEPD_OK;
}

/* ---- a step that fails --------------------------------------------------------------------------- */

static enum stepd_status park_for_retry(struct stepd_ctx *ctx)
{
    const struct step_call *step = &ctx->step;

    assert(ctx->step_raised.kind == RAISED_RETRIABLE);
    const struct transition park = {
        .kind = TRANSITION_PARK,
        .status = RUN_DELAYED,
        .phase = ctx->run->phase,
        .attempt = ctx->run->attempt + 1,
        .delay_ms = step->retry_delay_ms,
        .due_ms = raised_due_ms(&ctx->step_raised),
        .position = step->position,
        .clears_started = step->is_at_most_once,
    };

    return context_park(ctx, &park);
}

enum stepd_status step_fail_for_good(struct stepd_ctx *ctx)
{
    struct checkpoint checkpoint = step_checkpoint(ctx, CHECKPOINT_FAILED);

    assert(ctx->step_raised.kind != RAISED_NOTHING);
    checkpoint.failure = &ctx->step_raised.failure;
    checkpoint.value = ctx->step.beside_error;
    if (!step_record(ctx, &checkpoint, ctx->step.attempt_after))
        return STEPD_SUSPENDED;
    return step_answer_failed(ctx, &ctx->step_raised.failure);
}

void step_apply_error_policy(struct stepd_ctx *ctx)
{
    const char *error = ctx->step_raised.failure.name;
    const struct stepd_error_policy *policy = flow_error_policy(ctx->run->function, error);

    if (policy == NULL)
        return;
    ctx->step.retries = policy->retries;
    ctx->step.retry_delay_ms = context_retry_delay_ms(ctx, error);
}

enum stepd_status step_settle_failure(struct stepd_ctx *ctx)
{
    step_apply_error_policy(ctx);
    bool is_retriable = ctx->step_raised.kind == RAISED_RETRIABLE && ctx->run->attempt < ctx->step.retries;

    return is_retriable ? park_for_retry(ctx) : step_fail_for_good(ctx);
}

enum stepd_status step_answer_unknown(struct stepd_ctx *ctx, const struct checkpoint *started, size_t position)
{
    assert(checkpoint_is_begun(started));
    ctx->step.position = position;
    ctx->step.executions = started->executions;
    ctx->step.beside_error = (struct bytes){ 0 };
    ctx->step.started_ms = started->started_ms;
    ctx->step.is_beside = false;
    ctx->step.attempt_after = 0;
    ctx->step.is_running = true; /* the error is the step's */
    context_raise(ctx, RAISED_NON_RETRIABLE, "OutcomeUnknown",
                  "step '%s' was begun and must not run twice; its worker died before its outcome was recorded", ctx->step.id);
    ctx->step.is_running = false;
    return step_fail_for_good(ctx);
}

/* ---- sleeping ------------------------------------------------------------------------------------ */

enum stepd_status step_park_until(struct stepd_ctx *ctx, enum run_status status, int64_t until_ms, struct bytes checkpoint,
                                  const struct callee *callee)
{
    const struct transition park = {
        .kind = TRANSITION_PARK,
        .status = status,
        .phase = ctx->run->phase,
        .attempt = checkpoint.size > 0 ? 0 : ctx->run->attempt,
        .due_ms = until_ms > 0 ? until_ms : 1,
        .position = ctx->step.position,
        .checkpoint = checkpoint,
        .callee = callee,
    };

    assert(status == RUN_SLEEPING || status == RUN_WAITING);
    return context_park(ctx, &park);
}

bool step_is_over(const struct stepd_ctx *ctx, int64_t until_ms)
{
    /* The claim's own time: the worker's idea of the store's time may be a little behind it. */
    return until_ms <= ctx->run->now_ms || until_ms <= context_now_ms(ctx);
}

/* What a finished step, of whatever kind, answers. */
enum stepd_status step_answer(struct stepd_ctx *ctx, const struct checkpoint *checkpoint, size_t position,
                              const msgpack_object **ret_result)
{
    switch (checkpoint->kind) {
    case CHECKPOINT_COMPLETED:
        return step_answer_result(ctx, position, ret_result);
    case CHECKPOINT_FAILED:
        return step_answer_failed(ctx, checkpoint->failure);
    case CHECKPOINT_SLEEP:
        if (step_is_over(ctx, checkpoint->until_ms))
            return step_answer_result(ctx, position, ret_result);
        ctx->step.position = position + 1;
        return step_park_until(ctx, RUN_SLEEPING, checkpoint->until_ms, (struct bytes){ 0 }, NULL);
    case CHECKPOINT_STARTED:
    case CHECKPOINT_WAITING: /* its code was a wait, and is another step now */
        return step_answer_unknown(ctx, checkpoint, position);
    }
    return STEPD_FAILED;
}

const struct checkpoint *step_find_finished(struct stepd_ctx *ctx, size_t *ret_position)
{
    return ctx->run->steps != NULL ? checkpoints_find(ctx->run->steps, ctx->run->phase, ctx->step.id, ret_position) : NULL;
}

bool step_begin_call(struct stepd_ctx *ctx, const char *id, const msgpack_object **ret_result, int64_t *ret_left_ns,
                     enum stepd_status *ret_status)
{
    size_t position;

    if (!step_open_call(ctx, id, ret_left_ns, ret_status))
        return false;
    *ret_status = STEPD_FAILED;
    if (step_name(ctx, id)) {
        const struct checkpoint *finished = step_find_finished(ctx, &position);
        if (finished == NULL && step_may_begin(ctx, 1))
            return true;
        *ret_status = finished != NULL ? step_answer(ctx, finished, position, ret_result) : STEPD_SUSPENDED;
    }
    context_resume(ctx, *ret_left_ns);
    return false;
}

/* ---- running one --------------------------------------------------------------------------------- */

/* Worked out before the step runs: should it hang or crash, its policy may be gone with its thread. */
static int64_t retry_delay_ms(struct stepd_ctx *ctx, const struct stepd_policy *policy)
{
    if (policy == NULL || policy->backoff.count == 0)
        return context_backoff_ms(ctx, &ctx->run->function->backoff);
    /* The author gave exact delays: no jitter. */
    const struct backoff own = { .delays_ms = policy->backoff.delays_ms, .count = policy->backoff.count };
    return context_backoff_ms(ctx, &own);
}

void step_set_up(struct stepd_ctx *ctx, const struct stepd_policy *policy)
{
    const struct function *function = ctx->run->function;
    struct step_call *step = &ctx->step;

    assert(!step->is_running);
    step->retries = policy != NULL ? policy->retries : function->retries;
    if (step->retries < 0)
        step->retries = 0;
    step->retry_delay_ms = retry_delay_ms(ctx, policy);
    step->timeout_ms = policy != NULL && policy->timeout_ms > 0 ? policy->timeout_ms : function->timeout_ms;
    step->is_at_most_once = policy != NULL && policy->at_most_once;
    step->position = step_finished_count(ctx->run);
    step->executions = earlier_executions(ctx->run, step->id) + 1;
    step->started_ms = context_now_ms(ctx);
    step->beside_error = (struct bytes){ 0 };
    step->callee = NULL;
    step->wait = NULL;
    step->call_off.text[0] = '\0';
    step->is_beside = false;
    step->attempt_after = 0;
    ctx->step_raised.kind = RAISED_NOTHING;
}

enum stepd_status step_keep_result(struct stepd_ctx *ctx, const msgpack_object **ret_result)
{
    bool is_limit;

    assert(!ctx->step.is_running);
    ctx->step.is_running = true; /* errors are the step's */
    bool is_good = context_check_output(ctx, &ctx->step_output, &is_limit);
    ctx->step.is_running = false;
    if (is_limit)
        return context_fail_by_limit(ctx, &ctx->step_raised);
    if (!is_good)
        return step_settle_failure(ctx);
    struct checkpoint checkpoint = step_checkpoint(ctx, CHECKPOINT_COMPLETED);
    checkpoint.value = (struct bytes){ ctx->step_output.data, ctx->step_output.size };
    if (!step_record(ctx, &checkpoint, ctx->step.attempt_after))
        return STEPD_SUSPENDED;
    return step_answer_result(ctx, ctx->step.position, ret_result);
}

bool step_run_body(struct stepd_ctx *ctx, stepd_step_fn fn, const void *arg, enum stepd_status *ret_status)
{
    assert(!ctx->step.is_running && ctx->step.id[0] != '\0');
    msgpack_sbuffer_clear(&ctx->step_output);
    ctx->was_nested = false;
    ctx->step.is_running = true;
    journal_begin_step(ctx->journal, &ctx->step);
    int64_t begun_ns = clock_monotonic_ns();
    context_enter(ctx, begun_ns, ctx->step.timeout_ms);
    *ret_status = fn(ctx, arg);
    if (!context_leave(ctx))
        return false;
    if (ctx->step_durations != NULL)
        histogram_add(ctx->step_durations, (double)(clock_monotonic_ns() - begun_ns) / 1000);
    journal_end_step(ctx->journal);
    if (*ret_status != STEPD_OK && ctx->step_raised.kind == RAISED_NOTHING)
        context_raise(ctx, RAISED_RETRIABLE, "Error", "the step failed without saying why");
    ctx->step.is_running = false;
    if (ctx->was_nested) {
        ctx->step_raised.kind = RAISED_NON_RETRIABLE;
        *ret_status = STEPD_FAILED;
    }
    trace_step(ctx, begun_ns, *ret_status != STEPD_OK ? &ctx->step_raised.failure : NULL);
    return true;
}
