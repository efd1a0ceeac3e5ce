/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/take_results.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "codec/number.h"
#include "run/wait.h"
#include "sdk/call_request.h"
#include "sdk/gateway.h"
#include "sdk/object.h"
#include "sdk/op_list.h"
#include "sdk/send_due.h"
#include "sdk/settle.h"

#define SILENT_NS (INT64_C(60) * 1000000000) /* how long reports are not asked for once they did not get here */

/* ---- what a reply lists -------------------------------------------------------------------------- */

static enum stepd_status finish(struct sdk_attempt *turn, const msgpack_object *result)
{
    if (object_is_given(result))
        number_pack(stepd_output(turn->ctx), result);
    turn->is_done = true;
    return STEPD_OK;
}

static enum stepd_status take_op(struct sdk_attempt *turn, const struct op *op, bool is_alone)
{
    switch (op->kind) {
    case OP_PLANNED:
        (void)branches_add(&turn->errand->branches, op->name);
        return STEPD_OK;
    case OP_SLEEP:
        return settle_sleep(turn, op, is_alone);
    case OP_WAIT:
        return settle_wait(turn, op, is_alone);
    case OP_SIGNAL:
        return settle_signal(turn, op, is_alone);
    case OP_INVOKE:
        return settle_invoke(turn, op, is_alone);
    case OP_FETCH:
    case OP_MODEL:
        return gateway_take(turn, op);
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
static bool is_known(const struct sdk_attempt *turn, const struct op *op)
{
    bool is_planned = op->kind == OP_PLANNED && branches_find(&turn->errand->branches, op->name) != NULL;

    return op->kind != OP_COMPLETE && (is_planned || sdk_attempt_has_finished(turn, op->name));
}

static bool has_more(const struct sdk_attempt *turn, const struct op_list *ops, size_t index)
{
    const struct stepd_wait wait = { .event = ops->items[index].event, .when = ops->items[index].when };

    for (size_t i = index + 1; i < ops->count && ops->items[index].kind == OP_WAIT; i++) {
        const struct stepd_wait other = { .event = ops->items[i].event, .when = ops->items[i].when };
        if (ops->items[i].kind == OP_WAIT && wait_is_same(&wait, &other) && !is_known(turn, &ops->items[i]))
            return true;
    }
    return false;
}

static enum stepd_status take_ops(struct sdk_attempt *turn, const struct op_list *ops)
{
    bool is_only = sdk_attempt_is_alone(turn) && ops->count == 1;

    for (size_t i = 0; i < ops->count && !turn->is_done; i++) {
        turn->errand->is_racing |= ops->items[i].races;
        if (is_known(turn, &ops->items[i]))
            continue;
        ops->items[i].has_more = has_more(turn, ops, i);
        STEPD_TRY(take_op(turn, &ops->items[i], is_only));
    }
    return STEPD_OK;
}

/* ---- what a call came to -------------------------------------------------------------------------- */

/* An error of the function itself. Beside others it waits for its next attempt as they do. */
static enum stepd_status fail_function(struct sdk_attempt *turn, const struct op_error *error)
{
    struct stepd_ctx *ctx = turn->ctx;

    (void)settle_raise(ctx, error, &turn->advice);
    return sdk_attempt_is_alone(turn) ? STEPD_FAILED : ops_fail_function(&turn->ops, &turn->attempt);
}

/* A call that was no success: of a step's own call that step's attempt, else the function's. */
static enum stepd_status fail_call(struct sdk_attempt *turn, const char *name, const struct op_error *error)
{
    struct op op = { .kind = OP_ERROR, .error = *error };

    if (name[0] == '\0')
        return fail_function(turn, error);
    memcpy(op.name, name, sizeof(op.name));
    return settle_beside(turn, &op);
}

/* Whether the ops told of what was asked: of that step; or of anything, now or before. */
static bool is_answered(const struct sdk_attempt *turn, const char *name, int attempts_before)
{
    const struct branch *branch = branches_find(&turn->errand->branches, name);

    if (turn->is_done)
        return true;
    if (name[0] != '\0')
        return branch == NULL || branch->attempt > attempts_before;
    return !sdk_attempt_is_alone(turn) || turn->errand->has_news;
}

/* What might have been reported before, but for a retry's, is told in the reply: the app's reports do not
 * get here, as where another daemon of the group is what the app asks. Each costs it seconds. */
static void note_silence(const struct sdk_attempt *turn, const struct sdk_call *call, const struct op_list *ops)
{
    if (call->was_open && call->attempt == 0 && ops->count > 0 && ops->items[0].kind == OP_RESULT)
        atomic_store(turn->function->silent_until_ns, clock_monotonic_ns() + SILENT_NS);
}

/* A list of ops, or the function's result. */
static enum stepd_status take_reply(struct sdk_attempt *turn, const struct sdk_call *call)
{
    const struct branch *branch = branches_find(&turn->errand->branches, call->name);
    int attempts_before = branch != NULL ? branch->attempt : 0;
    const msgpack_object *body = stepd_from_json(turn->ctx, call->call->reply.data, call->call->reply.size);
    struct op_error invalid = { .name = "InvalidReply" };
    struct op_list ops = { 0 };

    if (body != NULL && call->call->status == 200)
        return finish(turn, body);
    if (body != NULL) {
        op_list_read(turn->ctx, body, &ops);
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

static enum stepd_status take_call(struct sdk_attempt *turn, const struct sdk_call *call)
{
    struct branch *branch = branches_find(&turn->errand->branches, call->name);
    const char *version = call->call->values[CALL_VERSION];
    struct op_error error;

    if (branch != NULL)
        branch->is_called = false;
    if (call->is_outside)
        return gateway_settle(turn, call);
    if (version != NULL)
        turn->errand->version = atoi(version);
    turn->advice = call_request_advice(call);
    if (call->name[0] == '\0') {
        branches_remove(&turn->errand->branches, THE_FUNCTION);
        turn->errand->is_looking = false;
    }
    if (is_success(call->call))
        return take_reply(turn, call);
    call_request_error(turn->ctx, turn->function, call, &error);
    return fail_call(turn, call->name, &error);
}

static enum stepd_status take_calls(struct sdk_attempt *turn)
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

/* ---- what a call reports before it is over ------------------------------------------------------- */

/* A step that failed. What its call goes on with is of no use, as SDK 4.x takes a falsy error for a result: it is
 * told to stop, and the function is called anew, or waits for the step's retry. */
static enum stepd_status take_reported_error(struct sdk_attempt *turn, const struct op *op)
{
    turn->advice = (struct retry_advice){ .is_retriable = true };
    STEPD_TRY(settle_alone(turn, op));
    return send_due_call_anew(turn);
}

static enum stepd_status take_reported(struct sdk_attempt *turn, const struct op *op)
{
    switch (op->kind) {
    case OP_RESULT:
        return settle_alone(turn, op);
    case OP_ERROR:
    case OP_FAILED:
        return take_reported_error(turn, op);
    default:
        return stepd_non_retriable(turn->ctx, "UnsupportedStep", "step '%s' is reported as a %s while the function goes on", op->name,
                                   op->duration);
    }
}

static enum stepd_status take_steps(struct sdk_attempt *turn, const struct report *report)
{
    struct op_list ops;

    op_list_read(turn->ctx, report->steps, &ops);
    for (size_t i = 0; i < ops.count; i++) {
        if (!sdk_attempt_has_finished(turn, ops.items[i].name))
            STEPD_TRY(take_reported(turn, &ops.items[i]));
    }
    turn->errand->has_news = false; /* the app knows */
    return STEPD_OK;
}

/* A daemon that stops lets the step be the last one of this call: the run goes on elsewhere. */
static enum stepd_status take_report(struct sdk_attempt *turn, struct report *report)
{
    enum stepd_status status = take_steps(turn, report);

    if (status == STEPD_OK && context_is_draining(turn->ctx))
        status = context_give_up(turn->ctx);
    report_answer(report, status == STEPD_OK ? REPORT_RECORDED : REPORT_STALE);
    return status;
}

static enum stepd_status take_reports(struct sdk_attempt *turn)
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

enum stepd_status take_results(struct sdk_attempt *turn)
{
    STEPD_TRY(take_reports(turn));
    return take_calls(turn);
}
