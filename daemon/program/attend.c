/* SPDX-License-Identifier: Apache-2.0 */
#include "program/attend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "codec/number.h"
#include "program/declarations.h"
#include "program/host.h"
#include "program/line.h"
#include "program/reply.h"
#include "run/attempt_log.h"
#include "run/beside.h"
#include "run/checkpoints.h"
#include "run/context.h"
#include "run/invoke.h"
#include "run/ops.h"

/* One stay of the run on a worker. */
struct stay {
    struct stepd_ctx *ctx;
    const struct program_function *function;
    struct program_errand *errand;
    struct ops ops; /* its branches are the errand's */
    bool is_done;   /* the function has ended well */
};

/* ---- the call ------------------------------------------------------------------------------------ */

static struct held_call *hold(struct stay *stay)
{
    struct stepd_ctx *ctx = stay->ctx;
    struct held_call *held = host_hold(stay->function->program);

    (void)snprintf(held->function_id, sizeof(held->function_id), "%s", stepd_function_id(ctx));
    memcpy(held->run_id, ctx->run->id.text, sizeof(held->run_id));
    held->attempt = stepd_attempt(ctx);
    held->timeout_ms = ctx->run->function->timeout_ms;
    return held;
}

/* What is planned of an earlier attempt is in the run's tail. */
static void load_branches(struct stay *stay)
{
    struct branches *branches = &stay->errand->branches;

    branches_load(branches, attempt_log_branches(stay->ctx->run->tail));
    for (size_t i = branches->count; i-- > 0;) {
        if (beside_has_finished(stay->ctx, branches->items[i].name))
            branches_remove(branches, branches->items[i].name);
    }
}

static void begin(struct stay *stay)
{
    struct stepd_ctx *ctx = stay->ctx;
    size_t size;

    stay->errand = program_errand_create();
    ctx->run->errand = &stay->errand->base;
    ctx->run->begun_ns = ctx->started_ns;
    load_branches(stay);
    stay->errand->has_slept = beside_next_waking_ms(ctx, beside_now_ms(ctx)) != 0;
    char *line = line_call(ctx, &stay->errand->branches, beside_now_ms(ctx), &size);
    stay->errand->held = hold(stay);
    host_call(stay->errand->held, line, size);
}

/* ---- answers ------------------------------------------------------------------------------------- */

static void answer_ok(const struct stay *stay, const char *id)
{
    size_t size;
    char *line = line_answer_ok(id, &size);

    host_answer(stay->errand->held, line, size);
}

static void answer_later(const struct stay *stay, const char *id)
{
    size_t size;
    char *line = line_answer_later(id, &size);

    host_answer(stay->errand->held, line, size);
}

static void answer_failed(const struct stay *stay, const char *id)
{
    size_t size;
    char *line = line_answer_failed(id, stepd_last_error(stay->ctx), &size);

    host_answer(stay->errand->held, line, size);
}

/* A step whose checkpoint is there: it is told again what that says. */
static void answer_known(const struct stay *stay, const char *id)
{
    const struct run *run = stay->ctx->run;
    size_t position, size;
    const struct checkpoint *checkpoint = checkpoints_find(run->steps, run->phase, id, &position);

    if (checkpoint->kind == CHECKPOINT_FAILED) {
        context_set_last(stay->ctx, checkpoint->failure);
        answer_failed(stay, id);
    } else if (checkpoint->kind == CHECKPOINT_SLEEP && checkpoint->until_ms > beside_now_ms(stay->ctx)) {
        answer_later(stay, id);
    } else {
        char *line = line_answer_result(id, checkpoint->kind == CHECKPOINT_COMPLETED ? checkpoint->value : (struct bytes){ 0 }, &size);
        host_answer(stay->errand->held, line, size);
    }
}

/* As a step's call answered. FAILED is the program's to handle. */
static enum stepd_status answer(struct stay *stay, const char *id, enum stepd_status status)
{
    struct stepd_ctx *ctx = stay->ctx;

    if (status == STEPD_OK)
        answer_ok(stay, id);
    if (status == STEPD_FAILED && ctx->raised.kind == RAISED_BY_STEP) {
        answer_failed(stay, id);
        (void)context_take_raised(ctx);
        return STEPD_OK;
    }
    if (ctx->verdict.kind == VERDICT_PARK) {
        answer_later(stay, id);
        stay->errand->is_answered_later = true;
    }
    return status;
}

/* ---- steps --------------------------------------------------------------------------------------- */

/* The body of the step: all has happened in the program already. */
static enum stepd_status settle(struct stepd_ctx *ctx, const void *arg)
{
    const struct reply_step *step = arg;

    if (step->has_failed)
        return ops_raise(ctx, &step->error.said);
    number_pack(stepd_output(ctx), step->result);
    return STEPD_OK;
}

/* Nothing else of the run is under way, or waits. */
static bool is_alone(const struct stay *stay, const struct reply *reply)
{
    return !reply->is_beside && ops_is_alone(&stay->ops);
}

static enum stepd_status note_failure(struct stay *stay)
{
    return ops_note_failure(&stay->ops, stay->ctx->run->attempt);
}

static enum stepd_status settle_beside(struct stay *stay, const struct reply_step *step)
{
    bool is_later;
    enum stepd_status status = ops_settle_beside(&stay->ops, stay->ctx->run->attempt, step->id, settle, step, &is_later);

    if (!is_later)
        return answer(stay, step->id, status);
    answer_later(stay, step->id);
    return STEPD_OK;
}

static enum stepd_status take_step(struct stay *stay, const struct reply *reply, const struct reply_step *step)
{
    if (beside_has_finished(stay->ctx, step->id)) {
        answer_known(stay, step->id);
        return STEPD_OK;
    }
    if (!is_alone(stay, reply))
        return settle_beside(stay, step);
    return answer(stay, step->id, stepd_step_run(stay->ctx, step->id, settle, step, NULL));
}

static enum stepd_status take_steps(struct stay *stay, const struct reply *reply)
{
    for (size_t i = 0; i < reply->step_count; i++)
        STEPD_TRY(take_step(stay, reply, &reply->steps[i]));
    return STEPD_OK;
}

static enum stepd_status take_sleep(struct stay *stay, const struct reply *reply)
{
    struct stepd_ctx *ctx = stay->ctx;
    int64_t until_ms = reply->until_ms >= 0 ? context_until_ms(reply->until_ms) : context_from_now_ms(ctx, reply->ms);

    if (beside_has_finished(ctx, reply->id)) {
        answer_known(stay, reply->id);
        return STEPD_OK;
    }
    if (is_alone(stay, reply))
        return answer(stay, reply->id, stepd_sleep_until(ctx, reply->id, until_ms));
    STEPD_TRY(note_failure(stay));
    STEPD_TRY(beside_sleep(ctx, reply->id, until_ms));
    answer_known(stay, reply->id);
    return STEPD_OK;
}

static enum stepd_status take_send(struct stay *stay, const struct reply *reply)
{
    if (beside_has_finished(stay->ctx, reply->id)) {
        answer_known(stay, reply->id);
        return STEPD_OK;
    }
    STEPD_TRY(note_failure(stay));
    return answer(stay, reply->id, ops_send(stay->ctx, reply->id, reply->name, reply->data));
}

static enum stepd_status take_wait(struct stay *stay, const struct reply *reply)
{
    const struct stepd_wait wait = { .event = reply->name, .when = reply->when, .timeout_ms = reply->ms };

    if (beside_has_finished(stay->ctx, reply->id) && !ops_is_waiting(stay->ctx, reply->id)) {
        answer_known(stay, reply->id);
        return STEPD_OK;
    }
    if (!is_alone(stay, reply))
        return stepd_non_retriable(stay->ctx, "UnsupportedStep", "step '%s': this stepd has no waiting for events beside other steps yet",
                                   reply->id);
    enum stepd_status status = stepd_wait_for_event(stay->ctx, reply->id, &wait, NULL);
    if (status != STEPD_OK)
        return answer(stay, reply->id, status);
    answer_known(stay, reply->id);
    return STEPD_OK;
}

static enum stepd_status take_invoke(struct stay *stay, const struct reply *reply)
{
    struct stepd_ctx *ctx = stay->ctx;
    int64_t until_ms;

    if (beside_has_finished(ctx, reply->id) && !ops_is_waiting(stay->ctx, reply->id)) {
        answer_known(stay, reply->id);
        return STEPD_OK;
    }
    bool parks = is_alone(stay, reply) && (ops_is_waiting(stay->ctx, reply->id) || !invoke_is_awaited(ctx, &until_ms));
    STEPD_TRY(note_failure(stay));
    const struct invoke_ask ask = { .function_id = reply->name, .timeout_ms = reply->ms };
    enum stepd_status status = ops_invoke(ctx, reply->id, ask, reply->data, parks);
    if (status == STEPD_SUSPENDED && !context_is_decided(ctx)) {
        answer_later(stay, reply->id);
        return STEPD_OK;
    }
    return answer(stay, reply->id, status);
}

/* ---- the end of a call --------------------------------------------------------------------------- */

/* When something of the run is due that is not finished; 0: nothing is. */
static int64_t next_due(const struct stay *stay, int64_t now_ms)
{
    const struct branches *branches = &stay->errand->branches;
    int64_t due_ms = beside_next_waking_ms(stay->ctx, now_ms);

    for (size_t i = 0; i < branches->count; i++) {
        if (due_ms == 0 || branches->items[i].due_ms < due_ms)
            due_ms = branches->items[i].due_ms > 0 ? branches->items[i].due_ms : 1;
    }
    return due_ms;
}

/* Each of its branches waits: so does the run, in the store, holding nothing. */
static enum stepd_status take_suspend(struct stay *stay)
{
    struct stepd_ctx *ctx = stay->ctx;
    int64_t due_ms = next_due(stay, beside_now_ms(ctx)), until_ms;

    if (due_ms == 0 && !stay->errand->has_slept && !invoke_is_awaited(ctx, &until_ms)) /* what has slept is awake by now */
        return stepd_error(ctx, "ProgramFault", "the program suspended a call in which nothing waits");
    return ops_park(&stay->ops, ctx->run->attempt, due_ms);
}

/* A step's error that the function did not handle is the run's; any other is one of the attempt. */
static enum stepd_status take_error(struct stay *stay, const struct reply_error *error)
{
    const struct run *run = stay->ctx->run;
    size_t position;
    const struct checkpoint *checkpoint =
        error->step_id != NULL && run->steps != NULL ? checkpoints_find(run->steps, run->phase, error->step_id, &position) : NULL;

    branches_keep(&stay->errand->branches, stay->ctx);
    if (checkpoint == NULL || checkpoint->kind != CHECKPOINT_FAILED)
        return ops_raise(stay->ctx, &error->said);
    context_set_last(stay->ctx, checkpoint->failure);
    context_raise_step_error(stay->ctx);
    return STEPD_FAILED;
}

static enum stepd_status take_output(struct stay *stay, const struct reply *reply)
{
    number_pack(stepd_output(stay->ctx), reply->data);
    stay->is_done = true;
    return STEPD_OK;
}

/* ---- what has come ------------------------------------------------------------------------------- */

static enum stepd_status take_reply(struct stay *stay, const struct reply *reply)
{
    switch (reply->kind) {
    case REPLY_STEP:
    case REPLY_STEPS:
        return take_steps(stay, reply);
    case REPLY_SLEEP:
        stay->errand->has_slept = true;
        return take_sleep(stay, reply);
    case REPLY_SEND:
        return take_send(stay, reply);
    case REPLY_WAIT:
        return take_wait(stay, reply);
    case REPLY_INVOKE:
        return take_invoke(stay, reply);
    case REPLY_OUTPUT:
        return take_output(stay, reply);
    case REPLY_ERROR:
        return take_error(stay, &reply->error);
    case REPLY_SUSPEND:
        return take_suspend(stay);
    }
    return STEPD_OK;
}

static enum stepd_status take_line(struct stay *stay, const struct said *said)
{
    struct reply reply;
    const char *fault = reply_read(stay->ctx, said->text, said->size, &reply);

    if (fault == NULL)
        return take_reply(stay, &reply);
    host_blame(stay->errand->held, xasprintf("%s: %.100s", fault, said->text));
    return stepd_error(stay->ctx, "ProgramFault", "the program wrote what is not in its protocol: %s", fault);
}

static enum stepd_status take_said(struct stay *stay, const struct said *said)
{
    struct stepd_ctx *ctx = stay->ctx;

    switch (said->kind) {
    case SAID_LINE:
        return take_line(stay, said);
    case SAID_DIED:
        branches_keep(&stay->errand->branches, ctx);
        return stepd_error(ctx, "ProgramDied", "%s", said->text);
    case SAID_TIMEOUT:
        branches_keep(&stay->errand->branches, ctx);
        return stepd_error(ctx, "HandlerTimeout", "the program took longer than its timeout of %lld ms",
                           (long long)stay->errand->held->timeout_ms);
    }
    return STEPD_OK;
}

/* A daemon that stops lets the step that was told of be the last one of this call: the run goes on elsewhere. */
static enum stepd_status take_all(struct stay *stay)
{
    enum stepd_status status = STEPD_OK;

    while (status == STEPD_OK && !stay->is_done) {
        struct said *said = held_call_take(stay->errand->held);
        if (said == NULL)
            break;
        status = take_said(stay, said);
        free(said);
        if (status == STEPD_OK && !stay->is_done && context_is_draining(stay->ctx))
            status = context_give_up(stay->ctx);
    }
    return status;
}

enum stepd_status attend_run(struct stepd_ctx *ctx)
{
    struct stay stay = { .ctx = ctx, .function = stepd_options(ctx), .ops = { .ctx = ctx } };

    if (stay.function->is_gone)
        return stepd_non_retriable(ctx, "FunctionGone", "its program no longer declares function '%s'", stepd_function_id(ctx));
    if (ctx->run->errand == NULL) {
        if (!invoke_settle_overdue(ctx))
            return STEPD_SUSPENDED;
        begin(&stay);
    }
    stay.errand = program_errand_of(ctx->run->errand);
    stay.ops.branches = &stay.errand->branches;
    if (held_call_is_cancelled(stay.errand->held) && !context_may_go_on(ctx))
        return STEPD_SUSPENDED;
    STEPD_TRY(take_all(&stay));
    if (stay.is_done)
        return STEPD_OK;
    STEPD_TRY(note_failure(&stay));
    return context_leave_for(ctx, &stay.errand->base);
}
