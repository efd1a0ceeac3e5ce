/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/start.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/pulse.h"
#include "crash/crashes.h"
#include "engine/admit.h"
#include "engine/breaker.h"
#include "engine/finish.h"
#include "engine/gather.h"
#include "engine/jobs.h"
#include "engine/match.h"
#include "engine/nobodys.h"
#include "engine/outcome.h"
#include "engine/room.h"
#include "engine/settle.h"
#include "run/trace.h"

#define HELD_US 10000

static const char crash_text[] = "the handler ended its process, or was running each time it ended";

/* ---- jobs on their way --------------------------------------------------------------------------- */

/* A job that has been away brings its run along. */
static void take_run_back(struct worker *worker)
{
    struct away *away = worker->job.away;

    if (away == NULL)
        return;
    assert(away->run->errand != NULL);
    away_return(away);
    worker->own_run = away->own_run;
    worker->run = worker->job.claimed != NULL ? away->run : &worker->own_run;
    free(away);
}

static struct task *job_run(struct task *task, struct pool_thread *thread)
{
    struct worker *worker = worker_of(thread);
    struct job *job = (struct job *)task;
    int64_t begun_ns = thread->now_ns;

    assert(thread->now_ns > 0);
    worker->job = *job;
    worker->job.is_in_batch = false;
    job_free(job);
    take_run_back(worker);
    struct task *next = run_start(worker);
    start_look_again(worker, begun_ns);
    return next;
}

struct task *start_task(struct job *job)
{
    job->task.run = job_run;
    return &job->task;
}

void start_later(struct dispatch *dispatch, struct job *job)
{
    enum task_rank rank = job->away != NULL ? TASK_IS_BACK : job->claimed != NULL ? TASK_IS_DUE : TASK_FOLLOWS;

    pool_add(dispatch->pool, start_task(job), rank);
}

void start_claimed_later(struct dispatch *dispatch, struct claimed *claimed)
{
    struct job *job = xmalloc(sizeof(*job));

    assert(claimed->release != NULL);
    *job = (struct job){ .function = claimed->run.function, .claimed = claimed, .is_gated = claimed->has_place };
    start_later(dispatch, job);
}

void start_gathered_later(void *context, struct gathered *gathered)
{
    struct job *job = xmalloc(sizeof(*job));

    assert(gathered->bundle.count > 0);
    *job = (struct job){
        .function = gathered->function,
        .message = gathered->messages[0],
        .event = gathered->bundle.events[0],
        .gathered = gathered,
    };
    start_later(context, job);
}

void start_waiting(struct dispatch *dispatch, const struct function *function)
{
    struct gate *gate = &dispatch->gates[function->index];
    struct job *next;

    while ((next = gate_next(gate, function_newest(function)->concurrency)) != NULL)
        start_later(dispatch, next);
}

struct task *start_next(struct dispatch *dispatch, const struct job *job)
{
    if (job->is_gated) {
        assert(job->function != NULL);
        gate_leave(&dispatch->gates[job->function->index]);
        start_waiting(dispatch, job->function);
    }
    struct job *next = job->strand != NULL ? strands_leave(dispatch->strands, job->strand) : NULL;
    return next != NULL ? start_task(next) : NULL;
}

void start_end_settled(struct worker *worker, struct attempt_report *report)
{
    assert(report->end != ATTEMPT_SETTLING && report->end != ATTEMPT_ABANDONED);
    (void)finish_attempt(worker, report);
    struct task *next = start_next(worker->dispatch, &worker->job);
    if (next != NULL)
        pool_add(worker->dispatch->pool, next, TASK_FOLLOWS);
}

/* ---- gates --------------------------------------------------------------------------------------- */

static int limit_of(const struct job *job)
{
    return job->function != NULL ? function_newest(job->function)->concurrency : 0;
}

/* Whether it may begin now; one that has been away has begun. A claimed run never waits here: others may have room for it. */
static enum gate_answer ask_gate(struct worker *worker, struct job *job)
{
    struct dispatch *dispatch = worker->dispatch;
    int limit = limit_of(job);

    if (job->is_over)
        return GATE_FULL;
    if (job->claimed != NULL && job->claimed->run.is_cancelled)
        return GATE_OPEN; /* no code of its runs */
    if (job->claimed == NULL && job->function != NULL && function_is_lined(function_newest(job->function)))
        return GATE_OPEN; /* its run goes into the store's line, where places are kept for it */
    if (job->function == NULL || job->is_gated || job->away != NULL)
        return GATE_OPEN;
    struct gate *gate = &dispatch->gates[job->function->index];
    if (limit == 0 && !gate_is_closed(gate))
        return GATE_OPEN;
    if (job->claimed == NULL)
        return gate_enter(gate, job, limit, dispatch->waiting_most, worker->thread.now_ns);
    job->is_gated = gate_try(gate, limit);
    return job->is_gated ? GATE_OPEN : GATE_FULL;
}

/* A message's job has gone into its function's line: the next that is to go there follows. */
static void leave_for_line(struct dispatch *dispatch, const struct job *job)
{
    struct job *next = gate_left(&dispatch->gates[job->function->index], dispatch->waiting_most);

    assert(job->claimed == NULL && job->message != NULL);
    if (next != NULL) {
        next->is_over = true;
        start_later(dispatch, next);
    } else {
        start_waiting(dispatch, job->function);
    }
}

/* 0: the store has it, or another worker does. */
static int line_up(struct worker *worker, const struct run *run)
{
    struct store *store = worker->ctx.store;
    const struct transition change = {
        .kind = TRANSITION_PARK,
        .status = RUN_DELAYED,
        .phase = run->phase,
        .attempt = run->attempt,
        .waits_in_line = true,
    };
    struct transition_reply reply;
    int status = store->ops->advance(store, run, &change, &reply);

    assert(run->function != NULL);
    worker_look_at_clock(worker);
    return status;
}

/* ---- what comes of a job ------------------------------------------------------------------------- */

enum start {
    START_NOTHING, /* it waits elsewhere */
    START_OVER,    /* its message or claimed run is no longer ours */
    START_ATTEMPT,
    START_CRASHED, /* its code is not to run any more: a crash ended its attempt */
};

/* The span of an attempt; one that has been away goes on with its own. */
static void trace_begin(struct worker *worker)
{
    struct tracer *tracer = worker->dispatch->settings.tracer;

    if (tracer != NULL && worker->job.away == NULL)
        tracer->ops->begin(tracer, worker->run);
}

/* A run that a crash ended is no longer for its module's code: what became of it is settled at once. */
static enum start start_message(struct worker *worker, enum gate_answer gate)
{
    const struct job *job = &worker->job;
    enum message_state state;

    if (job->away != NULL)
        return START_ATTEMPT;
    if (job->function == NULL) {
        (job->is_match ? match_run_job : nobodys_end_job)(worker);
        return START_OVER;
    }
    if (job->gathered != NULL && gathered_drop_revoked(job->gathered) == 0) {
        gathered_end(job->gathered, MESSAGE_DROPPED);
        return START_OVER;
    }
    if (job->gathered != NULL ? admit_gathered(worker, &state) : admit_message(worker, &state)) {
        tally_add(&worker_tally(worker, worker->run->function)->started);
        if (crashes_take(worker->dispatch->settings.crashes, &worker->run->id))
            return START_CRASHED;
        if (gate == GATE_OPEN)
            return START_ATTEMPT;
        state = line_up(worker, worker->run) == 0 ? finish_in_store(job, worker->run) : MESSAGE_DROPPED;
    }
    job_end_messages(job, state);
    return START_OVER;
}

/* Its module is not here, or not any more: it waits in line for a daemon that has it. */
static void put_off(struct worker *worker, struct claimed *claimed)
{
    const struct function stand_in = { .id = claimed->function_id };
    const struct transition change = {
        .kind = TRANSITION_PARK,
        .status = RUN_DELAYED,
        .phase = claimed->run.phase,
        .attempt = claimed->run.attempt,
        .waits_in_line = true,
    };
    struct transition_reply reply;

    assert(claimed->run.function == NULL);
    log_warn("run %s is of function '%s', which this daemon does not have: it waits in line for a daemon that has it", claimed->run.id.text,
             claimed->function_id);
    claimed->run.function = &stand_in;
    if (worker->ctx.store->ops->advance(worker->ctx.store, &claimed->run, &change, &reply) == -EIO)
        finish_condemned(worker, &claimed->run);
    worker_look_at_clock(worker);
    claimed->run.function = NULL;
}

/* It may be an app's that has registered elsewhere since the daemon last looked: then the run goes through the gates
 * of the function that it has. */
static bool learn_function(struct worker *worker, struct claimed *claimed)
{
    const struct dispatch_settings *settings = &worker->dispatch->settings;

    assert(claimed->run.function == NULL);
    if (settings->learn_function != NULL)
        claimed->run.function = settings->learn_function(settings->context, claimed->function_id);
    worker_look_at_clock(worker);
    if (claimed->run.function != NULL)
        start_claimed_later(worker->dispatch, claimed);
    return claimed->run.function != NULL;
}

/* Whether a breaker holds it: then it is the store's again, and released. */
static bool leave_to_breaker(struct worker *worker, struct claimed *claimed)
{
    int status;

    if (!breaker_holds_claimed(worker, &status))
        return false;
    if (status == -EIO)
        finish_condemned(worker, &claimed->run);
    claimed->release(claimed);
    return true;
}

/* Whether its function is here or not. */
static void tell_cancelled(struct worker *worker, struct claimed *claimed)
{
    const struct function stand_in = { .id = claimed->function_id };
    const struct attempt_report report = { .end = ATTEMPT_CANCELLED };
    bool is_known = claimed->run.function != NULL;

    if (!is_known)
        claimed->run.function = &stand_in;
    if (attempt_tell_cancelled(&worker->ctx, &claimed->run))
        outcome_log(&claimed->run, &report, worker->dispatch->attempts.keeps_all);
    worker_look_at_clock(worker);
    if (!is_known)
        claimed->run.function = NULL;
}

/* What has not begun when the daemon stops stays ours, and is given back at the end. */
static enum start start_claimed(struct worker *worker, enum gate_answer gate)
{
    struct claimed *claimed = worker->job.claimed;

    worker->run = &claimed->run;
    if (worker->job.away != NULL)
        return START_ATTEMPT;
    if (!worker_is_draining(worker) && claimed->run.function == NULL && learn_function(worker, claimed))
        return START_NOTHING; /* it is queued anew */
    if (claimed->run.is_cancelled) {
        if (!worker_is_draining(worker))
            tell_cancelled(worker, claimed);
        claimed->release(claimed);
        return START_OVER;
    }
    bool may_begin = !worker_is_draining(worker) && claimed->run.function != NULL && gate == GATE_OPEN;
    if (may_begin && claimed->run.is_unasked && !admit_called(worker)) {
        claimed->release(claimed);
        return START_OVER;
    }
    if (may_begin) {
        if (claimed->run.unclean >= CRASHES_ENOUGH)
            return START_CRASHED;
        return leave_to_breaker(worker, claimed) ? START_OVER : START_ATTEMPT;
    }
    if (!worker_is_draining(worker) && claimed->run.function == NULL)
        put_off(worker, claimed);
    else if (!worker_is_draining(worker) && line_up(worker, &claimed->run) == -EIO)
        finish_condemned(worker, &claimed->run);
    claimed->release(claimed);
    return START_OVER;
}

static void fail_crashed(struct worker *worker)
{
    struct attempt_report report;

    assert(worker->job.away == NULL);
    tally_add(&worker_tally(worker, worker->run->function)->crashed);
    trace_begin(worker);
    attempt_fail(&worker->ctx, worker->run, NULL, "HandlerCrashed", crash_text, &report);
    finish_crash(worker, &report);
}

/* What is paused is not known yet: nothing begins before. False: the daemon stops meanwhile. */
static bool wait_for_release(struct worker *worker)
{
    pulse_rest_here();
    while (atomic_load(&worker->dispatch->is_held) && !worker_is_draining(worker))
        (void)usleep(HELD_US);
    pulse_beat_here();
    worker_look_at_clock(worker);
    return !atomic_load(&worker->dispatch->is_held);
}

struct task *run_start(struct worker *worker)
{
    if (atomic_load_explicit(&worker->dispatch->is_held, memory_order_relaxed) && !wait_for_release(worker) &&
        worker->job.claimed == NULL && worker->job.message != NULL) {
        job_end_messages(&worker->job, MESSAGE_DROPPED);
        return start_next(worker->dispatch, &worker->job);
    }
    if (gather_takes(&worker->job)) {
        gather_event(worker);
        return start_next(worker->dispatch, &worker->job);
    }
    enum gate_answer gate = ask_gate(worker, &worker->job);
    struct attempt_report report;
    bool is_over = true;

    if (gate == GATE_WAITS)
        return NULL;
    enum start started = worker->job.claimed != NULL ? start_claimed(worker, gate) : start_message(worker, gate);
    room_leave(worker->dispatch, &worker->job, started == START_OVER);
    switch (started) {
    case START_NOTHING:
        return NULL;
    case START_OVER:
        break;
    case START_CRASHED:
        fail_crashed(worker);
        break;
    case START_ATTEMPT:
        worker->ctx.step_durations = &worker_tally(worker, worker->run->function)->steps;
        trace_begin(worker);
        worker->ctx.may_settle = settle_may(worker);
        attempt_make(&worker->ctx, worker->run, worker->thread.now_ns, &report);
        worker->ctx.may_settle = false;
        is_over = !settle_leave(worker, &report) && finish_attempt(worker, &report);
        break;
    }
    if (gate == GATE_FULL && worker->job.claimed == NULL)
        leave_for_line(worker->dispatch, &worker->job);
    return is_over ? start_next(worker->dispatch, &worker->job) : NULL;
}
