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
#include "run/attempt.h"
#include "run/attempt_log.h"
#include "run/beside.h"
#include "run/checkpoints.h"
#include "run/context.h"
#include "run/invoke.h"

/* One stay of the run on a worker. */
struct stay {
    struct stepd_ctx *ctx;
    const struct program_function *function;
    struct program_errand *errand;
    int64_t failed_due_ms; /* a branch failed, of ctx->step_raised, which is not durable yet; 0: none */
    bool is_done;          /* the function has ended well */
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

static enum stepd_status raise(struct stepd_ctx *ctx, const struct reply_error *error)
{
    if (!error->is_retriable)
        return stepd_non_retriable(ctx, error->name, "%s", error->message);
    if (error->retry_after_ms >= 0)
        return stepd_retry_after(ctx, error->retry_after_ms, error->name, "%s", error->message);
    return stepd_error(ctx, error->name, "%s", error->message);
}

/* The body of the step: all has happened in the program already. */
static enum stepd_status settle(struct stepd_ctx *ctx, const void *arg)
{
    const struct reply_step *step = arg;

    if (step->has_failed)
        return raise(ctx, &step->error);
    number_pack(stepd_output(ctx), step->result);
    return STEPD_OK;
}

/* Nothing else of the run is under way, or waits. */
static bool is_alone(const struct stay *stay, const struct reply *reply)
{
    return !reply->is_beside && stay->errand->branches.count == 0 && beside_next_waking_ms(stay->ctx, beside_now_ms(stay->ctx)) == 0;
}

/* What a branch failed of becomes durable while others go on. */
static enum stepd_status note_failure(struct stay *stay)
{
    int64_t due_ms = stay->failed_due_ms;

    if (due_ms == 0)
        return STEPD_OK;
    stay->failed_due_ms = 0;
    branches_keep(&stay->errand->branches, stay->ctx);
    return attempt_note(stay->ctx, stay->ctx->run->attempt, due_ms) ? STEPD_OK : STEPD_SUSPENDED;
}

static enum stepd_status settle_beside(struct stay *stay, const struct reply_step *step)
{
    int64_t due_ms = 0;

    STEPD_TRY(note_failure(stay));
    struct branch *branch = branches_add(&stay->errand->branches, step->id);
    enum stepd_status status = beside_settle(stay->ctx, step->id, branch->attempt, settle, step, &due_ms);
    if (due_ms != 0) {
        branch->attempt++;
        branch->due_ms = due_ms;
        stay->failed_due_ms = due_ms;
        answer_later(stay, step->id);
        return STEPD_OK;
    }
    if (status != STEPD_SUSPENDED)
        branches_remove(&stay->errand->branches, step->id);
    return answer(stay, step->id, status);
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
    msgpack_sbuffer data;
    msgpack_packer packer;

    if (beside_has_finished(stay->ctx, reply->id)) {
        answer_known(stay, reply->id);
        return STEPD_OK;
    }
    STEPD_TRY(note_failure(stay));
    msgpack_sbuffer_init(&data);
    msgpack_packer_init(&packer, &data, msgpack_sbuffer_write);
    number_pack(&packer, reply->data);
    enum stepd_status status = stepd_send_event(stay->ctx, reply->id, reply->name, &data);
    msgpack_sbuffer_destroy(&data);
    return answer(stay, reply->id, status);
}

/* Whether the step waits, and nothing has come yet. */
static bool is_waiting(const struct stay *stay, const char *id)
{
    const struct run *run = stay->ctx->run;
    size_t position;
    const struct checkpoint *checkpoint = run->steps != NULL ? checkpoints_find(run->steps, run->phase, id, &position) : NULL;

    return checkpoint != NULL && checkpoint->kind == CHECKPOINT_WAITING;
}

static enum stepd_status take_wait(struct stay *stay, const struct reply *reply)
{
    const struct stepd_wait wait = { .event = reply->name, .when = reply->when, .timeout_ms = reply->ms };

    if (beside_has_finished(stay->ctx, reply->id) && !is_waiting(stay, reply->id)) {
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
    msgpack_sbuffer data;
    msgpack_packer packer;
    int64_t until_ms;

    if (beside_has_finished(ctx, reply->id) && !is_waiting(stay, reply->id)) {
        answer_known(stay, reply->id);
        return STEPD_OK;
    }
    bool parks = is_alone(stay, reply) && (is_waiting(stay, reply->id) || !invoke_is_awaited(ctx, &until_ms));
    STEPD_TRY(note_failure(stay));
    msgpack_sbuffer_init(&data);
    msgpack_packer_init(&packer, &data, msgpack_sbuffer_write);
    number_pack(&packer, reply->data);
    const struct invoke_ask ask = { .function_id = reply->name, .data = { data.data, data.size }, .timeout_ms = reply->ms };
    enum stepd_status status = parks ? invoke_call(ctx, reply->id, &ask, NULL) : invoke_beside(ctx, reply->id, &ask);
    msgpack_sbuffer_destroy(&data);
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

/* For what it has invoked, or until one of its branches is due. */
static enum stepd_status wait_for_answers(struct stay *stay, int64_t due_ms)
{
    struct stepd_ctx *ctx = stay->ctx;

    STEPD_TRY(note_failure(stay));
    branches_keep(&stay->errand->branches, ctx);
    const struct transition park = {
        .kind = TRANSITION_PARK,
        .status = RUN_WAITING,
        .phase = ctx->run->phase,
        .attempt = ctx->run->attempt,
        .due_ms = due_ms,
    };
    return context_park(ctx, &park);
}

/* Each of its branches waits: so does the run, in the store, holding nothing. */
static enum stepd_status take_suspend(struct stay *stay)
{
    struct stepd_ctx *ctx = stay->ctx;
    int64_t due_ms = next_due(stay, beside_now_ms(ctx)), until_ms = 0;

    if (invoke_is_awaited(ctx, &until_ms))
        return wait_for_answers(stay, due_ms != 0 && due_ms < until_ms ? due_ms : until_ms);
    if (due_ms == 0 && stay->errand->has_slept) /* and is awake by now */
        due_ms = 1;
    if (due_ms == 0)
        return stepd_error(ctx, "ProgramFault", "the program suspended a call in which nothing waits");
    branches_keep(&stay->errand->branches, ctx);
    const struct transition park = {
        .kind = TRANSITION_PARK,
        .status = stay->failed_due_ms != 0 ? RUN_DELAYED : RUN_SLEEPING,
        .phase = ctx->run->phase,
        .attempt = ctx->run->attempt,
        .due_ms = due_ms,
    };
    return context_park(ctx, &park);
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
        return raise(stay->ctx, error);
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
    struct stay stay = { .ctx = ctx, .function = stepd_options(ctx) };

    if (stay.function->is_gone)
        return stepd_non_retriable(ctx, "FunctionGone", "its program no longer declares function '%s'", stepd_function_id(ctx));
    if (ctx->run->errand == NULL) {
        if (!invoke_settle_overdue(ctx))
            return STEPD_SUSPENDED;
        begin(&stay);
    }
    stay.errand = program_errand_of(ctx->run->errand);
    if (held_call_is_cancelled(stay.errand->held) && !context_may_go_on(ctx))
        return STEPD_SUSPENDED;
    STEPD_TRY(take_all(&stay));
    if (stay.is_done)
        return STEPD_OK;
    STEPD_TRY(note_failure(&stay));
    return context_leave_for(ctx, &stay.errand->base);
}
