/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/settle.h"

#include <assert.h>
#include <stdlib.h>

#include "codec/number.h"
#include "run/beside.h"
#include "run/context.h"
#include "run/invoke.h"
#include "run/signal_wait.h"
#include "run/wait.h"
#include "sdk/calls_settings.h"
#include "sdk/sdk_time.h"
#include "sdk/signals_port.h"

enum stepd_status settle_raise(struct stepd_ctx *ctx, const struct op_error *error, const struct retry_advice *advice)
{
    int64_t at_ms;

    if (!advice->is_retriable)
        return stepd_non_retriable(ctx, error->name, "%s", error->message);
    if (advice->after != NULL && sdk_time_parse(advice->after, &at_ms) == 0) {
        (void)stepd_error(ctx, error->name, "%s", error->message);
        context_due_by_header(ctx, at_ms);
        return STEPD_FAILED;
    }
    return stepd_retry_after_http(ctx, advice->after, error->name, "%s", error->message);
}

/* ---- steps ---------------------------------------------------------------------------------------- */

struct outcome {
    const struct op *op;
    const struct retry_advice *advice;
};

/* Go's steps give a value beside their error. */
static void keep_beside_error(struct stepd_ctx *ctx, const msgpack_object *data)
{
    msgpack_sbuffer packed;
    msgpack_packer packer;

    if (data == NULL)
        return;
    msgpack_sbuffer_init(&packed);
    msgpack_packer_init(&packer, &packed, msgpack_sbuffer_write);
    number_pack(&packer, data);
    ctx->step.beside_error = (struct bytes){ context_strdup(ctx, packed.data, packed.size), packed.size };
    msgpack_sbuffer_destroy(&packed);
}

/* The body of the step: all has happened in the app already. */
static enum stepd_status settle(struct stepd_ctx *ctx, const void *arg)
{
    const struct outcome *outcome = arg;
    struct retry_advice advice = *outcome->advice;

    assert(outcome->op->kind == OP_RESULT || outcome->op->kind == OP_ERROR || outcome->op->kind == OP_FAILED);
    if (outcome->op->kind == OP_RESULT) {
        number_pack(stepd_output(ctx), outcome->op->data);
        return STEPD_OK;
    }
    keep_beside_error(ctx, outcome->op->error.data);
    advice.is_retriable = advice.is_retriable && outcome->op->kind == OP_ERROR;
    return settle_raise(ctx, &outcome->op->error, &advice);
}

enum stepd_status settle_alone(struct sdk_attempt *turn, const struct op *op)
{
    const struct outcome outcome = { op, &turn->advice };
    enum stepd_status status = stepd_step_run(turn->ctx, op->name, settle, &outcome, NULL);

    turn->attempt = turn->ctx->run->attempt;
    turn->errand->has_news = true;
    return status == STEPD_FAILED ? STEPD_OK : status;
}

enum stepd_status settle_beside(struct sdk_attempt *turn, const struct op *op)
{
    const struct outcome outcome = { op, &turn->advice };
    bool is_later;
    enum stepd_status status = ops_settle_beside(&turn->ops, turn->attempt, op->name, settle, &outcome, &is_later);

    if (is_later || status == STEPD_SUSPENDED)
        return status;
    turn->attempt = turn->ctx->run->attempt;
    turn->errand->has_news = true;
    return STEPD_OK;
}

/* ---- sleeps --------------------------------------------------------------------------------------- */

static enum stepd_status sleep_until(struct sdk_attempt *turn, const struct op *op, int64_t until_ms, bool is_alone)
{
    if (until_ms <= sdk_attempt_now_ms(turn))
        turn->errand->has_news = true;
    if (is_alone)
        return stepd_sleep_until(turn->ctx, op->name, until_ms);
    return beside_sleep(turn->ctx, op->name, until_ms);
}

enum stepd_status settle_sleep(struct sdk_attempt *turn, const struct op *op, bool is_alone)
{
    int64_t ms;

    if (sdk_time_parse(op->duration, &ms) == 0)
        return sleep_until(turn, op, ms, is_alone);
    if (sdk_time_parse_delay(op->duration, &ms) == 0)
        return sleep_until(turn, op, context_now_ms(turn->ctx) + ms, is_alone);
    return stepd_non_retriable(turn->ctx, "InvalidSleep", "step '%s' sleeps for '%s', which is no duration and no date", op->name,
                               op->duration);
}

/* ---- waits ---------------------------------------------------------------------------------------- */

/* False: it is no duration and no date. 0: it has none. */
static bool read_timeout(const struct sdk_attempt *turn, const struct op *op, int64_t *ret_timeout_ms)
{
    int64_t at_ms;

    *ret_timeout_ms = 0;
    if (op->timeout[0] == '\0' || sdk_time_parse_delay(op->timeout, ret_timeout_ms) == 0)
        return true;
    if (sdk_time_parse(op->timeout, &at_ms) != 0)
        return false;
    *ret_timeout_ms = at_ms - context_now_ms(turn->ctx);
    if (*ret_timeout_ms < 1)
        *ret_timeout_ms = 1;
    return true;
}

static enum stepd_status refuse_timeout(struct stepd_ctx *ctx, const struct op *op)
{
    return stepd_non_retriable(ctx, "InvalidTimeout", "step '%s' has a timeout of '%s', which is no duration and no date", op->name,
                               op->timeout);
}

/* It is to be given the outcome once there is one. */
static enum stepd_status waits(struct sdk_attempt *turn, enum stepd_status status)
{
    return status == STEPD_SUSPENDED && !context_is_decided(turn->ctx) ? STEPD_OK : status;
}

/* Durable from then on. */
static enum stepd_status wait_for(struct sdk_attempt *turn, const struct op *op, struct stepd_wait wait, bool is_alone)
{
    if (op->timeout[0] != '\0' && wait.timeout_ms < 1)
        wait.timeout_ms = 1;
    STEPD_TRY(sdk_attempt_note_failure(turn));
    if (is_alone)
        turn->attempt = turn->ctx->run->attempt = 0;
    return waits(turn, wait_beside(turn->ctx, op->name, &wait, op->has_more));
}

enum stepd_status settle_wait(struct sdk_attempt *turn, const struct op *op, bool is_alone)
{
    struct stepd_wait wait = { .event = op->event, .when = op->when };

    if (!read_timeout(turn, op, &wait.timeout_ms))
        return refuse_timeout(turn->ctx, op);
    return wait_for(turn, op, wait, is_alone);
}

/* While no other run begins to wait for it. */
static enum stepd_status wait_alone(struct sdk_attempt *turn, const struct op *op, const struct stepd_wait *wait, bool is_alone)
{
    const struct signals_port *port = turn->function->settings->signals;
    const struct run_id *run = &turn->ctx->run->id;
    enum stepd_status status;
    bool is_free;

    if (port->begin(port->context, op->event, run, op->replaces, &is_free) != 0)
        return context_give_up(turn->ctx);
    if (is_free)
        status = wait_for(turn, op, *wait, is_alone);
    else
        status = stepd_non_retriable(turn->ctx, "Error", "Signal conflict; signal wait already exists for another run");
    (void)port->end(port->context, op->event, run); /* else it ends by itself */
    return status;
}

enum stepd_status settle_signal(struct sdk_attempt *turn, const struct op *op, bool is_alone)
{
    struct stepd_wait wait = { .event = SIGNAL_EVENT };

    if (!signal_name_is_valid(op->event))
        return stepd_non_retriable(turn->ctx, "InvalidSignal", "step '%s' waits for a signal whose name has not 1 to %d bytes", op->name,
                                   SIGNAL_NAME_MAX);
    if (!read_timeout(turn, op, &wait.timeout_ms))
        return refuse_timeout(turn->ctx, op);
    AUTO_FREE char *when = signal_wait_when(op->event);
    wait.when = when;
    return wait_alone(turn, op, &wait, is_alone);
}

/* ---- other functions ------------------------------------------------------------------------------ */

enum stepd_status settle_invoke(struct sdk_attempt *turn, const struct op *op, bool is_alone)
{
    struct stepd_ctx *ctx = turn->ctx;
    int64_t timeout_ms;

    if (!read_timeout(turn, op, &timeout_ms))
        return refuse_timeout(ctx, op);
    STEPD_TRY(sdk_attempt_note_failure(turn));
    const struct invoke_ask ask = {
        .function_id = op->function_id,
        .timeout_ms = timeout_ms,
        .event_name = "inngest/function.invoked",
    };
    enum stepd_status status = waits(turn, ops_invoke(ctx, op->name, ask, op->data, is_alone));
    if (status == STEPD_FAILED) { /* it is on record, for the app to hear of */
        (void)context_take_raised(ctx);
        turn->attempt = ctx->run->attempt;
        turn->errand->has_news = true;
        return STEPD_OK;
    }
    return status;
}
