/* SPDX-License-Identifier: Apache-2.0 */
#include "run/reports.h"

#include <stdlib.h>

#include "base/memory.h"
#include "codec/packed.h"
#include "run/attempt_log.h"
#include "run/awaited.h"
#include "run/beside.h"
#include "run/checkpoints.h"
#include "run/context.h"
#include "run/invoke.h"
#include "run/ops.h"
#include "run/step_internal.h"
#include "run/wait.h"

struct reports {
    struct branches branches;
    struct ops ops;
    struct step_ids ids;
    bool has_slept; /* a sleep was told of in this call, or is one that was not over when it began */
    bool has_told;  /* in this call, of what had come: the program may not have seen that before it said anything else */
    enum stepd_status status;
};

static struct ops *ops_of(struct stepd_ctx *ctx, struct reports *reports)
{
    reports->ops.ctx = ctx;
    reports->ops.branches = &reports->branches;
    return &reports->ops;
}

/* ---- its life -------------------------------------------------------------------------------------- */

struct reports *stepd_reports_create(struct stepd_ctx *ctx)
{
    struct reports *reports = xcalloc(1, sizeof(*reports));

    ops_load_branches(ctx, &reports->branches);
    reports->has_slept = beside_next_waking_ms(ctx, beside_now_ms(ctx)) != 0;
    return reports;
}

void stepd_reports_destroy(struct reports *reports)
{
    if (reports == NULL)
        return;
    branches_done(&reports->branches);
    step_ids_done(&reports->ids);
    free(reports);
}

enum stepd_status stepd_reports_status(const struct reports *reports)
{
    return reports->status;
}

const struct branches *reports_branches(const struct reports *reports)
{
    return &reports->branches;
}

void stepd_reports_name(struct reports *reports, const char *id, char *ret_name)
{
    step_ids_next(&reports->ids, id, ret_name);
}

/* ---- what is known --------------------------------------------------------------------------------- */

static const struct checkpoint *find(const struct stepd_ctx *ctx, const char *name)
{
    size_t position;

    return ctx->run->steps != NULL ? checkpoints_find(ctx->run->steps, ctx->run->phase, name, &position) : NULL;
}

/* A step whose checkpoint is there is told again what that says. */
static enum report_answer answer_known(struct stepd_ctx *ctx, const struct checkpoint *checkpoint)
{
    if (checkpoint->kind == CHECKPOINT_FAILED) {
        context_set_last(ctx, checkpoint->failure);
        return REPORT_FAILED;
    }
    return checkpoint->kind == CHECKPOINT_SLEEP && checkpoint->until_ms > beside_now_ms(ctx) ? REPORT_LATER : REPORT_DONE;
}

static enum report_answer over(struct reports *reports, enum stepd_status status)
{
    reports->status = status;
    return REPORT_OVER;
}

/* As a step's call answered. FAILED is the program's to handle. */
static enum report_answer answer(struct stepd_ctx *ctx, struct reports *reports, enum stepd_status status)
{
    if (status == STEPD_OK)
        return REPORT_DONE;
    if (status == STEPD_FAILED && ctx->raised.kind == RAISED_BY_STEP) {
        (void)context_take_raised(ctx);
        return REPORT_FAILED;
    }
    reports->status = status;
    return ctx->verdict.kind == VERDICT_PARK ? REPORT_PARKED : REPORT_OVER;
}

struct bytes reports_value(const struct stepd_ctx *ctx, const char *name)
{
    const struct checkpoint *checkpoint = find(ctx, name);

    return checkpoint != NULL && checkpoint->kind == CHECKPOINT_COMPLETED ? checkpoint->value : (struct bytes){ 0 };
}

const msgpack_object *stepd_report_result(struct stepd_ctx *ctx, const char *name)
{
    struct bytes value = reports_value(ctx, name);
    msgpack_object *result = context_alloc(ctx, sizeof(*result));

    result->type = MSGPACK_OBJECT_NIL;
    if (value.size > 0)
        packed_build(value, ctx->zone, result);
    return result;
}

int stepd_report_position(struct stepd_ctx *ctx, const char *name)
{
    const struct run *run = ctx->run;
    size_t position;

    if (run->steps == NULL || checkpoints_find(run->steps, run->phase, name, &position) == NULL)
        return -1;
    return (int)position;
}

bool stepd_report_raise(struct stepd_ctx *ctx, const char *name)
{
    const struct checkpoint *checkpoint = find(ctx, name);

    if (checkpoint == NULL || checkpoint->kind != CHECKPOINT_FAILED)
        return false;
    context_set_last(ctx, checkpoint->failure);
    context_raise_step_error(ctx);
    return true;
}

/* Nothing else of the run is under way, or waits. */
static bool is_alone(struct stepd_ctx *ctx, struct reports *reports, bool is_beside)
{
    int64_t until_ms;

    return !is_beside && ops_is_alone(ops_of(ctx, reports)) && !awaited_is_open(ctx, &until_ms);
}

static bool note_failure(struct stepd_ctx *ctx, struct reports *reports)
{
    return ops_note_failure(ops_of(ctx, reports), ctx->run->attempt) == STEPD_OK;
}

/* ---- a step ---------------------------------------------------------------------------------------- */

/* False: there is a verdict. */
static bool may_begin(struct stepd_ctx *ctx, const char *name)
{
    enum stepd_status status;
    int64_t left_ns = 0;

    if (!step_open_call(ctx, name, &left_ns, &status))
        return false;
    bool may = step_may_begin(ctx, 1);
    context_resume(ctx, left_ns);
    return may;
}

enum report_answer stepd_report_asked(struct stepd_ctx *ctx, struct reports *reports, const char *name, bool is_beside, int *ret_attempt)
{
    const struct checkpoint *checkpoint = find(ctx, name);
    const struct branch *branch = branches_find(&reports->branches, name);

    if (checkpoint != NULL && !checkpoint_is_begun(checkpoint))
        return answer_known(ctx, checkpoint);
    if (checkpoint == NULL && branch != NULL && branch->due_ms > beside_now_ms(ctx))
        return REPORT_LATER;
    if (!may_begin(ctx, name))
        return over(reports, STEPD_SUSPENDED);
    *ret_attempt = branch != NULL ? branch->attempt : is_alone(ctx, reports, is_beside) ? ctx->run->attempt : 0;
    return REPORT_RUN;
}

static enum stepd_status settle_begun(struct stepd_ctx *ctx, const void *arg)
{
    const struct step_report *report = arg;

    if (report->begun_ms > 0)
        ctx->step.started_ms = report->begun_ms;
    return report->settle(ctx, report->arg);
}

static enum report_answer settle_beside(struct stepd_ctx *ctx, struct reports *reports, const struct step_report *report)
{
    bool is_later;

    if (branches_find(&reports->branches, report->name) == NULL)
        branches_add(&reports->branches, report->name)->attempt = report->attempt;
    enum stepd_status status = ops_settle_beside(ops_of(ctx, reports), ctx->run->attempt, report->name, settle_begun, report, &is_later);
    return is_later ? REPORT_LATER : answer(ctx, reports, status);
}

enum report_answer stepd_report_step(struct stepd_ctx *ctx, struct reports *reports, const struct step_report *report)
{
    const struct checkpoint *checkpoint = find(ctx, report->name);

    if (checkpoint != NULL)
        return answer_known(ctx, checkpoint);
    if (!is_alone(ctx, reports, report->is_beside))
        return settle_beside(ctx, reports, report);
    return answer(ctx, reports, stepd_step_run(ctx, report->name, settle_begun, report, NULL));
}

/* ---- others ---------------------------------------------------------------------------------------- */

enum report_answer stepd_report_sleep(struct stepd_ctx *ctx, struct reports *reports, const char *name, bool is_beside, int64_t until_ms)
{
    const struct checkpoint *checkpoint = find(ctx, name);

    reports->has_slept = true;
    if (checkpoint != NULL)
        return answer_known(ctx, checkpoint);
    if (is_alone(ctx, reports, is_beside))
        return answer(ctx, reports, stepd_sleep_until(ctx, name, until_ms));
    if (!note_failure(ctx, reports))
        return over(reports, STEPD_SUSPENDED);
    enum stepd_status status = beside_sleep(ctx, name, until_ms);
    return status == STEPD_OK ? answer_known(ctx, find(ctx, name)) : answer(ctx, reports, status);
}

static const msgpack_object *or_nil(const msgpack_object *data)
{
    static const msgpack_object nil = { .type = MSGPACK_OBJECT_NIL };

    return data != NULL ? data : &nil;
}

enum report_answer stepd_report_send(struct stepd_ctx *ctx, struct reports *reports, const char *name, const char *event,
                                     const msgpack_object *data)
{
    const struct checkpoint *checkpoint = find(ctx, name);

    if (checkpoint != NULL)
        return answer_known(ctx, checkpoint);
    if (!note_failure(ctx, reports))
        return over(reports, STEPD_SUSPENDED);
    return answer(ctx, reports, ops_send(ctx, name, event, or_nil(data)));
}

static bool is_waiting(const struct checkpoint *checkpoint)
{
    return checkpoint != NULL && checkpoint->kind == CHECKPOINT_WAITING;
}

enum report_answer stepd_report_wait(struct stepd_ctx *ctx, struct reports *reports, const char *name, bool is_beside, bool has_more,
                                     const struct stepd_wait *wait)
{
    const struct checkpoint *checkpoint = find(ctx, name);

    if (checkpoint != NULL && !is_waiting(checkpoint))
        return answer_known(ctx, checkpoint);
    bool is_latest = stepd_report_position(ctx, name) + 1 == (int)step_finished_count(ctx->run); /* it is parked from its place on */
    bool parks = is_waiting(checkpoint) ? !is_beside && is_latest && ops_is_alone(ops_of(ctx, reports)) : is_alone(ctx, reports, is_beside);
    if (!note_failure(ctx, reports))
        return over(reports, STEPD_SUSPENDED);
    enum stepd_status status = parks ? stepd_wait_for_event(ctx, name, wait, NULL) : wait_beside(ctx, name, wait, has_more);
    return status == STEPD_SUSPENDED && !context_is_decided(ctx) ? REPORT_LATER : answer(ctx, reports, status);
}

enum report_answer reports_invoke(struct stepd_ctx *ctx, struct reports *reports, const char *name, bool is_beside, struct invoke_ask ask,
                                  const msgpack_object *data)
{
    const struct checkpoint *checkpoint = find(ctx, name);
    int64_t until_ms;

    if (checkpoint != NULL && !is_waiting(checkpoint))
        return answer_known(ctx, checkpoint);
    bool parks = !is_beside && ops_is_alone(ops_of(ctx, reports)) && (is_waiting(checkpoint) || !awaited_is_open(ctx, &until_ms));
    if (!note_failure(ctx, reports))
        return over(reports, STEPD_SUSPENDED);
    enum stepd_status status = ops_invoke(ctx, name, ask, or_nil(data), parks);
    return status == STEPD_SUSPENDED && !context_is_decided(ctx) ? REPORT_LATER : answer(ctx, reports, status);
}

enum report_answer stepd_report_invoke(struct stepd_ctx *ctx, struct reports *reports, const char *name, bool is_beside,
                                       const char *function_id, const msgpack_object *data, int64_t timeout_ms)
{
    const struct invoke_ask ask = { .function_id = function_id, .timeout_ms = timeout_ms };

    return reports_invoke(ctx, reports, name, is_beside, ask, data);
}

bool stepd_reports_take(struct stepd_ctx *ctx)
{
    bool has_news;

    return awaited_take(ctx, &has_news);
}

bool reports_hear(struct stepd_ctx *ctx, struct reports *reports, void (*tell)(void *context, const char *name, enum report_answer answer),
                  void *context)
{
    size_t known = step_finished_count(ctx->run);
    bool has_news;

    if (!note_failure(ctx, reports) || !awaited_take(ctx, &has_news))
        return false;
    for (size_t i = known; i < step_finished_count(ctx->run); i++) {
        const struct checkpoint *end = checkpoints_at(ctx->run->steps, i);
        if (end->phase != ctx->run->phase)
            continue;
        reports->has_told = true;
        tell(context, end->id, answer_known(ctx, end));
    }
    return true;
}

/* ---- the end of a call ------------------------------------------------------------------------------- */

void stepd_reports_keep(struct stepd_ctx *ctx, const struct reports *reports)
{
    branches_keep(&reports->branches, ctx);
}

/* When something of the run is due that is not finished; 0: nothing is. */
static int64_t next_due(const struct stepd_ctx *ctx, const struct reports *reports)
{
    int64_t due_ms = beside_next_waking_ms(ctx, beside_now_ms(ctx));

    for (size_t i = 0; i < reports->branches.count; i++) {
        const struct branch *branch = &reports->branches.items[i];
        if (due_ms == 0 || branch->due_ms < due_ms)
            due_ms = branch->due_ms > 0 ? branch->due_ms : 1;
    }
    return due_ms;
}

bool stepd_reports_suspend(struct stepd_ctx *ctx, struct reports *reports)
{
    int64_t due_ms = next_due(ctx, reports), until_ms;

    if (due_ms == 0 && !reports->has_slept && !reports->has_told && !awaited_is_open(ctx, &until_ms)) /* what has slept is awake by now */
        return false;
    if (reports->has_told)
        due_ms = 1; /* its next call has what it may have missed */
    reports->status = ops_park(ops_of(ctx, reports), ctx->run->attempt, due_ms);
    return true;
}

enum stepd_status stepd_reports_leave(struct stepd_ctx *ctx, struct reports *reports, struct errand *errand)
{
    return note_failure(ctx, reports) ? context_leave_for(ctx, errand) : STEPD_SUSPENDED;
}

void stepd_begins_now(struct stepd_ctx *ctx)
{
    ctx->started_ns = ctx->entered_ns;
}

enum stepd_status stepd_leave(struct stepd_ctx *ctx, struct errand *errand)
{
    return context_leave_for(ctx, errand);
}

struct errand *stepd_errand(struct stepd_ctx *ctx)
{
    return ctx->run->errand;
}

bool stepd_may_go_on(struct stepd_ctx *ctx)
{
    return context_may_go_on(ctx);
}

int64_t stepd_store_ms(struct stepd_ctx *ctx)
{
    return context_now_ms(ctx);
}
