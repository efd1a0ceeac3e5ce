/* SPDX-License-Identifier: Apache-2.0 */
#include "run/attempt_internal.h"

#include <assert.h>
#include <errno.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/log.h"
#include "run/attempt_log.h"
#include "run/awaited.h"
#include "run/checkpoints.h"
#include "run/emit.h"
#include "run/errand.h"
#include "run/flow_ask.h"
#include "run/journal.h"

#define REFUSED_DELAY_MS 30000 /* until what the brokers refused is tried again */

const char *attempt_end_word(enum attempt_end end)
{
    static const char *const WORDS[] = {
        [ATTEMPT_COMPLETED] = "completed", [ATTEMPT_RETRY] = "retry",     [ATTEMPT_SLEEPING] = "sleeping",   [ATTEMPT_WAITING] = "waiting",
        [ATTEMPT_PASSED_ON] = "failed",    [ATTEMPT_FAILED] = "failed",   [ATTEMPT_CANCELLED] = "cancelled", [ATTEMPT_MOVED] = "moved",
        [ATTEMPT_STOPPED] = "stopped",     [ATTEMPT_REFUSED] = "stopped", [ATTEMPT_AWAY] = "stopped",        [ATTEMPT_SETTLING] = "stopped",
        [ATTEMPT_ABANDONED] = "stopped",
    };

    assert((size_t)end < COUNT_OF(WORDS));
    return WORDS[end];
}

static void end_as(struct attempt_report *report, enum attempt_end end, const struct failure *failure)
{
    report->end = end;
    report->failure = failure;
}

/* 0 once its event is out, and the store knows that. */
static int tell_cancelled(struct stepd_ctx *ctx)
{
    struct error error = { 0 };
    const struct run *run = ctx->run;
    int status = emit_cancelled_event(ctx, &error);

    if (status == 0)
        return run->epoch > 0 ? ctx->store->ops->told(ctx->store, run) : 0;
    if (status != -ESHUTDOWN)
        log_error("run %s of %s was cancelled, but %s", run->id.text, run->function->id, error.text);
    return status;
}

/* The run was cancelled. Where its event can't go out now, others are given it; of a first attempt, of which the store knows
 * nothing, nobody else could be. */
static void end_cancelled(struct stepd_ctx *ctx, struct attempt_report *report)
{
    bool is_stopped = tell_cancelled(ctx) == -ESHUTDOWN;

    end_as(report, is_stopped && ctx->run->epoch == 0 ? ATTEMPT_STOPPED : ATTEMPT_CANCELLED, NULL);
}

/* The store had the last word. */
static void end_by_store(struct stepd_ctx *ctx, struct attempt_report *report)
{
    switch (ctx->verdict.kind) {
    case VERDICT_REFUSED:
        end_as(report, ATTEMPT_REFUSED, NULL);
        return;
    case VERDICT_STOPPED:
        end_as(report, ATTEMPT_STOPPED, NULL);
        return;
    case VERDICT_CANCELLED:
        end_cancelled(ctx, report);
        return;
    case VERDICT_MOVED:
        end_as(report, ATTEMPT_MOVED, NULL);
        return;
    case VERDICT_OPEN:
    case VERDICT_PARK:
    case VERDICT_LIMIT:
    case VERDICT_AWAY:
        break;
    }
    assert(false && "the store has said why a change was not made");
}

static bool is_for_store(enum verdict_kind kind)
{
    return kind >= VERDICT_MOVED;
}

/* The record's tail, with this attempt in it. `failure` NULL: it did not fail. */
static struct bytes tail_with(struct stepd_ctx *ctx, const struct failure *failure, int64_t due_ms, struct bytes output)
{
    int64_t now_ms = context_now_ms(ctx);
    int64_t duration_ms = (clock_monotonic_ns() - ctx->started_ns) / 1000000;
    const struct attempt_entry entry = {
        .started_ms = now_ms - duration_ms,
        .duration_ms = duration_ms,
        .due_ms = due_ms,
        .failure = failure,
        .attempt = failure != NULL ? failure->attempt : ctx->run->attempt,
    };

    msgpack_sbuffer_clear(&ctx->tail);
    attempt_log_pack(&ctx->tail, ctx->run->tail, &entry, output, ctx->branches);
    return (struct bytes){ ctx->tail.data, ctx->tail.size };
}

/* In on_failure the tail keeps what the run failed of: no attempt is added. */
static struct bytes tail_of_branches(struct stepd_ctx *ctx)
{
    assert(ctx->run->phase == RUN_IN_ON_FAILURE);
    msgpack_sbuffer_clear(&ctx->tail);
    attempt_log_pack(&ctx->tail, ctx->run->tail, NULL, (struct bytes){ 0 }, ctx->branches);
    return (struct bytes){ ctx->tail.data, ctx->tail.size };
}

/* ---- left to the store ---------------------------------------------------------------------------- */

/* Whether nothing more is to be decided once the store has agreed to it: no checkpoint, for which there may be no room, and nobody to
 * be told. */
static bool may_settle(const struct stepd_ctx *ctx, const struct transition *change)
{
    return ctx->may_settle && ctx->run->phase == RUN_IN_FUNCTION && !ctx->run->is_invoked && change->checkpoint.size == 0 &&
           !change->clears_started && change->look == NULL && (change->kind != TRANSITION_PARK || change->status == RUN_DELAYED) &&
           !context_is_unwanted(ctx);
}

/* … and what tells of the failure can go out without a thread, with no code to run after it. */
static bool may_settle_failure(struct stepd_ctx *ctx, const struct transition *change)
{
    return may_settle(ctx, change) && ctx->run->function->on_failure == NULL && ctx->publisher->ops->publish_later != NULL &&
           awaited_rest(ctx) == NULL;
}

static void leave_to_store(struct stepd_ctx *ctx, const struct transition *change, enum attempt_end end, const struct failure *failure,
                           struct attempt_report *report)
{
    assert(end == ATTEMPT_RETRY || end == ATTEMPT_COMPLETED || end == ATTEMPT_FAILED);
    ctx->settling = *change;
    report->settles_as = end;
    end_as(report, ATTEMPT_SETTLING, failure);
}

void attempt_settled(struct run *run, const struct transition *change, const struct transition_reply *reply, struct attempt_report *report)
{
    assert(report->end == ATTEMPT_SETTLING && reply->answer == STORE_OK);
    assert(!attempt_is_failing(change));
    run_follow(run, change, reply);
    report->end = report->settles_as;
    report->is_stored = run->epoch > 0;
    report->ended_ns = clock_monotonic_ns();
}

/* ---- parked --------------------------------------------------------------------------------------- */

static int64_t due_of(const struct stepd_ctx *ctx, const struct transition *park)
{
    return park->due_ms != 0 ? park->due_ms : context_now_ms(ctx) + park->delay_ms;
}

static enum attempt_end end_of_park(enum run_status status)
{
    assert(status == RUN_WAITING || status == RUN_SLEEPING || status == RUN_DELAYED);
    if (status == RUN_WAITING)
        return ATTEMPT_WAITING;
    return status == RUN_SLEEPING ? ATTEMPT_SLEEPING : ATTEMPT_RETRY;
}

bool attempt_park(struct stepd_ctx *ctx, struct transition *change, const struct failure *failure, struct attempt_report *report)
{
    assert(change->kind == TRANSITION_PARK);
    assert(change->attempt >= 0);
    report->is_setback = report->is_setback || (failure != NULL && ctx->run->phase == RUN_IN_FUNCTION);
    report->due_ms = due_of(ctx, change);
    report->due_in_ms = report->due_ms - context_now_ms(ctx);
    if (ctx->run->phase == RUN_IN_FUNCTION)
        change->tail = tail_with(ctx, failure, report->due_ms < WAIT_FOREVER_MS ? report->due_ms : 0, (struct bytes){ 0 });
    else if (ctx->run->phase == RUN_IN_ON_FAILURE && ctx->branches.size > 0)
        change->tail = tail_of_branches(ctx);
    if (may_settle(ctx, change))
        leave_to_store(ctx, change, end_of_park(change->status), failure, report);
    else if (context_advance(ctx, change))
        end_as(report, end_of_park(change->status), failure);
    else if (ctx->verdict.kind == VERDICT_LIMIT)
        return false;
    else
        end_by_store(ctx, report);
    return true;
}

/* What the attempt's code left to be parked. */
static bool park_suspended(struct stepd_ctx *ctx, struct attempt_report *report)
{
    struct verdict verdict = ctx->verdict;

    assert(verdict.kind == VERDICT_PARK);
    return attempt_park(ctx, &verdict.park, verdict.failure, report);
}

void attempt_park_bare(struct stepd_ctx *ctx, struct transition *change, const struct failure *failure, struct attempt_report *report)
{
    assert(change->checkpoint.size == 0 && !change->clears_started);
    bool is_parked = attempt_park(ctx, change, failure, report);
    assert(is_parked);
}

static void retry(struct stepd_ctx *ctx, struct attempt_report *report)
{
    struct transition change = {
        .kind = TRANSITION_PARK,
        .status = RUN_DELAYED,
        .phase = ctx->run->phase,
        .attempt = ctx->run->attempt + 1,
        .delay_ms = context_retry_delay_ms(ctx, ctx->raised.failure.name),
        .due_ms = raised_due_ms(&ctx->raised),
    };

    assert(ctx->raised.kind == RAISED_RETRIABLE);
    attempt_park_bare(ctx, &change, &ctx->raised.failure, report);
}

/* ---- ended ---------------------------------------------------------------------------------------- */

/* To who called the run. */
static struct bytes told_result(const struct stepd_ctx *ctx)
{
    if (!ctx->run->is_invoked)
        return (struct bytes){ 0 };
    return ctx->output.size > 0 ? (struct bytes){ ctx->output.data, ctx->output.size } : (struct bytes){ "\xc0", 1 };
}

static struct bytes told_error(struct stepd_ctx *ctx, const struct failure *failure)
{
    assert(failure != NULL);
    if (!ctx->run->is_invoked)
        return (struct bytes){ 0 };
    msgpack_sbuffer_clear(&ctx->scratch);
    checkpoint_pack_failure(&ctx->scratch, failure);
    return (struct bytes){ ctx->scratch.data, ctx->scratch.size };
}

/* Its code was changed while it waited. Who is away (apps, programs) is told all steps, and asks for none. */
static void say_what_was_not_asked(const struct stepd_ctx *ctx)
{
    const struct run *run = ctx->run;
    const char *id = NULL;
    size_t count = run->steps != NULL && run->errand == NULL ? checkpoints_unasked(run->steps, RUN_IN_FUNCTION, &id) : 0;
    struct log_fields fields = LOG_FIELDS_NONE;

    if (count == 0)
        return;
    fields.run_id = run->id.text;
    fields.function = run->function->id;
    fields.step = id;
    log_event(LOG_LEVEL_WARN, &fields,
              "the function no longer asks for step '%s', which had finished%s: its code was changed meanwhile; the run goes on", id,
              count > 1 ? ", nor for others" : "");
}

/* False: the attempt has another end, or the store is still to agree. */
static bool store_completion(struct stepd_ctx *ctx, struct attempt_report *report)
{
    struct transition change = { .kind = TRANSITION_FINISH, .attempt = ctx->run->attempt, .look = awaited_rest(ctx) };

    change.tail = tail_with(ctx, NULL, 0, (struct bytes){ ctx->output.data, ctx->output.size });
    change.told = told_result(ctx);
    if (may_settle(ctx, &change)) {
        say_what_was_not_asked(ctx);
        leave_to_store(ctx, &change, ATTEMPT_COMPLETED, NULL, report);
        return false;
    }
    if (context_advance(ctx, &change))
        return true;
    end_by_store(ctx, report);
    return false;
}

static void complete(struct stepd_ctx *ctx, struct attempt_report *report)
{
    if ((ctx->run->epoch > 0 || ctx->settings->keeps_all) && !store_completion(ctx, report))
        return;
    say_what_was_not_asked(ctx);
    if (context_is_unwanted(ctx))
        end_cancelled(ctx, report);
    else
        end_as(report, ATTEMPT_COMPLETED, NULL);
}

void attempt_bury(struct stepd_ctx *ctx, const struct failure *failure, struct attempt_report *report)
{
    const struct transition change = {
        .kind = TRANSITION_BURY,
        .phase = ctx->run->phase,
        .attempt = ctx->run->attempt,
        .told = told_error(ctx, failure),
        .look = awaited_rest(ctx),
    };

    assert(failure != NULL);
    if (context_advance(ctx, &change))
        end_as(report, ATTEMPT_FAILED, failure);
    else
        end_by_store(ctx, report);
}

static void run_on_failure(struct stepd_ctx *ctx, struct attempt_report *report);

/* The brokers refuse what must be out before the run ends: it waits, and is tried again. */
static void wait_for_brokers(struct stepd_ctx *ctx, const struct error *error, struct attempt_report *report)
{
    struct transition change = {
        .kind = TRANSITION_PARK,
        .status = RUN_DELAYED,
        .phase = RUN_FAILING,
        .attempt = ctx->run->attempt,
        .delay_ms = REFUSED_DELAY_MS,
    };

    assert(ctx->run->phase == RUN_FAILING);
    if (error->code == ESHUTDOWN) {
        end_as(report, ATTEMPT_STOPPED, NULL);
        return;
    }
    log_error("run %s of %s has failed, but %s: stepd tries again in %d s", ctx->run->id.text, ctx->run->function->id, error->text,
              REFUSED_DELAY_MS / 1000);
    attempt_park_bare(ctx, &change, &ctx->last, report);
}

/* What the function was away for is over: on_failure goes away for its own. Between the two no watch takes the run. */
static void end_errand(struct stepd_ctx *ctx)
{
    assert(ctx->run->phase == RUN_IN_ON_FAILURE);
    errand_destroy(ctx->run->errand);
    ctx->run->errand = NULL;
}

/* The run is in phase FAILING: dead letter and stepd/function.failed go out as `emit` has it, then on_failure runs. */
static void bring_out(struct stepd_ctx *ctx, int (*emit)(struct stepd_ctx *ctx, const struct failure *failure, struct error *ret_error),
                      struct attempt_report *report)
{
    struct error error = { 0 };
    const struct transition change = { .kind = TRANSITION_PHASE, .phase = RUN_IN_ON_FAILURE, .attempt = 0 };

    assert(ctx->run->phase == RUN_FAILING);
    if (emit(ctx, &ctx->last, &error) != 0) {
        wait_for_brokers(ctx, &error, report);
        return;
    }
    if (ctx->run->function->on_failure == NULL) {
        attempt_bury(ctx, &ctx->last, report);
        return;
    }
    if (!context_advance(ctx, &change)) {
        end_by_store(ctx, report);
        return;
    }
    end_errand(ctx);
    run_on_failure(ctx, report);
}

/* A run fails for good: first that it has failed is durable, so that whatever happens from here on,
 * its function is not run again. */
static void fail(struct stepd_ctx *ctx, const struct failure *failure, struct attempt_report *report)
{
    struct transition change = { .kind = TRANSITION_PHASE, .phase = RUN_FAILING, .attempt = ctx->run->attempt };

    assert(ctx->run->phase == RUN_IN_FUNCTION);
    context_set_last(ctx, failure);
    context_reopen(ctx);
    change.tail = tail_with(ctx, &ctx->last, 0, (struct bytes){ 0 });
    if (may_settle_failure(ctx, &change))
        leave_to_store(ctx, &change, ATTEMPT_FAILED, &ctx->last, report);
    else if (context_advance(ctx, &change))
        bring_out(ctx, emit_failure, report);
    else
        end_by_store(ctx, report);
}

/* ---- after what the store was asked for ------------------------------------------------------------ */

/* `report` is of the context's last attempt, or has its failure elsewhere. */
static void begin_anew(struct stepd_ctx *ctx, struct run *run, const struct attempt_report *report)
{
    const struct failure failure = report->failure != NULL ? *report->failure : (struct failure){ 0 };

    context_begin(ctx, run, report->started_ns);
    if (report->failure != NULL)
        context_set_last(ctx, &failure);
}

static void end_anew(struct stepd_ctx *ctx, struct attempt_report *report)
{
    report->is_stored = ctx->run->epoch > 0;
    report->ended_ns = clock_monotonic_ns();
    context_end(ctx);
}

bool attempt_is_failing(const struct transition *change)
{
    return change->kind == TRANSITION_PHASE;
}

void attempt_settle(struct stepd_ctx *ctx, struct run *run, const struct transition *change, struct attempt_report *report)
{
    assert(report->end == ATTEMPT_SETTLING);
    begin_anew(ctx, run, report);
    if (!context_advance(ctx, change))
        end_by_store(ctx, report);
    else if (attempt_is_failing(change))
        bring_out(ctx, emit_failure, report);
    else
        report->end = report->settles_as;
    end_anew(ctx, report);
}

void attempt_send_failure(struct stepd_ctx *ctx, struct run *run, const struct attempt_report *report, struct pending_delivery *pending)
{
    size_t letters, count;

    assert(run->phase == RUN_FAILING && report->failure != NULL);
    begin_anew(ctx, run, report);
    const struct outgoing *messages = emit_of_failure(ctx, &ctx->last, &letters, &count);
    context_end(ctx);
    ctx->publisher->ops->publish_later(ctx->publisher, messages, count, pending);
}

struct transition attempt_burial(const struct run *run)
{
    assert(run->phase == RUN_FAILING && !run->is_invoked);
    return (struct transition){ .kind = TRANSITION_BURY, .phase = run->phase, .attempt = run->attempt };
}

void attempt_bring_out(struct stepd_ctx *ctx, struct run *run, int status, struct attempt_report *report)
{
    struct error error;

    begin_anew(ctx, run, report);
    if (status == 0) {
        attempt_bury(ctx, &ctx->last, report);
    } else if (status == -EIO) {
        (void)emit_explain_failure(status, &error);
        wait_for_brokers(ctx, &error, report);
    } else {
        bring_out(ctx, emit_failure, report);
    }
    end_anew(ctx, report);
}

/* ---- on_failure ----------------------------------------------------------------------------------- */

void attempt_say_on_failure_failed(const struct stepd_ctx *ctx, const struct failure *failure)
{
    log_error("on_failure of %s failed for run %s: %s: %s", ctx->run->function->id, ctx->run->id.text, failure->name, failure->message);
}

/* What the function or on_failure said, when it did not end well: a failure to decide on. */
static void settle_error(struct stepd_ctx *ctx)
{
    if (ctx->raised.kind == RAISED_BY_STEP) {
        ctx->raised = (struct raised){ .kind = RAISED_NON_RETRIABLE, .failure = ctx->last };
        return;
    }
    if (ctx->raised.kind == RAISED_NOTHING)
        context_raise(ctx, RAISED_RETRIABLE, "Error", "the function failed without saying why");
}

/* The watch has the run, with what it had come back from; what else the function made is nobody's. */
static void leave_abandoned(struct stepd_ctx *ctx, struct attempt_report *report)
{
    if (ctx->run->errand != ctx->entered_with)
        errand_destroy(ctx->run->errand);
    end_as(report, ATTEMPT_ABANDONED, NULL);
}

/* Calls module code as a whole. False: `report` says how it ended already. */
static bool handler_call(struct stepd_ctx *ctx, stepd_run_fn code, int64_t now_ns, enum stepd_status *ret_status,
                         struct attempt_report *report)
{
    context_enter(ctx, now_ns, ctx->run->function->timeout_ms);
    *ret_status = code(ctx);
    if (!context_leave(ctx)) {
        leave_abandoned(ctx, report);
        return false;
    }
    if (is_for_store(ctx->verdict.kind)) {
        end_by_store(ctx, report);
        return false;
    }
    if (ctx->verdict.kind == VERDICT_AWAY) {
        end_as(report, ATTEMPT_AWAY, ctx->verdict.failure);
        report->is_setback = ctx->verdict.failure != NULL && ctx->run->phase == RUN_IN_FUNCTION;
        report->due_in_ms = ctx->verdict.due_ms - context_now_ms(ctx);
        return false;
    }
    return true;
}

static void run_on_failure(struct stepd_ctx *ctx, struct attempt_report *report)
{
    const struct failure failure = ctx->last; /* of the run; the handler's own steps may set another */
    enum stepd_status status;

    assert(ctx->run->function->on_failure != NULL);
    ctx->raised.kind = RAISED_NOTHING;
    step_ids_clear(&ctx->ids);
    msgpack_sbuffer_clear(&ctx->output);
    if (!handler_call(ctx, ctx->run->function->on_failure, clock_monotonic_ns(), &status, report))
        return;
    if (ctx->verdict.kind == VERDICT_PARK && park_suspended(ctx, report))
        return;
    if (status != STEPD_OK || ctx->verdict.kind == VERDICT_LIMIT) {
        settle_error(ctx);
        if (ctx->raised.kind == RAISED_RETRIABLE && ctx->run->attempt < ctx->run->function->retries) {
            retry(ctx, report);
            return;
        }
        attempt_say_on_failure_failed(ctx, &ctx->raised.failure);
    }
    context_set_last(ctx, &failure);
    attempt_bury(ctx, &ctx->last, report);
}

/* ---- the function --------------------------------------------------------------------------------- */

bool attempt_may_retry(const struct stepd_ctx *ctx)
{
    const struct function *function = ctx->run->function;

    return ctx->run->attempt < flow_retries(function, ctx->raised.failure.name, function->retries);
}

/* Whether what it failed of may be over another time: said of the error itself, or by the step that failed of it. */
static bool is_setback(const struct stepd_ctx *ctx)
{
    if (ctx->raised.kind == RAISED_BY_STEP)
        return ctx->step_raised.kind == RAISED_RETRIABLE;
    return ctx->raised.kind != RAISED_NON_RETRIABLE;
}

/* Its code has returned `status`. */
static void settle_function(struct stepd_ctx *ctx, enum stepd_status status, struct attempt_report *report)
{
    bool is_limit;

    if (ctx->verdict.kind == VERDICT_PARK && park_suspended(ctx, report))
        return;
    if (ctx->verdict.kind == VERDICT_LIMIT) {
        fail(ctx, &ctx->raised.failure, report);
        return;
    }
    if (status == STEPD_OK && context_check_output(ctx, &ctx->output, &is_limit)) {
        complete(ctx, report);
        return;
    }
    report->is_setback = is_setback(ctx);
    settle_error(ctx);
    if (ctx->raised.kind == RAISED_RETRIABLE && attempt_may_retry(ctx))
        retry(ctx, report);
    else
        fail(ctx, &ctx->raised.failure, report);
}

static void make(struct stepd_ctx *ctx, struct attempt_report *report)
{
    const struct run *run = ctx->run;
    enum stepd_status status;

    if (run->is_to_end && !context_may_go_on(ctx)) {
        end_by_store(ctx, report);
        return;
    }
    switch (run->phase) {
    case RUN_IN_FUNCTION:
        if (handler_call(ctx, run->function->run, ctx->entered_ns, &status, report))
            settle_function(ctx, status, report);
        break;
    case RUN_FAILING:
        /* The brokers may have refused its letter before: then the event does not go out with each try. */
        bring_out(ctx, emit_failure_in_order, report);
        break;
    case RUN_IN_ON_FAILURE:
        run_on_failure(ctx, report);
        break;
    }
}

void attempt_make(struct stepd_ctx *ctx, struct run *run, int64_t started_ns, struct attempt_report *ret_report)
{
    assert(run->attempt >= 0 && run->event != NULL);
    assert(run->function != NULL);
    context_begin(ctx, run, started_ns);
    journal_begin(ctx->journal, run);
    *ret_report = (struct attempt_report){ .started_ns = started_ns };
    make(ctx, ret_report);
    if (ret_report->end == ATTEMPT_ABANDONED)
        return;
    ret_report->started_ns = ctx->started_ns; /* earlier, of one that was away */
    journal_end(ctx->journal);
    if (ret_report->end != ATTEMPT_AWAY) {
        errand_destroy(run->errand);
        run->errand = NULL;
    }
    ret_report->ended_ns = clock_monotonic_ns();
    ret_report->is_stored = run->epoch > 0;
    context_end(ctx);
}

bool attempt_tell_cancelled(struct stepd_ctx *ctx, struct run *run)
{
    context_begin(ctx, run, clock_monotonic_ns());
    int status = tell_cancelled(ctx);
    context_end(ctx);
    return status == 0;
}

bool attempt_note_off_clock(struct stepd_ctx *ctx, int attempt, int64_t due_ms)
{
    struct run *run = ctx->run;
    const struct transition change = {
        .kind = TRANSITION_PHASE,
        .phase = run->phase,
        .attempt = attempt,
        .tail =
            run->phase == RUN_IN_FUNCTION ? tail_with(ctx, &ctx->step_raised.failure, due_ms, (struct bytes){ 0 }) : tail_of_branches(ctx),
    };

    assert(due_ms > 0);
    if (!context_advance(ctx, &change))
        return false;
    if (run->steps == NULL)
        run->steps = checkpoints_create();
    run->tail = steps_keep_tail(run->steps, (struct bytes){ ctx->tail.data, ctx->tail.size });
    ctx->noted_due_ms = due_ms;
    return true;
}

bool attempt_note(struct stepd_ctx *ctx, int attempt, int64_t due_ms)
{
    int64_t left_ns = 0;

    if (!context_pause(ctx, &left_ns))
        return false;
    bool is_noted = attempt_note_off_clock(ctx, attempt, due_ms);
    context_resume(ctx, left_ns);
    return is_noted;
}

int attempt_reject(struct publisher *publisher, const char *dead_letter_topic, const struct event *event, const char *name,
                   const char *message, int64_t now_ms)
{
    const struct dead_letter letter = {
        .topic = dead_letter_topic,
        .event = event,
        .error_name = name,
        .error_message = message,
        .failed_at_ms = now_ms,
    };

    return emit_letter(publisher, &letter);
}
