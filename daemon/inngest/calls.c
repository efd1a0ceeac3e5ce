/* SPDX-License-Identifier: Apache-2.0 */
#include "inngest/calls.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/context.h"
#include "core/json.h"
#include "core/steps.h"
#include "inngest/app.h"
#include "inngest/client.h"
#include "inngest/expression.h"
#include "inngest/moment.h"
#include "inngest/object.h"
#include "inngest/ops.h"
#include "inngest/request.h"
#include "inngest/step_name.h"

#define CALL_TIMEOUT_MS (INT64_C(2) * 3600000) /* of a function that has no timeout of its own */
#define WHOLE_FUNCTION "step"                  /* the step id that means: go on until something is found */
#define FAILED_EVENT "inngest/function.failed"
#define FINISHED_EVENT "inngest/function.finished"

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
    if (!slot_is_abandoned(ctx->slot)) {
        ctx->suspension = SUSPENDED_BY_STORE;
        ctx->store_error = -ESHUTDOWN;
    }
    return STEPD_SUSPENDED;
}

/* ---- a call -------------------------------------------------------------------------------------- */

static bool is_cancelled(void *context)
{
    return stepd_is_cancelled(context);
}

static enum stepd_status refuse_reply(struct stepd_ctx *ctx, const struct sdk_function *function, int status, const struct error *error)
{
    if (status == -ECANCELED)
        return give_up(ctx);
    return stepd_error(ctx, status == -ETIMEDOUT ? "CallTimeout" : "CallFailed", "%s: %s", function->url, error->text);
}

/* `step_id`: the hash of the one step that is wanted, or WHOLE_FUNCTION. */
static enum stepd_status call(struct stepd_ctx *ctx, const struct sdk_function *function, const char *step_id, struct client_reply *ret_reply)
{
    AUTO_FREE char *url = xasprintf("%s%s", function->url, step_id);
    AUTO_FREE char *run_header = xasprintf("X-Run-Id: %s", stepd_run_id(ctx));
    AUTO_FREE char *step_header = xasprintf("X-Inngest-Step-Id: %s", step_id);
    const char *trace = stepd_event(ctx)->traceparent;
    AUTO_FREE char *trace_header = trace != NULL ? xasprintf("Traceparent: %s", trace) : NULL;
    const char *const headers[] = {
        "Content-Type: application/json", "Expect:", "User-Agent: stepd", "X-Inngest-Req-Version: -1", run_header, step_header, trace_header, NULL,
    };
    int64_t left_ms = stepd_time_left_ms(ctx);
    struct error error = { 0 };
    msgpack_sbuffer body;

    msgpack_sbuffer_init(&body);
    request_write(ctx, strcmp(step_id, WHOLE_FUNCTION) != 0, &body);
    const struct client_request request = {
        .method = "POST",
        .url = url,
        .body = { body.data, body.size },
        .headers = headers,
        .timeout_ms = left_ms < CALL_TIMEOUT_MS ? left_ms : CALL_TIMEOUT_MS,
        .is_cancelled = is_cancelled,
        .context = ctx,
    };
    int status = client_send(&request, ret_reply, &error);
    msgpack_sbuffer_destroy(&body);
    return status == 0 ? STEPD_OK : refuse_reply(ctx, function, status, &error);
}

/* ---- what it reports ----------------------------------------------------------------------------- */

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

static bool is_finished(const struct stepd_ctx *ctx, const char *name)
{
    size_t position;

    return ctx->run->steps != NULL && steps_find(ctx->run->steps, ctx->run->phase, name, &position) != NULL;
}

static enum stepd_status sleep_as(struct stepd_ctx *ctx, const struct op *op)
{
    int64_t ms;

    if (moment_parse(op->duration, &ms) == 0)
        return stepd_sleep_until(ctx, op->name, ms);
    if (moment_parse_delay(op->duration, &ms) == 0)
        return stepd_sleep(ctx, op->name, ms);
    return stepd_non_retriable(ctx, "InvalidSleep", "step '%s' sleeps for '%s', which is no duration and no date", op->name, op->duration);
}

/* A step's result, error or sleep becomes durable. An error for good is the app's to handle: OK. */
static enum stepd_status record(struct stepd_ctx *ctx, const struct op *op, const struct retry_advice *advice)
{
    const struct outcome outcome = { op, advice };

    if (op->kind == OP_UNKNOWN)
        return stepd_non_retriable(ctx, "UnsupportedStep", "step '%s' is a %s, which stepd does not have", op->name, op->duration);
    if (op->kind == OP_SLEEP)
        return sleep_as(ctx, op);
    enum stepd_status status = stepd_step_run(ctx, op->name, settle, &outcome, NULL);
    return status == STEPD_FAILED ? STEPD_OK : status;
}

static enum stepd_status finish(struct stepd_ctx *ctx, const msgpack_object *result)
{
    if (object_is_given(result))
        msgpack_pack_object(stepd_output(ctx), *result);
    return STEPD_OK;
}

static enum stepd_status run_planned(struct stepd_ctx *ctx, const struct sdk_function *function, const struct op *planned);

/* Everything of a call's list: first what is to run, then what sleeps, which parks the run. */
static enum stepd_status take_ops(struct stepd_ctx *ctx, const struct sdk_function *function, const struct ops *ops, size_t *ret_taken)
{
    *ret_taken = 0;
    for (int is_sleeping = 0; is_sleeping <= 1; is_sleeping++) {
        if (is_sleeping && *ret_taken > 0)
            return STEPD_OK; /* what ran may have brought up more that can */
        for (size_t i = 0; i < ops->count; i++) {
            const struct op *op = &ops->items[i];
            if ((op->kind == OP_SLEEP) != is_sleeping || is_finished(ctx, op->name))
                continue;
            STEPD_TRY(op->kind == OP_PLANNED ? run_planned(ctx, function, op) : record(ctx, op, &ops->advice));
            ++*ret_taken;
        }
    }
    return STEPD_OK;
}

/* A function's error: a reply that is no success. */
static enum stepd_status fail(struct stepd_ctx *ctx, const struct client_reply *reply, const struct retry_advice *advice)
{
    struct op_error error;

    op_error_read(ctx, reply->status, stepd_from_json(ctx, reply->body.data, reply->body.size), &error);
    return raise(ctx, &error, advice);
}

static struct retry_advice advice_of(struct stepd_ctx *ctx, const struct client_reply *reply)
{
    const char *no_retry = client_header(reply, "X-Inngest-No-Retry");
    const bool is_final = no_retry != NULL && strcasecmp(no_retry, "true") == 0;
    const char *after = client_header(reply, "Retry-After");

    return (struct retry_advice){ !is_final, after != NULL ? context_strdup(ctx, after, strlen(after)) : NULL };
}

/* One call and all that comes of it. *ret_is_done: the function has ended well. */
static enum stepd_status advance(struct stepd_ctx *ctx, const struct sdk_function *function, const char *step_id, bool *ret_is_done)
{
    struct client_reply reply;
    struct ops ops = { 0 };
    size_t taken;

    *ret_is_done = false;
    STEPD_TRY(call(ctx, function, step_id, &reply));
    ops.advice = advice_of(ctx, &reply);
    if (reply.status != 200 && reply.status != 206)
        return fail(ctx, &reply, &ops.advice);
    const msgpack_object *body = stepd_from_json(ctx, reply.body.data, reply.body.size);
    if (body == NULL)
        return stepd_error(ctx, "InvalidReply", "%s answered %d with what is no JSON", function->url, reply.status);
    *ret_is_done = reply.status == 200;
    if (*ret_is_done)
        return finish(ctx, body);
    ops_read(ctx, body, &ops);
    *ret_is_done = ops.count == 1 && ops.items[0].kind == OP_COMPLETE;
    if (*ret_is_done)
        return finish(ctx, ops.items[0].data);
    STEPD_TRY(take_ops(ctx, function, &ops, &taken));
    return taken > 0 ? STEPD_OK : stepd_error(ctx, "InvalidReply", "%s reported nothing new", function->url);
}

/* One of several steps that the function wants: called by itself. They go one after the other, so that
 * each has its own attempts, and those that are done stay done while another is retried. */
static enum stepd_status run_planned(struct stepd_ctx *ctx, const struct sdk_function *function, const struct op *planned)
{
    bool is_done;

    return advance(ctx, function, planned->hash.text, &is_done);
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

/* A sleep that is not over: the run came back before its time, from a worker that is gone. */
static enum stepd_status sleep_on(struct stepd_ctx *ctx)
{
    for (size_t i = 0; ctx->run->steps != NULL && i < steps_count(ctx->run->steps); i++) {
        const struct checkpoint *checkpoint = steps_at(ctx->run->steps, i);
        if (checkpoint->kind == CHECKPOINT_SLEEP && checkpoint->phase == ctx->run->phase)
            STEPD_TRY(stepd_sleep_until(ctx, checkpoint->id, checkpoint->until_ms));
    }
    return STEPD_OK;
}

enum stepd_status calls_run(struct stepd_ctx *ctx)
{
    const struct sdk_function *function = stepd_options(ctx);
    bool is_done = false;

    if (function->is_gone)
        return stepd_non_retriable(ctx, "FunctionGone", "its app no longer has function '%s'", function->slug);
    if (function->expression != NULL && !expression_holds(function->expression, stepd_event(ctx)))
        return STEPD_OK;
    STEPD_TRY(sleep_on(ctx));
    while (!is_done)
        STEPD_TRY(advance(ctx, function, WHOLE_FUNCTION, &is_done));
    if (is_wanted(ctx, FINISHED_EVENT) && strcmp(stepd_event(ctx)->name, FINISHED_EVENT) != 0)
        return tell(ctx, FINISHED_EVENT, NULL, &ctx->output);
    return STEPD_OK;
}
