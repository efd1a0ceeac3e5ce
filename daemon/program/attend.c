/* SPDX-License-Identifier: Apache-2.0 */
#include "program/attend.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "codec/number.h"
#include "program/declarations.h"
#include "program/host.h"
#include "program/line.h"
#include "program/reply.h"
#include "run/awaited.h"
#include "run/beside.h"
#include "run/context.h"
#include "run/invoke.h"
#include "run/ops.h"
#include "run/reports.h"
#include "run/wait.h"

#define TOGETHER 16 /* lines that are looked at */

/* One stay of the run on a worker. */
struct stay {
    struct stepd_ctx *ctx;
    const struct program_function *function;
    struct program_errand *errand;
    bool is_done; /* the function has ended well */
};

/* ---- the call ------------------------------------------------------------------------------------ */

static struct held_call *hold(struct stay *stay)
{
    struct stepd_ctx *ctx = stay->ctx;
    struct held_call *held = host_hold(stay->function->program);

    const char *id = stepd_function_id(ctx);
    memcpy(held->function_id, id, strnlen(id, sizeof(held->function_id) - 1));
    memcpy(held->run_id, ctx->run->id.text, sizeof(held->run_id));
    held->attempt = stepd_attempt(ctx);
    held->timeout_ms = ctx->run->function->timeout_ms;
    return held;
}

static void begin(struct stay *stay)
{
    struct stepd_ctx *ctx = stay->ctx;
    size_t size;

    assert(stay->ctx->run->errand == NULL);
    stay->errand = program_errand_create();
    ctx->run->errand = &stay->errand->base;
    ctx->run->begun_ns = ctx->started_ns;
    stay->errand->reports = stepd_reports_create(ctx);
    char *line = line_call(ctx, reports_branches(stay->errand->reports), beside_now_ms(ctx), &size);
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

static void answer_result(const struct stay *stay, const char *id)
{
    size_t size;
    char *line = line_answer_result(id, reports_value(stay->ctx, id), &size);

    host_answer(stay->errand->held, line, size);
}

/* `has_result`: of what was on record already, or comes from elsewhere. */
static enum stepd_status tell(struct stay *stay, const char *id, enum report_answer answer, bool has_result)
{
    switch (answer) {
    case REPORT_DONE:
        if (has_result)
            answer_result(stay, id);
        else
            answer_ok(stay, id);
        return STEPD_OK;
    case REPORT_FAILED:
        answer_failed(stay, id);
        return STEPD_OK;
    case REPORT_PARKED:
        stay->errand->is_answered_later = true;
        answer_later(stay, id);
        return stepd_reports_status(stay->errand->reports);
    case REPORT_LATER:
    case REPORT_RUN:
        answer_later(stay, id);
        return STEPD_OK;
    case REPORT_OVER:
        break;
    }
    return stepd_reports_status(stay->errand->reports);
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

static enum stepd_status take_steps(struct stay *stay, const struct reply *reply)
{
    for (size_t i = 0; i < reply->step_count; i++) {
        const struct reply_step *step = &reply->steps[i];
        const struct step_report report = { .name = step->id, .is_beside = reply->is_beside, .settle = settle, .arg = step };
        bool has_result = beside_has_finished(stay->ctx, step->id);
        STEPD_TRY(tell(stay, step->id, stepd_report_step(stay->ctx, stay->errand->reports, &report), has_result));
    }
    return STEPD_OK;
}

static enum stepd_status take_sleep(struct stay *stay, const struct reply *reply)
{
    struct stepd_ctx *ctx = stay->ctx;
    int64_t until_ms = reply->until_ms >= 0 ? context_until_ms(reply->until_ms) : context_from_now_ms(ctx, reply->ms);

    return tell(stay, reply->id, stepd_report_sleep(ctx, stay->errand->reports, reply->id, reply->is_beside, until_ms), false);
}

static enum stepd_status take_send(struct stay *stay, const struct reply *reply)
{
    return tell(stay, reply->id, stepd_report_send(stay->ctx, stay->errand->reports, reply->id, reply->name, reply->data), false);
}

/* Whether another wait for the same came together with it: what has come by now did. */
static bool has_more(const struct stay *stay, const struct stepd_wait *wait)
{
    const struct said *said = NULL;
    struct reply other;

    for (int i = 0; i < TOGETHER && (said = held_call_peek(stay->errand->held, said)) != NULL; i++) {
        if (said->kind != SAID_LINE || reply_read(stay->ctx, said->text, said->size, &other) != NULL || other.kind != REPLY_WAIT)
            continue;
        if (wait_is_same(wait, &(struct stepd_wait){ .event = other.name, .when = other.when }))
            return true;
    }
    return false;
}

static enum stepd_status take_wait(struct stay *stay, const struct reply *reply)
{
    const struct stepd_wait wait = { .event = reply->name, .when = reply->when, .timeout_ms = reply->ms };
    bool is_beside = reply->is_beside;
    enum report_answer answer =
        stepd_report_wait(stay->ctx, stay->errand->reports, reply->id, is_beside, is_beside && has_more(stay, &wait), &wait);

    return tell(stay, reply->id, answer, true);
}

static enum stepd_status take_invoke(struct stay *stay, const struct reply *reply)
{
    const struct invoke_ask ask = { .function_id = reply->name, .timeout_ms = reply->ms };

    return tell(stay, reply->id, reports_invoke(stay->ctx, stay->errand->reports, reply->id, reply->is_beside, ask, reply->data), true);
}

/* ---- what comes beside them ---------------------------------------------------------------------- */

static void tell_come(void *context, const char *name, enum report_answer answer)
{
    struct stay *stay = context;

    if (answer == REPORT_FAILED)
        answer_failed(stay, name);
    else
        answer_result(stay, name);
}

/* Of what the run waits for while its program is at other steps something has come, or its time is over: the program, which was told that
 * it comes later, is answered now. */
static enum stepd_status hear(struct stay *stay)
{
    struct stepd_ctx *ctx = stay->ctx;
    int64_t until_ms;
    bool has_heard = held_call_has_heard(stay->errand->held);

    if (!has_heard && !(awaited_is_open(ctx, &until_ms) && until_ms <= beside_now_ms(ctx)))
        return STEPD_OK;
    return reports_hear(ctx, stay->errand->reports, tell_come, stay) ? STEPD_OK : STEPD_SUSPENDED;
}

static enum stepd_status leave(struct stay *stay)
{
    struct stepd_ctx *ctx = stay->ctx;
    int64_t until_ms;
    bool is_timed = awaited_is_open(ctx, &until_ms) && until_ms != WAIT_FOREVER_MS;

    atomic_store(&stay->errand->held->wakes_ms, is_timed ? clock_monotonic_ms() + until_ms - beside_now_ms(ctx) : 0);
    return stepd_reports_leave(ctx, stay->errand->reports, &stay->errand->base);
}

/* ---- the end of a call --------------------------------------------------------------------------- */

/* Each of its branches waits: so does the run, in the store, holding nothing. */
static enum stepd_status take_suspend(struct stay *stay)
{
    if (!stepd_reports_suspend(stay->ctx, stay->errand->reports))
        return stepd_error(stay->ctx, "ProgramFault", "the program suspended a call in which nothing waits");
    return stepd_reports_status(stay->errand->reports);
}

/* A step's error that the function did not handle is the run's; any other is one of the attempt. */
static enum stepd_status take_error(struct stay *stay, const struct reply_error *error)
{
    stepd_reports_keep(stay->ctx, stay->errand->reports);
    if (error->step_id == NULL || !stepd_report_raise(stay->ctx, error->step_id))
        return ops_raise(stay->ctx, &error->said);
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
        stepd_reports_keep(ctx, stay->errand->reports);
        return stepd_error(ctx, "ProgramDied", "%s", said->text);
    case SAID_TIMEOUT:
        stepd_reports_keep(ctx, stay->errand->reports);
        return stepd_error(ctx, "HandlerTimeout", "the program took longer than its timeout of %lld ms",
                           (long long)stay->errand->held->timeout_ms);
    }
    return STEPD_OK;
}

/* A daemon that stops lets the step that was told of be the last one of this call: the run goes on elsewhere. */
static enum stepd_status take_all(struct stay *stay)
{
    enum stepd_status status = STEPD_OK;

    assert(stay->errand->held != NULL);
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
    bool has_news;

    if (stay.function->is_gone)
        return stepd_non_retriable(ctx, "FunctionGone", "its program no longer declares function '%s'", stepd_function_id(ctx));
    if (ctx->run->errand == NULL) {
        if (!awaited_take(ctx, &has_news))
            return STEPD_SUSPENDED;
        begin(&stay);
    }
    stay.errand = program_errand_of(ctx->run->errand);
    if (held_call_is_cancelled(stay.errand->held) && !context_may_go_on(ctx))
        return STEPD_SUSPENDED;
    STEPD_TRY(take_all(&stay));
    if (stay.is_done)
        return STEPD_OK;
    STEPD_TRY(hear(&stay));
    return leave(&stay);
}
