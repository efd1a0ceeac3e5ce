/* SPDX-License-Identifier: Apache-2.0 */
#include "run/invoke.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/packed.h"
#include "run/beside.h"
#include "run/checkpoints.h"
#include "run/emit.h"
#include "run/failure.h"
#include "run/step_internal.h"

#define KIND "invoke"
#define FIELDS 3
#define OWN_HEADERS 4

/* ---- what stands in the checkpoint -------------------------------------------------------------- */

bool invoke_read(struct bytes value, struct invoke_view *ret_view)
{
    struct fields fields = fields_open(value);
    struct bytes kind = fields_take_text(&fields);

    *ret_view = (struct invoke_view){ .run_id = fields_take_text(&fields), .function_id = fields_take_text(&fields) };
    return !fields.is_damaged && kind.size == strlen(KIND) && memcmp(kind.data, KIND, kind.size) == 0 &&
           ret_view->run_id.size == RUN_ID_LENGTH;
}

static void write_value(msgpack_sbuffer *value, const struct run_id *id, const char *function_id)
{
    msgpack_packer packer;

    assert(id->text[0] != '\0');
    msgpack_packer_init(&packer, value, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, FIELDS);
    failure_pack_text(&packer, KIND);
    failure_pack_text(&packer, id->text);
    failure_pack_text(&packer, function_id);
}

static int depth_of(const struct event *event)
{
    struct bytes value;
    char digits[8] = "";

    if (event->view.partition >= 0 || !event_header_find(event, INVOKE_DEPTH_HEADER, &value) || value.size >= sizeof(digits))
        return 0;
    memcpy(digits, value.data, value.size);
    return (int)strtol(digits, NULL, 10);
}

/* ---- the run that is called --------------------------------------------------------------------- */

/* One call, in the attempt's memory. */
struct call {
    struct function function; /* stands for the one of that id, which may be another daemon's */
    struct event event;
    struct run run;
    struct callee callee;
    struct event_header headers[OWN_HEADERS + EMIT_TRACE_HEADERS];
    char depth[12];
    char trace[TRACE_PARENT_SIZE];
};

static struct bytes keep(struct stepd_ctx *ctx, msgpack_sbuffer *buffer)
{
    struct bytes kept = { context_strdup(ctx, buffer->data != NULL ? buffer->data : "", buffer->size), buffer->size };

    msgpack_sbuffer_destroy(buffer);
    return kept;
}

static struct bytes text_bytes(const char *text)
{
    return (struct bytes){ text, strlen(text) };
}

static void make_event(struct stepd_ctx *ctx, const struct invoke_ask *ask, struct call *call)
{
    const struct run *caller = ctx->run;
    int64_t now_ms = context_now_ms(ctx);
    msgpack_sbuffer value;
    size_t count = 0;

    msgpack_sbuffer_init(&value);
    const char *name = ask->event_name != NULL ? ask->event_name : INVOKE_EVENT;
    const char *type = emit_envelope(call->run.id.text, name, now_ms, ask->data, &value);
    (void)snprintf(call->depth, sizeof(call->depth), "%d", depth_of(caller->event) + 1);
    call->headers[count++] = (struct event_header){ "content-type", text_bytes(type) };
    call->headers[count++] = (struct event_header){ INVOKE_CALLER_HEADER, text_bytes(caller->id.text) };
    call->headers[count++] =
        (struct event_header){ INVOKE_STEP_HEADER, text_bytes(context_strdup(ctx, ctx->step.id, strlen(ctx->step.id))) };
    call->headers[count++] = (struct event_header){ INVOKE_DEPTH_HEADER, text_bytes(call->depth) };
    count += emit_trace_headers(ctx, call->trace, &call->headers[count]);
    event_init(&call->event, ctx->settings->topics[0], -1, -1, now_ms, (struct bytes){ 0 }, keep(ctx, &value), call->headers, count);
}

static void make_answer(struct stepd_ctx *ctx, const struct checkpoint *checkpoint, struct call *call)
{
    msgpack_sbuffer head, middle;

    msgpack_sbuffer_init(&head);
    msgpack_sbuffer_init(&middle);
    checkpoint_pack_around(&head, &middle, checkpoint);
    call->callee = (struct callee){ .run = &call->run, .head = keep(ctx, &head), .middle = keep(ctx, &middle) };
}

/* Of ctx->step; what becomes of it is to be `checkpoint`'s end. */
static struct call *make_call(struct stepd_ctx *ctx, const struct invoke_ask *ask, const struct run_id *id,
                              const struct checkpoint *checkpoint)
{
    struct call *call = context_alloc(ctx, sizeof(*call));

    assert(ask->function_id != NULL);
    memset(call, 0, sizeof(*call));
    call->function.id = context_strdup(ctx, ask->function_id, strlen(ask->function_id));
    call->run = (struct run){ .function = &call->function,
                              .event = &call->event,
                              .id = *id,
                              .first_epoch = context_new_epoch(ctx),
                              .created_ms = context_now_ms(ctx) };
    make_event(ctx, ask, call);
    make_answer(ctx, checkpoint, call);
    return call;
}

void called_init(struct called *called, const char *function_id, const struct run_id *id, const char *topic, struct bytes data,
                 int64_t now_ms, struct callee *ret_callee)
{
    static const struct checkpoint nobodys = { .id = KIND, .executions = 1 };

    assert(function_id[0] != '\0');
    memset(called, 0, sizeof(*called));
    msgpack_sbuffer_init(&called->value);
    msgpack_sbuffer_init(&called->head);
    msgpack_sbuffer_init(&called->middle);
    const char *type = emit_envelope(id->text, INVOKE_EVENT, now_ms, data, &called->value);
    called->headers[0] = (struct event_header){ "content-type", text_bytes(type) };
    event_init(&called->event, topic, -1, -1, now_ms, (struct bytes){ 0 }, (struct bytes){ called->value.data, called->value.size },
               called->headers, 1);
    called->function.id = function_id;
    called->run = (struct run){ .function = &called->function, .event = &called->event, .id = *id, .created_ms = now_ms };
    checkpoint_pack_around(&called->head, &called->middle, &nobodys);
    *ret_callee = (struct callee){
        .run = &called->run,
        .head = { called->head.data, called->head.size },
        .middle = { called->middle.data, called->middle.size },
    };
}

void called_done(struct called *called)
{
    event_done(&called->event);
    msgpack_sbuffer_destroy(&called->value);
    msgpack_sbuffer_destroy(&called->head);
    msgpack_sbuffer_destroy(&called->middle);
}

/* ---- a call that is refused --------------------------------------------------------------------- */

static enum stepd_status fail(struct stepd_ctx *ctx, const char *name, const char *format, ...) PRINTF_LIKE(3, 4);
static enum stepd_status fail(struct stepd_ctx *ctx, const char *name, const char *format, ...)
{
    va_list arguments;

    ctx->step.is_running = true; /* the error is the step's */
    va_start(arguments, format);
    context_vraise(ctx, RAISED_NON_RETRIABLE, name, format, arguments);
    va_end(arguments);
    ctx->step.is_running = false;
    return step_fail_for_good(ctx);
}

/* True: *ret_status is what the call answers. */
static bool is_refused(struct stepd_ctx *ctx, const struct invoke_ask *ask, enum stepd_status *ret_status)
{
    struct error error = { 0 };

    if (ask->function_id == NULL || ask->function_id[0] == '\0')
        *ret_status = fail(ctx, "NoSuchFunction", "step '%s' invokes no function: it names none", ctx->step.id);
    else if (depth_of(ctx->run->event) >= INVOKE_DEPTH_MOST)
        *ret_status = fail(ctx, "InvokeTooDeep", "%s would be invoke %d inside others: at most %d are", ask->function_id,
                           INVOKE_DEPTH_MOST + 1, INVOKE_DEPTH_MOST);
    else if (emit_check_data(ask->data, &error) != 0)
        *ret_status = fail(ctx, "InvalidEvent", "%s", error.text);
    else
        return false;
    return true;
}

enum found { FOUND, FOUND_NOTHING, FOUND_STOPPED };

/* Where its runs are put, whichever daemon has it. */
static enum found find(struct stepd_ctx *ctx, const char *function_id, enum run_placement *ret_placement)
{
    const struct attempt_settings *settings = ctx->settings;
    const struct function *function = settings->find_function != NULL ? settings->find_function(settings->context, function_id) : NULL;
    bool is_known = false;

    if (function != NULL) {
        *ret_placement = run_placement_of(function_newest(function));
        return FOUND;
    }
    if (ctx->store->ops->find_function(ctx->store, function_id, &is_known, ret_placement) != 0)
        return FOUND_STOPPED;
    return is_known ? FOUND : FOUND_NOTHING;
}

/* ---- waiting ------------------------------------------------------------------------------------ */

static enum stepd_status park(struct stepd_ctx *ctx, const struct call *call, int64_t until_ms, struct bytes checkpoint)
{
    return step_park_until(ctx, RUN_WAITING, until_ms, checkpoint, &call->callee);
}

/* Its call is on record, its outcome is not: it is called again, which changes nothing where it was heard. */
static enum stepd_status wait_on(struct stepd_ctx *ctx, const struct invoke_ask *ask, const struct checkpoint *waiting, bool parks)
{
    struct invoke_view view;
    struct run_id id = { "" };

    assert(waiting->kind == CHECKPOINT_WAITING);
    step_set_up(ctx, NULL);
    ctx->step.executions = waiting->executions;
    ctx->step.started_ms = waiting->started_ms;
    if (!invoke_read(waiting->value, &view))
        return fail(ctx, "OutcomeUnknown", "step '%s' waited for something else: its code was changed meanwhile", ctx->step.id);
    memcpy(id.text, view.run_id.data, RUN_ID_LENGTH);
    if (step_is_over(ctx, waiting->until_ms)) {
        ctx->step.call_off = id;
        return fail(ctx, "InvokeTimeout", "run %s of %.*s had not ended when the time was over; it goes on", id.text,
                    (int)view.function_id.size, (const char *)view.function_id.data);
    }
    if (!parks)
        return STEPD_SUSPENDED;
    const struct checkpoint answer = { .id = ctx->step.id, .phase = waiting->phase, .executions = 1, .started_ms = waiting->started_ms };
    const struct invoke_ask same = {
        .function_id = context_strdup(ctx, view.function_id.data, view.function_id.size),
        .data = ask->data,
        .event_name = ask->event_name,
    };
    return park(ctx, make_call(ctx, &same, &id, &answer), waiting->until_ms, (struct bytes){ 0 });
}

static bool is_open(const struct run *run, const struct checkpoint *checkpoint)
{
    struct invoke_view view;
    size_t position;

    if (checkpoint->kind != CHECKPOINT_WAITING || checkpoint->phase != run->phase || !invoke_read(checkpoint->value, &view))
        return false;
    return checkpoints_find(run->steps, run->phase, checkpoint->id, &position)->kind == CHECKPOINT_WAITING;
}

bool invoke_settle_overdue(struct stepd_ctx *ctx)
{
    static const struct invoke_ask nothing = { .function_id = NULL };
    size_t count = step_finished_count(ctx->run);

    for (size_t i = 0; i < count; i++) {
        const struct checkpoint *checkpoint = checkpoints_at(ctx->run->steps, i);
        if (!is_open(ctx->run, checkpoint) || !step_is_over(ctx, checkpoint->until_ms))
            continue;
        (void)snprintf(ctx->step.id, sizeof(ctx->step.id), "%s", checkpoint->id);
        if (wait_on(ctx, &nothing, checkpoint, false) == STEPD_SUSPENDED)
            return false;
    }
    (void)context_take_raised(ctx); /* the function hears of them where it asks */
    return true;
}

static enum stepd_status record(struct stepd_ctx *ctx, const struct call *call, const struct checkpoint *waiting, bool parks)
{
    assert(waiting->kind == CHECKPOINT_WAITING);
    msgpack_sbuffer_clear(&ctx->scratch);
    checkpoint_pack(&ctx->scratch, waiting);
    if (parks)
        return park(ctx, call, waiting->until_ms, (struct bytes){ ctx->scratch.data, ctx->scratch.size });
    ctx->step.callee = &call->callee;
    (void)step_record(ctx, waiting, ctx->run->attempt);
    ctx->step.callee = NULL;
    return STEPD_SUSPENDED;
}

static enum stepd_status call_anew(struct stepd_ctx *ctx, const struct invoke_ask *ask, bool parks)
{
    enum run_placement placement = PLACED_BY_ID;
    enum stepd_status status;

    step_set_up(ctx, NULL);
    if (is_refused(ctx, ask, &status))
        return status;
    switch (find(ctx, ask->function_id, &placement)) {
    case FOUND_STOPPED:
        return context_give_up(ctx);
    case FOUND_NOTHING:
        return fail(ctx, "NoSuchFunction", "no daemon has a function '%.200s'", ask->function_id);
    case FOUND:
        break;
    }
    const struct run_id id = run_id_of_invoke(&ctx->run->id, ctx->run->phase, ctx->step.id, ask->function_id, placement);
    msgpack_sbuffer value;
    msgpack_sbuffer_init(&value);
    write_value(&value, &id, ask->function_id);
    struct checkpoint waiting = step_checkpoint(ctx, CHECKPOINT_WAITING);
    waiting.value = keep(ctx, &value);
    waiting.until_ms = ask->timeout_ms > 0 ? context_until_ms(context_from_now_ms(ctx, ask->timeout_ms)) : WAIT_FOREVER_MS;
    return record(ctx, make_call(ctx, ask, &id, &waiting), &waiting, parks);
}

static enum stepd_status call_or_answer(struct stepd_ctx *ctx, const struct invoke_ask *ask, bool parks, const msgpack_object **ret_result)
{
    size_t position;
    const struct checkpoint *finished = step_find_finished(ctx, &position);

    if (finished == NULL)
        return step_may_begin(ctx, 1) ? call_anew(ctx, ask, parks) : STEPD_SUSPENDED;
    if (finished->kind == CHECKPOINT_WAITING)
        return wait_on(ctx, ask, finished, parks);
    return step_answer(ctx, finished, position, ret_result);
}

static enum stepd_status call(struct stepd_ctx *ctx, const char *id, const struct invoke_ask *ask, bool parks,
                              const msgpack_object **ret_result)
{
    enum stepd_status status;
    int64_t left_ns = 0;

    if (!step_open_call(ctx, id, &left_ns, &status))
        return status;
    status = step_name(ctx, id) ? call_or_answer(ctx, ask, parks, ret_result) : STEPD_FAILED;
    context_resume(ctx, left_ns);
    return status;
}

enum stepd_status invoke_call(struct stepd_ctx *ctx, const char *id, const struct invoke_ask *ask, const msgpack_object **ret_result)
{
    return call(ctx, id, ask, true, ret_result);
}

enum stepd_status invoke_beside(struct stepd_ctx *ctx, const char *id, const struct invoke_ask *ask)
{
    return call(ctx, id, ask, false, NULL);
}

enum stepd_status stepd_invoke(struct stepd_ctx *ctx, const char *id, const char *function_id, const msgpack_sbuffer *data,
                               int64_t timeout_ms, const msgpack_object **ret_result)
{
    const struct invoke_ask ask = {
        .function_id = function_id,
        .data = { data != NULL ? data->data : NULL, data != NULL ? data->size : 0 },
        .timeout_ms = timeout_ms,
    };

    return invoke_call(ctx, id, &ask, ret_result);
}
