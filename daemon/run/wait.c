/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A step that waits for an event. Where it waits stands in a checkpoint; what ends it, the event or nothing, comes as one
 * further on: written by whoever reads the event (matching.h), or by the step itself once its time is over.
 */
#include <errno.h>
#include <string.h>

#include <stepd/stepd.h>

#include "codec/expression.h"
#include "event/event_fields.h"
#include "run/checkpoints.h"
#include "run/step_internal.h"
#include "run/wait.h"
#include "run/wait_event.h"
#include "run/waited.h"

#define CHECKPOINTS 2 /* of a wait: that it waits, and what came of it */

/* ---- what is asked -------------------------------------------------------------------------------- */

static struct bytes kept(struct stepd_ctx *ctx, const msgpack_sbuffer *buffer)
{
    return (struct bytes){ context_strdup(ctx, buffer->data, buffer->size), buffer->size };
}

/* Of the equality that its condition has: how the later side is written, and what it has to be. */
static void ask_index(struct stepd_ctx *ctx, const struct expression_equality *equality, struct wait_ask *ask)
{
    struct event_fields own;
    struct error error;
    msgpack_sbuffer text;

    (ask->is_of_row ? event_fields_init_of_row : event_fields_init)(&own, ctx->run->event);
    const struct expression_scope scope = { .event = &own.base, .now_ms = context_now_ms(ctx) };
    msgpack_sbuffer_init(&text);
    expression_equality_name(equality->later, &text);
    ask->later = kept(ctx, &text);
    msgpack_sbuffer_clear(&text);
    /* What fails, or equals nothing, makes the condition false whatever comes: it is found by no value. */
    if (expression_equality_write(equality->earlier, &scope, &text, &error) == 0)
        ask->value = kept(ctx, &text);
    else
        ask->value = (struct bytes){ "", 0 };
    if (equality->is_whole)
        ask->when.size = 0;
    msgpack_sbuffer_destroy(&text);
}

/* False: the run fails of it. */
static bool ask_condition(struct stepd_ctx *ctx, const struct stepd_wait *wait, struct wait_ask *ask)
{
    struct expression *expression = NULL;
    struct expression_equality equality = { 0 };
    struct error error = { 0 };

    if (wait->when == NULL)
        return true;
    ask->when = (struct bytes){ context_strdup(ctx, wait->when, strlen(wait->when)), strlen(wait->when) };
    if (expression_compile(ask->when, &expression, &error) != 0) {
        context_raise(ctx, RAISED_NON_RETRIABLE, "InvalidExpression", "step '%.100s' waits for '%.100s' when: %s", ctx->step.id,
                      wait->event, error.text);
        (void)context_fail_by_limit(ctx, &ctx->raised);
        return false;
    }
    if (expression_find_equality(expression, &equality))
        ask_index(ctx, &equality, ask);
    expression_destroy(expression);
    return true;
}

/* An array of seven, as checkpoint_pack() makes one. */
struct bytes wait_outcome_head(struct stepd_ctx *ctx, const char *id, int64_t started_ms)
{
    const struct checkpoint outcome = {
        .id = id,
        .kind = CHECKPOINT_COMPLETED,
        .phase = ctx->run->phase,
        .executions = 1,
        .started_ms = started_ms,
    };
    msgpack_sbuffer buffer;

    msgpack_sbuffer_init(&buffer);
    checkpoint_pack(&buffer, &outcome);
    buffer.size -= 2; /* ended_ms, 0, and nil: a byte each */
    struct bytes head = kept(ctx, &buffer);
    msgpack_sbuffer_destroy(&buffer);
    return head;
}

/* False: there is a verdict. */
static bool ask_boundary(struct stepd_ctx *ctx, struct wait_ask *ask)
{
    struct boundary_port *port = ctx->settings->boundary;
    msgpack_sbuffer boundary;

    if (port == NULL)
        return true;
    msgpack_sbuffer_init(&boundary);
    int status = port->ask(port, &boundary);
    if (status == 0)
        ask->boundary = kept(ctx, &boundary);
    else
        (void)context_give_up(ctx);
    msgpack_sbuffer_destroy(&boundary);
    return status == 0;
}

/* For people: what it waits for. And for waited.c, which knows this form. */
static void pack_wish(const struct stepd_wait *wait, bool has_more, msgpack_sbuffer *buffer)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 1U + (wait->when != NULL) + has_more);
    msgpack_pack_str_with_body(&packer, "event", 5);
    msgpack_pack_str_with_body(&packer, wait->event, strlen(wait->event));
    if (wait->when != NULL) {
        msgpack_pack_str_with_body(&packer, "when", 4);
        msgpack_pack_str_with_body(&packer, wait->when, strlen(wait->when));
    }
    if (has_more) {
        msgpack_pack_str_with_body(&packer, "more", 4);
        msgpack_pack_true(&packer);
    }
}

/* What it was given before counts for no wait that comes after; which those beside it may not be. */
static void ask_past(struct stepd_ctx *ctx, const struct stepd_wait *wait, bool is_beside, struct wait_ask *ask)
{
    msgpack_sbuffer wish, given;

    msgpack_sbuffer_init(&wish);
    msgpack_sbuffer_init(&given);
    if (is_beside)
        pack_wish(wait, false, &wish);
    waited_pack_given(ctx->run, (struct bytes){ wish.data, wish.size }, &given);
    ask->given = kept(ctx, &given);
    ask->slept_ms = waited_slept_ms(ctx->run, context_now_ms(ctx));
    msgpack_sbuffer_destroy(&given);
    msgpack_sbuffer_destroy(&wish);
}

/* ---- what has come already ------------------------------------------------------------------------ */

/* A walk over the events that are kept for the run. */
struct looking {
    struct stepd_ctx *ctx;
    struct wait_ask *ask;
    struct expression *expression; /* of the condition; NULL: none */
};

static bool holds(const struct looking *looking, struct bytes outcome)
{
    struct event_fields own, later;
    struct error error;

    const struct stepd_event *event = wait_event_build(looking->ctx, outcome);
    if (looking->expression == NULL || event == NULL)
        return event != NULL;
    (looking->ask->is_of_row ? event_fields_init_of_row : event_fields_init)(&own, looking->ctx->run->event);
    event_fields_init_of_view(&later, event);
    const struct expression_scope scope = { .event = &own.base, .async = &later.base, .now_ms = context_now_ms(looking->ctx) };
    return expression_holds(looking->expression, &scope, &error) == 1;
}

static void look_at(void *context, const char *name, struct bytes outcome)
{
    struct looking *looking = context;

    looking->ask->kept++;
    if (looking->ask->takes != NULL)
        return;
    struct bytes copy = { context_strdup(looking->ctx, outcome.data, outcome.size), outcome.size };
    if (holds(looking, copy))
        looking->ask->takes = context_strdup(looking->ctx, name, strlen(name));
}

/* The oldest event that is kept for the run and fits is taken at once. False: there is a verdict. */
static bool ask_kept(struct stepd_ctx *ctx, const struct stepd_wait *wait, struct wait_ask *ask)
{
    const struct flow_settings *flow = ctx->run->function->flow;
    struct looking looking = { .ctx = ctx, .ask = ask };
    struct error error;

    if (flow == NULL || !flow_wishes_expect(&flow->wishes, wait->event))
        return true;
    if (wait->when != NULL && expression_compile((struct bytes){ wait->when, strlen(wait->when) }, &looking.expression, &error) != 0)
        looking.expression = NULL; /* said already */
    int status = ctx->store->ops->list_kept(ctx->store, ctx->run, wait->event, look_at, &looking);
    expression_destroy(looking.expression);
    if (status != 0)
        (void)context_give_up(ctx);
    return status == 0;
}

/* ---- waiting -------------------------------------------------------------------------------------- */

static struct checkpoint begin_of(struct stepd_ctx *ctx, const struct stepd_wait *wait, bool has_more, int64_t until_ms)
{
    struct checkpoint checkpoint = step_checkpoint(ctx, CHECKPOINT_WAITING);
    msgpack_sbuffer wish;

    msgpack_sbuffer_init(&wish);
    pack_wish(wait, has_more, &wish);
    checkpoint.value = kept(ctx, &wish);
    checkpoint.until_ms = until_ms;
    msgpack_sbuffer_destroy(&wish);
    return checkpoint;
}

/* NULL: there is a verdict. */
static const struct wait_ask *make_ask(struct stepd_ctx *ctx, const struct stepd_wait *wait, int64_t until_ms, bool is_beside)
{
    struct wait_ask *ask = context_alloc(ctx, sizeof(*ask));

    *ask = (struct wait_ask){
        .event = context_strdup(ctx, wait->event, strlen(wait->event)),
        .is_of_row = ctx->run->function->topic != NULL,
        .until_ms = until_ms,
        .most = ctx->settings->waits,
    };
    if (!ask_boundary(ctx, ask) || !ask_condition(ctx, wait, ask) || !ask_kept(ctx, wait, ask))
        return NULL;
    ask_past(ctx, wait, is_beside, ask);
    ask->head = wait_outcome_head(ctx, ctx->step.id, ctx->step.started_ms);
    return ask;
}

static enum stepd_status park(struct stepd_ctx *ctx, const struct stepd_wait *wait, int64_t until_ms)
{
    const struct wait_ask *ask = make_ask(ctx, wait, until_ms, false);
    const struct checkpoint begin = begin_of(ctx, wait, false, until_ms);

    if (ask == NULL)
        return STEPD_SUSPENDED;
    msgpack_sbuffer_clear(&ctx->scratch);
    checkpoint_pack(&ctx->scratch, &begin);
    const struct transition park = {
        .kind = TRANSITION_PARK,
        .status = RUN_WAITING,
        .phase = ctx->run->phase,
        .due_ms = until_ms,
        .position = ctx->step.position,
        .checkpoint = { ctx->scratch.data, ctx->scratch.size },
        .wait = ask,
    };
    return context_park(ctx, &park);
}

static int64_t end_of(const struct stepd_ctx *ctx, const struct stepd_wait *wait)
{
    return wait->timeout_ms > 0 ? context_from_now_ms(ctx, wait->timeout_ms) : WAIT_FOREVER_MS;
}

static enum stepd_status wait_anew(struct stepd_ctx *ctx, const struct stepd_wait *wait)
{
    step_set_up(ctx, NULL);
    ctx->step.executions = 1;
    return park(ctx, wait, end_of(ctx, wait));
}

/* Recorded, and the run goes on; what is kept for it is looked at until nothing has come since. */
static enum stepd_status begin_beside(struct stepd_ctx *ctx, const struct stepd_wait *wait, bool has_more)
{
    int64_t until_ms = end_of(ctx, wait);

    step_set_up(ctx, NULL);
    ctx->step.executions = 1;
    const struct checkpoint begin = begin_of(ctx, wait, has_more, until_ms);
    do {
        ctx->step.wait = make_ask(ctx, wait, until_ms, true);
    } while (ctx->step.wait != NULL && !step_record(ctx, &begin, ctx->run->attempt) && !context_is_decided(ctx));
    ctx->step.wait = NULL;
    return STEPD_SUSPENDED;
}

/* ---- ended ---------------------------------------------------------------------------------------- */

static enum stepd_status give_up_waiting(struct stepd_ctx *ctx, const struct checkpoint *waiting, const struct stepd_event **ret_event)
{
    step_set_up(ctx, NULL);
    ctx->step.executions = 1;
    ctx->step.started_ms = waiting->started_ms;
    const struct checkpoint over = step_checkpoint(ctx, CHECKPOINT_COMPLETED);
    if (!step_record(ctx, &over, 0))
        return STEPD_SUSPENDED;
    *ret_event = NULL;
    return STEPD_OK;
}

/* It was woken, and nothing has come: its time is over, or it goes on waiting at the same place. */
static enum stepd_status go_on_waiting(struct stepd_ctx *ctx, const struct stepd_wait *wait, const struct checkpoint *waiting,
                                       size_t position, const struct stepd_event **ret_event)
{
    int64_t until_ms = waiting->until_ms;

    if (until_ms <= ctx->run->now_ms || until_ms <= context_now_ms(ctx))
        return give_up_waiting(ctx, waiting, ret_event);
    step_set_up(ctx, NULL);
    ctx->step.executions = 1;
    ctx->step.position = position;
    ctx->step.started_ms = waiting->started_ms;
    return park(ctx, wait, until_ms);
}

static enum stepd_status wait_named(struct stepd_ctx *ctx, const struct stepd_wait *wait, const struct stepd_event **ret_event)
{
    size_t position;
    const struct checkpoint *finished = step_find_finished(ctx, &position);

    if (finished == NULL)
        return step_may_begin(ctx, CHECKPOINTS) ? wait_anew(ctx, wait) : STEPD_SUSPENDED;
    switch (finished->kind) {
    case CHECKPOINT_COMPLETED:
        *ret_event = wait_event_build(ctx, finished->value);
        return STEPD_OK;
    case CHECKPOINT_WAITING:
        return go_on_waiting(ctx, wait, finished, position, ret_event);
    case CHECKPOINT_FAILED:
        return step_answer_failed(ctx, finished->failure);
    case CHECKPOINT_SLEEP:
    case CHECKPOINT_STARTED: /* its code was another step, and is a wait now */
        return step_answer_unknown(ctx, finished, position);
    }
    return STEPD_FAILED;
}

static bool is_named(struct stepd_ctx *ctx, const char *id, const struct stepd_wait *wait)
{
    if (wait->event != NULL && wait->event[0] != '\0')
        return step_name(ctx, id);
    step_refuse(ctx, "InvalidEvent", "step '%.200s' waits for an event without a name", id != NULL ? id : "");
    return false;
}

enum stepd_status stepd_wait_for_event(struct stepd_ctx *ctx, const char *id, const struct stepd_wait *wait,
                                       const struct stepd_event **ret_event)
{
    const struct stepd_event *ignored = NULL;
    enum stepd_status status;
    int64_t left_ns = 0;

    if (!step_open_call(ctx, id, &left_ns, &status))
        return status;
    status = is_named(ctx, id, wait) ? wait_named(ctx, wait, ret_event != NULL ? ret_event : &ignored) : STEPD_FAILED;
    context_resume(ctx, left_ns);
    return status;
}

static enum stepd_status wait_named_beside(struct stepd_ctx *ctx, const struct stepd_wait *wait, bool has_more)
{
    size_t position;
    const struct checkpoint *finished = step_find_finished(ctx, &position);

    if (finished == NULL)
        return step_may_begin(ctx, CHECKPOINTS) ? begin_beside(ctx, wait, has_more) : STEPD_SUSPENDED;
    return finished->kind == CHECKPOINT_WAITING ? STEPD_SUSPENDED : step_answer(ctx, finished, position, NULL);
}

bool wait_is_same(const struct stepd_wait *one, const struct stepd_wait *other)
{
    bool has_when = one->when != NULL;

    return one->event != NULL && other->event != NULL && strcmp(one->event, other->event) == 0 && has_when == (other->when != NULL) &&
           (!has_when || strcmp(one->when, other->when) == 0);
}

enum stepd_status wait_beside(struct stepd_ctx *ctx, const char *id, const struct stepd_wait *wait, bool has_more)
{
    enum stepd_status status;
    int64_t left_ns = 0;

    if (!step_open_call(ctx, id, &left_ns, &status))
        return status;
    status = is_named(ctx, id, wait) ? wait_named_beside(ctx, wait, has_more) : STEPD_FAILED;
    context_resume(ctx, left_ns);
    return status;
}
