/* SPDX-License-Identifier: Apache-2.0 */
#include "inngest/calls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "core/attempt.h"
#include "core/attempts.h"
#include "core/beside.h"
#include "core/context.h"
#include "core/json.h"
#include "core/steps.h"
#include "inngest/app.h"
#include "inngest/expression.h"
#include "inngest/moment.h"
#include "inngest/object.h"
#include "inngest/ops.h"
#include "inngest/request.h"
#include "inngest/sdk_errand.h"
#include "inngest/summons.h"

#define THE_FUNCTION ""       /* the branch that looks for what comes next */
#define PLANS_BESIDE 2        /* from this version on an app is asked what comes next once all that is planned has ended */
#define FAILED_EVENT "inngest/function.failed"
#define FINISHED_EVENT "inngest/function.finished"

/* One stay of the run on a worker: what has arrived is taken, what follows goes out. */
struct turn {
    struct stepd_ctx *ctx;
    const struct sdk_function *function;
    struct sdk_errand *errand;
    struct retry_advice advice; /* of the reply that is taken */
    int attempt;                /* the function's own errors */
    int64_t failed_due_ms;      /* a branch failed, of ctx->step_raised, which is not durable yet; 0: none */
    bool is_done;               /* the function has ended well */
};

#define SILENT_NS (INT64_C(60) * 1000000000) /* how long reports are not asked for once they did not get here */

/* ---- errors ------------------------------------------------------------------------------------- */

/* An error as the app reported it, with what the reply's headers say of its retry. */
static enum stepd_status raise(struct stepd_ctx *ctx, const struct op_error *error, const struct retry_advice *advice)
{
    int64_t at_ms;

    if (!advice->is_retriable)
        return stepd_non_retriable(ctx, error->name, "%s", error->message);
    if (advice->after != NULL && moment_parse(advice->after, &at_ms) == 0)
        return stepd_retry_at(ctx, at_ms, error->name, "%s", error->message);
    return stepd_retry_after_http(ctx, advice->after, error->name, "%s", error->message);
}

/* Nothing is known of what the app did, and that is no failure: the attempt is made again elsewhere. */
static enum stepd_status give_up(struct stepd_ctx *ctx)
{
    ctx->suspension = SUSPENDED_BY_STORE;
    ctx->store_error = -ESHUTDOWN;
    return STEPD_SUSPENDED;
}

/* ---- what is known ------------------------------------------------------------------------------- */

static int64_t now_of(const struct stepd_ctx *ctx)
{
    int64_t now_ms = context_now_ms(ctx);

    return now_ms > ctx->run->now_ms ? now_ms : ctx->run->now_ms;
}

static bool is_finished(const struct stepd_ctx *ctx, const char *name)
{
    size_t position;

    return ctx->run->steps != NULL && steps_find(ctx->run->steps, ctx->run->phase, name, &position) != NULL;
}

/* The first sleep that ends after that time; 0: none. */
static int64_t next_waking(const struct stepd_ctx *ctx, int64_t after_ms)
{
    int64_t first_ms = 0;

    for (size_t i = 0; ctx->run->steps != NULL && i < steps_count(ctx->run->steps); i++) {
        const struct checkpoint *checkpoint = steps_at(ctx->run->steps, i);
        bool is_later = checkpoint->kind == CHECKPOINT_SLEEP && checkpoint->phase == ctx->run->phase && checkpoint->until_ms > after_ms;
        if (is_later && (first_ms == 0 || checkpoint->until_ms < first_ms))
            first_ms = checkpoint->until_ms;
    }
    return first_ms;
}

static bool has_planned(const struct sdk_errand *errand)
{
    size_t own = branches_find(&errand->branches, THE_FUNCTION) != NULL;

    return errand->branches.count > own;
}

/* Nothing else of the run is under way, or waits: the run as a whole is parked with what fails or sleeps. */
static bool is_alone(const struct turn *turn)
{
    return turn->errand->branches.count == 0 && sdk_errand_under_way(turn->errand) == 0 && next_waking(turn->ctx, now_of(turn->ctx)) == 0;
}

/* ---- durable ------------------------------------------------------------------------------------- */

static void keep_branches(struct turn *turn)
{
    msgpack_sbuffer packed;

    msgpack_sbuffer_init(&packed);
    branches_pack(&turn->errand->branches, &packed);
    turn->ctx->branches = (struct bytes){ context_strdup(turn->ctx, packed.data, packed.size), packed.size };
    msgpack_sbuffer_destroy(&packed);
}

/* What a branch failed of becomes durable while others go on. */
static enum stepd_status note_failure(struct turn *turn)
{
    int64_t due_ms = turn->failed_due_ms;

    if (due_ms == 0)
        return STEPD_OK;
    turn->failed_due_ms = 0;
    keep_branches(turn);
    return attempt_note(turn->ctx, turn->attempt, due_ms, &turn->errand->tail) ? STEPD_OK : STEPD_SUSPENDED;
}

struct outcome {
    const struct op *op;
    const struct retry_advice *advice;
};

/* The body of the step: all has happened in the app already. */
static enum stepd_status settle(struct stepd_ctx *ctx, const void *arg)
{
    const struct outcome *outcome = arg;
    struct retry_advice advice = *outcome->advice;

    if (outcome->op->kind == OP_RESULT) {
        msgpack_pack_object(stepd_output(ctx), *outcome->op->data);
        return STEPD_OK;
    }
    advice.is_retriable = advice.is_retriable && outcome->op->kind == OP_ERROR;
    return raise(ctx, &outcome->op->error, &advice);
}

/* An error for good is the app's to handle: OK. */
static enum stepd_status settle_alone(struct turn *turn, const struct op *op)
{
    const struct outcome outcome = { op, &turn->advice };
    enum stepd_status status = stepd_step_run(turn->ctx, op->name, settle, &outcome, NULL);

    turn->attempt = turn->ctx->run->attempt;
    turn->errand->has_news = true;
    return status == STEPD_FAILED ? STEPD_OK : status;
}

static enum stepd_status settle_beside(struct turn *turn, const struct op *op)
{
    const struct outcome outcome = { op, &turn->advice };
    int64_t due_ms = 0;

    STEPD_TRY(note_failure(turn));
    struct branch *branch = branches_add(&turn->errand->branches, op->name);
    enum stepd_status status = beside_settle(turn->ctx, op->name, branch->attempt, settle, &outcome, &due_ms);
    if (due_ms != 0) {
        branch->attempt++;
        branch->due_ms = due_ms;
        turn->failed_due_ms = due_ms;
        return STEPD_OK;
    }
    if (status == STEPD_SUSPENDED)
        return status;
    branches_remove(&turn->errand->branches, op->name);
    turn->attempt = turn->ctx->run->attempt;
    turn->errand->has_news = true;
    return STEPD_OK;
}

static enum stepd_status sleep_until(struct turn *turn, const struct op *op, int64_t until_ms, bool is_alone)
{
    if (until_ms <= now_of(turn->ctx))
        turn->errand->has_news = true;
    if (is_alone)
        return stepd_sleep_until(turn->ctx, op->name, until_ms);
    return beside_sleep(turn->ctx, op->name, until_ms);
}

static enum stepd_status sleep_as(struct turn *turn, const struct op *op, bool is_alone)
{
    int64_t ms;

    if (moment_parse(op->duration, &ms) == 0)
        return sleep_until(turn, op, ms, is_alone);
    if (moment_parse_delay(op->duration, &ms) == 0)
        return sleep_until(turn, op, context_now_ms(turn->ctx) + ms, is_alone);
    return stepd_non_retriable(turn->ctx, "InvalidSleep", "step '%s' sleeps for '%s', which is no duration and no date", op->name, op->duration);
}

/* ---- what a call came to ------------------------------------------------------------------------- */

static enum stepd_status finish(struct turn *turn, const msgpack_object *result)
{
    if (object_is_given(result))
        msgpack_pack_object(stepd_output(turn->ctx), *result);
    turn->is_done = true;
    return STEPD_OK;
}

static enum stepd_status take_op(struct turn *turn, const struct op *op, bool is_alone)
{
    switch (op->kind) {
    case OP_PLANNED:
        (void)branches_add(&turn->errand->branches, op->name);
        return STEPD_OK;
    case OP_SLEEP:
        return sleep_as(turn, op, is_alone);
    case OP_RESULT:
    case OP_ERROR:
    case OP_FAILED:
        return is_alone ? settle_alone(turn, op) : settle_beside(turn, op);
    case OP_COMPLETE:
        return finish(turn, op->data);
    case OP_UNKNOWN:
        break;
    }
    return stepd_non_retriable(turn->ctx, "UnsupportedStep", "step '%s' is a %s, which stepd does not have", op->name, op->duration);
}

/* What is on record already, or planned, is no news: an app lists all that it waits for. */
static bool is_known(const struct turn *turn, const struct op *op)
{
    bool is_planned = op->kind == OP_PLANNED && branches_find(&turn->errand->branches, op->name) != NULL;

    return op->kind != OP_COMPLETE && (is_planned || is_finished(turn->ctx, op->name));
}

static enum stepd_status take_ops(struct turn *turn, const struct ops *ops)
{
    bool is_only = is_alone(turn) && ops->count == 1;

    for (size_t i = 0; i < ops->count && !turn->is_done; i++) {
        if (!is_known(turn, &ops->items[i]))
            STEPD_TRY(take_op(turn, &ops->items[i], is_only));
    }
    return STEPD_OK;
}

/* An error of the function itself. Beside others it waits for its next attempt as they do. */
static enum stepd_status fail_function(struct turn *turn, const struct op_error *error)
{
    struct stepd_ctx *ctx = turn->ctx;

    (void)raise(ctx, error, &turn->advice);
    if (is_alone(turn) || ctx->raised.kind != RAISED_RETRIABLE || turn->attempt >= ctx->run->function->retries)
        return STEPD_FAILED;
    struct raised raised = ctx->raised;
    ctx->raised.kind = RAISED_NOTHING;
    STEPD_TRY(note_failure(turn));
    ctx->step_raised = raised;
    turn->failed_due_ms = raised_due_ms(&raised);
    if (turn->failed_due_ms == 0)
        turn->failed_due_ms = context_now_ms(ctx) + context_backoff_ms(ctx, &ctx->run->function->backoff);
    turn->attempt++;
    branches_add(&turn->errand->branches, THE_FUNCTION)->due_ms = turn->failed_due_ms;
    return STEPD_OK;
}

/* A call that was no success: of a step's own call that step's attempt, else the function's. */
static enum stepd_status fail_call(struct turn *turn, const char *name, const struct op_error *error)
{
    struct op op = { .kind = OP_ERROR, .error = *error };

    if (name[0] == '\0')
        return fail_function(turn, error);
    memcpy(op.name, name, sizeof(op.name));
    return settle_beside(turn, &op);
}

/* Whether the ops told of what was asked: of that step; or of anything, now or before. */
static bool is_answered(const struct turn *turn, const char *name, int attempts_before)
{
    const struct branch *branch = branches_find(&turn->errand->branches, name);

    if (turn->is_done)
        return true;
    if (name[0] != '\0')
        return branch == NULL || branch->attempt > attempts_before;
    return !is_alone(turn) || turn->errand->has_news;
}

/* What might have been reported before, but for a retry's, is told in the reply: the app's reports do not
 * get here, as where another daemon of the group is what the app asks. Each costs it seconds. */
static void note_silence(const struct turn *turn, const struct sdk_call *call, const struct ops *ops)
{
    if (call->was_open && call->attempt == 0 && ops->count > 0 && ops->items[0].kind == OP_RESULT)
        atomic_store(turn->function->silent_until_ns, clock_monotonic_ns() + SILENT_NS);
}

/* A list of ops, or the function's result. */
static enum stepd_status take_reply(struct turn *turn, const struct sdk_call *call)
{
    const struct branch *branch = branches_find(&turn->errand->branches, call->name);
    int attempts_before = branch != NULL ? branch->attempt : 0;
    const msgpack_object *body = stepd_from_json(turn->ctx, call->call->reply.data, call->call->reply.size);
    struct op_error invalid = { "InvalidReply", NULL };
    struct ops ops = { 0 };

    if (body != NULL && call->call->status == 200)
        return finish(turn, body);
    if (body != NULL) {
        ops_read(turn->ctx, body, &ops);
        note_silence(turn, call, &ops);
        STEPD_TRY(take_ops(turn, &ops));
        if (is_answered(turn, call->name, attempts_before))
            return STEPD_OK;
    }
    invalid.message = body == NULL ? "the app answered with what is no JSON" : "the app reported nothing new";
    return fail_call(turn, call->name, &invalid);
}

static bool is_success(const struct call *call)
{
    return call->status == 200 || call->status == 206;
}

static enum stepd_status take_call(struct turn *turn, const struct sdk_call *call)
{
    struct branch *branch = branches_find(&turn->errand->branches, call->name);
    const char *version = call->call->values[CALL_VERSION];
    struct op_error error;

    if (version != NULL)
        turn->errand->version = atoi(version);
    if (branch != NULL)
        branch->is_called = false;
    turn->advice = summons_advice(call);
    if (call->name[0] == '\0') {
        branches_remove(&turn->errand->branches, THE_FUNCTION);
        turn->errand->is_looking = false;
    }
    if (is_success(call->call))
        return take_reply(turn, call);
    summons_error(turn->ctx, turn->function, call, &error);
    return fail_call(turn, call->name, &error);
}

/* ---- what a call reports before it is over ------------------------------------------------------- */

static bool is_draining(const struct turn *turn)
{
    const atomic_bool *flag = turn->ctx->settings->is_draining;

    return flag != NULL && atomic_load((atomic_bool *)(uintptr_t)flag);
}

/* Results alone: else what the app goes on with would have to be undone. */
static enum stepd_status take_steps(struct turn *turn, const struct report *report)
{
    struct ops ops;

    ops_read(turn->ctx, report->steps, &ops);
    for (size_t i = 0; i < ops.count; i++) {
        const struct op *op = &ops.items[i];
        if (op->kind != OP_RESULT)
            return stepd_non_retriable(turn->ctx, "UnsupportedStep", "step '%s' is reported as a %s while the function goes on", op->name, op->duration);
        if (!is_finished(turn->ctx, op->name))
            STEPD_TRY(settle_alone(turn, op));
    }
    turn->errand->has_news = false; /* the app knows */
    return STEPD_OK;
}

/* A daemon that stops lets the step be the last one of this call: the run goes on elsewhere. */
static enum stepd_status take_report(struct turn *turn, struct report *report)
{
    enum stepd_status status = take_steps(turn, report);

    if (status == STEPD_OK && is_draining(turn))
        status = give_up(turn->ctx);
    report_answer(report, status == STEPD_OK ? REPORT_RECORDED : REPORT_STALE);
    return status;
}

static enum stepd_status take_reports(struct turn *turn)
{
    enum stepd_status status = STEPD_OK;

    while (status == STEPD_OK) {
        struct report *report = sdk_errand_take_report(turn->errand);
        if (report == NULL)
            break;
        status = take_report(turn, report);
        report_release(report);
    }
    return status;
}

static enum stepd_status take_calls(struct turn *turn)
{
    enum stepd_status status = STEPD_OK;

    while (status == STEPD_OK && !turn->is_done) {
        struct sdk_call *call = sdk_errand_take(turn->errand);
        if (call == NULL)
            break;
        status = take_call(turn, call);
        sdk_call_destroy(call);
    }
    return status;
}

/* ---- what goes out ------------------------------------------------------------------------------- */

static void call_step(struct turn *turn, struct branch *branch, int64_t now_ms)
{
    const struct request request = {
        .attempt = branch->attempt, .plans_alone = true, .version = turn->errand->version, .now_ms = now_ms,
    };

    branch->is_called = true;
    summons_send(turn->ctx, turn->function, turn->errand, branch->name, &request);
}

static void call_function(struct turn *turn, int64_t now_ms)
{
    const struct request request = {
        .attempt = turn->attempt,
        .plans_alone = has_planned(turn->errand) || next_waking(turn->ctx, now_ms) != 0,
        .version = turn->errand->version,
        .now_ms = now_ms,
    };
    bool is_beside = turn->errand->branches.count > 0 || next_waking(turn->ctx, now_ms) != 0;

    if (is_beside)
        branches_add(&turn->errand->branches, THE_FUNCTION)->is_called = true;
    turn->errand->has_news = false;
    turn->errand->is_looking = true;
    turn->errand->told_ms = now_ms;
    summons_send(turn->ctx, turn->function, turn->errand, THE_FUNCTION, &request);
}

/* Whether the function is to be asked what comes next. */
static bool is_to_look(const struct turn *turn, int64_t now_ms)
{
    const struct sdk_errand *errand = turn->errand;
    const struct branch *own = branches_find(&errand->branches, THE_FUNCTION);
    int64_t waking_ms = next_waking(turn->ctx, errand->told_ms);
    bool has_woken = waking_ms != 0 && waking_ms <= now_ms;

    if (errand->is_looking)
        return false;
    if (own != NULL)
        return own->due_ms <= now_ms;
    return has_woken || (errand->has_news && !(errand->version >= PLANS_BESIDE && has_planned(errand)));
}

static void call_out(struct turn *turn, int64_t now_ms)
{
    struct branches *branches = &turn->errand->branches;

    for (size_t i = 0; i < branches->count; i++) {
        struct branch *branch = &branches->items[i];
        if (branch->name[0] != '\0' && !branch->is_called && branch->due_ms <= now_ms)
            call_step(turn, branch, now_ms);
    }
    if (is_to_look(turn, now_ms))
        call_function(turn, now_ms);
}

/* When something is due that is not under way; 0: nothing is. */
static int64_t next_due(const struct turn *turn, int64_t now_ms)
{
    const struct branches *branches = &turn->errand->branches;
    int64_t due_ms = next_waking(turn->ctx, now_ms);

    for (size_t i = 0; i < branches->count; i++) {
        const struct branch *branch = &branches->items[i];
        if (!branch->is_called && branch->due_ms > now_ms && (due_ms == 0 || branch->due_ms < due_ms))
            due_ms = branch->due_ms;
    }
    return due_ms;
}

static enum stepd_status leave(struct turn *turn, int64_t now_ms)
{
    int64_t due_ms = next_due(turn, now_ms);

    STEPD_TRY(note_failure(turn));
    if (due_ms != 0)
        sdk_errand_wake(turn->errand, due_ms - now_ms);
    return context_leave_for(turn->ctx, &turn->errand->base);
}

/* Nothing is under way: the run waits in the store, holding nothing. */
static enum stepd_status park(struct turn *turn, int64_t due_ms)
{
    struct stepd_ctx *ctx = turn->ctx;

    keep_branches(turn);
    ctx->park = (struct transition){
        .kind = TRANSITION_PARK,
        .status = turn->failed_due_ms != 0 ? RUN_DELAYED : RUN_SLEEPING,
        .phase = ctx->run->phase,
        .attempt = turn->attempt,
        .due_ms = due_ms > 0 ? due_ms : 1,
    };
    ctx->suspension = SUSPENDED_TO_PARK;
    return STEPD_SUSPENDED;
}

static enum stepd_status go_on(struct turn *turn)
{
    int64_t now_ms = now_of(turn->ctx);
    bool may_begin = !is_draining(turn);

    if (may_begin)
        call_out(turn, now_ms);
    if (sdk_errand_under_way(turn->errand) > 0)
        return leave(turn, now_ms);
    return may_begin ? park(turn, next_due(turn, now_ms)) : give_up(turn->ctx);
}

/* ---- events of its end ---------------------------------------------------------------------------- */

/* Whether anybody here waits for it: each costs a message. */
static bool is_wanted(const struct stepd_ctx *ctx, const char *name)
{
    return ctx->settings->routes != NULL && routes_match(ctx->settings->routes, ctx->run->event->view.topic, name, NULL, 0) > 0;
}

static enum stepd_status tell(struct stepd_ctx *ctx, const char *name, const struct stepd_error *error, const msgpack_sbuffer *result)
{
    const struct sdk_function *function = stepd_options(ctx);
    msgpack_sbuffer data;

    msgpack_sbuffer_init(&data);
    request_write_end(ctx, function->slug, error, result, &data);
    enum stepd_status status = stepd_send_event(ctx, name, name, &data);
    msgpack_sbuffer_destroy(&data);
    return status;
}

enum stepd_status calls_on_failure(struct stepd_ctx *ctx)
{
    const struct stepd_error error = *stepd_last_error(ctx);

    /* A listener to failures that fails itself would be told of that for ever. */
    if (strcmp(stepd_event(ctx)->name, FAILED_EVENT) != 0)
        STEPD_TRY(tell(ctx, FAILED_EVENT, &error, NULL));
    return is_wanted(ctx, FINISHED_EVENT) ? tell(ctx, FINISHED_EVENT, &error, NULL) : STEPD_OK;
}

/* ---- the function --------------------------------------------------------------------------------- */

static bool is_pending(const struct stepd_ctx *ctx, const struct sdk_errand *errand)
{
    return errand->branches.count > 0 || next_waking(ctx, now_of(ctx)) != 0;
}

/* Of a run that begins, or that the store gave us: what is planned is in its tail. */
static struct sdk_errand *begin(struct stepd_ctx *ctx, const struct sdk_function *function)
{
    struct sdk_errand *errand = sdk_errand_create(function->settings->courier, function->settings->open_calls);

    branches_load(&errand->branches, attempts_branches(ctx->run->tail));
    for (size_t i = errand->branches.count; i-- > 0;) {
        if (is_finished(ctx, errand->branches.items[i].name))
            branches_remove(&errand->branches, errand->branches.items[i].name);
    }
    /* A daemon that died may have ended a step and asked nobody what follows. */
    errand->has_news = !is_pending(ctx, errand) || ctx->run->unclean > 0;
    return errand;
}

enum stepd_status calls_run(struct stepd_ctx *ctx)
{
    const struct sdk_function *function = stepd_options(ctx);
    struct turn turn = { .ctx = ctx, .function = function, .attempt = ctx->run->attempt };

    if (function->is_gone)
        return stepd_non_retriable(ctx, "FunctionGone", "its app no longer has function '%s'", function->slug);
    if (function->expression != NULL && !expression_holds(function->expression, stepd_event(ctx)))
        return STEPD_OK;
    if (ctx->run->errand == NULL) {
        ctx->run->errand = &begin(ctx, function)->base;
        ctx->run->begun_ns = ctx->started_ns;
    }
    turn.errand = sdk_errand_of(ctx->run->errand);
    if (sdk_errand_is_cancelled(turn.errand) && !context_may_go_on(ctx))
        return STEPD_SUSPENDED;
    STEPD_TRY(take_reports(&turn));
    STEPD_TRY(take_calls(&turn));
    if (!turn.is_done)
        return go_on(&turn);
    if (is_wanted(ctx, FINISHED_EVENT) && strcmp(stepd_event(ctx)->name, FINISHED_EVENT) != 0)
        return tell(ctx, FINISHED_EVENT, NULL, &ctx->output);
    return STEPD_OK;
}
