/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/work.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "run/attempt.h"
#include "engine/jobs.h"
#include "engine/outcome.h"
#include "engine/runner.h"
#include "run/errand.h"
#include "run/steps.h"

#define REJECT_PAUSE_MS 1000

/* ---- events without a function ------------------------------------------------------------------- */

/* A message without a run has no other way on than its dead letter. */
static enum message_state reject(struct worker *worker, struct message *message, const struct event *event, const char *name,
                                 const char *why)
{
    struct dispatch *dispatch = worker->dispatch;
    const struct timespec pause = { .tv_sec = REJECT_PAUSE_MS / 1000 };

    log_warn("%s [%d] @ %lld is no event (%s: %s): it goes to the dead letters", message->event.view.topic,
             (int)message->event.view.partition, (long long)message->event.view.offset, name, why);
    tally_add(&worker->tally.malformed);
    for (;;) {
        int status = attempt_reject(worker->ctx.publisher, dispatch->settings.dead_letter_topic, event, name, why,
                                    context_now_ms(&worker->ctx));
        worker_look_at_clock(worker);
        if (status == 0) {
            tally_add(&worker->tally.dead);
            return MESSAGE_DONE;
        }
        if (status == -ESHUTDOWN || atomic_load(&dispatch->is_draining) || atomic_load(&message->assignment->is_revoked))
            return MESSAGE_DROPPED;
        log_error("the brokers refuse the dead letter of %s [%d] @ %lld: trying on", message->event.view.topic,
                  (int)message->event.view.partition, (long long)message->event.view.offset);
        (void)nanosleep(&pause, NULL);
    }
}

/* What becomes of an event that no function takes. */
static enum message_state end_unhandled(struct worker *worker, struct message *message, struct event *event)
{
    struct error error;

    if (event_find_name(event, &error) != 0)
        return reject(worker, message, event, "MalformedEvent", error.text);
    tally_add(&worker->tally.unhandled);
    outcome_log_unhandled(&event->view, worker->dispatch->attempts.keeps_all);
    return MESSAGE_DONE;
}

static bool is_nobodys(const struct job *job)
{
    return job->function == NULL && job->claimed == NULL;
}

/* An event of a batch. */
static enum job_end end_nobodys(struct worker *worker)
{
    struct message *message = worker->job.message;
    bool may_end = message_begin(message) && !atomic_load_explicit(&worker->dispatch->is_draining, memory_order_relaxed);

    message_end_run(message, may_end ? end_unhandled(worker, message, worker->job.event) : MESSAGE_DROPPED);
    return JOB_OVER;
}

/* ---- jobs ---------------------------------------------------------------------------------------- */

static int limit_of(const struct job *job)
{
    return job->function != NULL ? function_newest(job->function)->concurrency : 0;
}

/* Whether it may begin now. A claimed run never waits here: others may have room for it. */
static enum gate_answer ask_gate(struct worker *worker, struct job *job)
{
    struct dispatch *dispatch = worker->dispatch;
    int limit = limit_of(job);

    if (job->is_over)
        return GATE_FULL;
    if (limit == 0 || job->is_gated)
        return GATE_OPEN;
    struct gate *gate = &dispatch->gates[job->function->index];
    if (job->claimed == NULL)
        return gate_enter(gate, job, limit, dispatch->waiting_most, worker->now_ns);
    job->is_gated = gate_try(gate, limit);
    return job->is_gated ? GATE_OPEN : GATE_FULL;
}

/* A message's job has gone into its function's line: the next that is to go there follows. */
static void leave_for_line(struct dispatch *dispatch, const struct job *job)
{
    struct job *next = gate_left(&dispatch->gates[job->function->index], dispatch->waiting_most);

    if (next != NULL) {
        next->is_over = true;
        dispatch_add_extra(dispatch, next);
    } else {
        dispatch_fill_places(dispatch, job->function);
    }
}

/* What the job kept from running; one of them is returned, others are queued. NULL: none. */
static struct job *release_next(struct dispatch *dispatch, const struct job *job)
{
    if (job->is_gated) {
        gate_leave(&dispatch->gates[job->function->index]);
        dispatch_fill_places(dispatch, job->function);
    }
    return job->strand != NULL ? strands_leave(dispatch->strands, job->strand) : NULL;
}

/* Even what comes to nothing takes time, and the next attempt's begins where this ends. */
static void look_again(struct worker *worker, int64_t begun_ns)
{
    if (worker->now_ns == begun_ns)
        worker_look_at_clock(worker);
}

/* Runs worker->job, and whatever that kept from running. False: the watch took over. */
static bool run_job(struct worker *worker)
{
    struct dispatch *dispatch = worker->dispatch;

    for (;;) {
        enum gate_answer answer = ask_gate(worker, &worker->job);
        if (answer == GATE_WAITS)
            return true;
        int64_t begun_ns = worker->now_ns;
        enum job_end end = is_nobodys(&worker->job) ? end_nobodys(worker)
                           : answer == GATE_OPEN    ? runner_run(worker)
                                                    : runner_line_up(worker);
        look_again(worker, begun_ns);
        if (answer == GATE_FULL && worker->job.claimed == NULL)
            leave_for_line(dispatch, &worker->job);
        if (end != JOB_OVER)
            return end == JOB_AWAY;
        struct job *next = release_next(dispatch, &worker->job);
        if (next == NULL)
            return true;
        worker->job = *next;
        free(next);
    }
}

/* ---- a message nobody has looked at -------------------------------------------------------------- */

/* All its functions but the first become jobs of their own. */
static void spread(struct dispatch *dispatch, struct message *message, const struct function *const *functions, size_t count)
{
    atomic_store(&message->runs, (int)count);
    for (size_t i = 1; i < count; i++) {
        struct job *job = xmalloc(sizeof(*job));
        *job = (struct job){ .function = functions[i], .message = message, .event = &message->event };
        dispatch_add_extra(dispatch, job);
    }
}

/* All events of a batch become jobs, which any worker may take. */
static void spread_parts(struct worker *worker, struct message *message)
{
    struct dispatch *dispatch = worker->dispatch;
    struct job_list jobs = { .first = NULL };
    size_t count = jobs_of_parts(dispatch->settings.routes, message, worker->matches, dispatch->settings.function_count, &jobs);

    if (count == 0) {
        message_end(message, MESSAGE_DONE);
        return;
    }
    atomic_store(&message->runs, (int)count);
    for (struct job *job = jobs_take(&jobs); job != NULL; job = jobs_take(&jobs))
        dispatch_add_extra(dispatch, job);
}

/* False: the watch took over. */
static bool route(struct worker *worker, struct message *message)
{
    struct dispatch *dispatch = worker->dispatch;
    struct event *event = &message->event;
    char text[96];
    struct error error;

    if (!message_begin(message) || atomic_load_explicit(&dispatch->is_draining, memory_order_relaxed)) {
        message_end(message, MESSAGE_DROPPED);
        return true;
    }
    if (event->view.raw_len > dispatch->settings.event_bytes) {
        (void)snprintf(text, sizeof(text), "%zu bytes, more than limits.event (%zu)", event->view.raw_len, dispatch->settings.event_bytes);
        message_end(message, reject(worker, message, event, "EventTooLarge", text));
        return true;
    }
    bool is_malformed = event_find_name(event, &error) != 0;
    if (event->parts != NULL) {
        spread_parts(worker, message);
        return true;
    }
    size_t count = routes_match(dispatch->settings.routes, event->view.topic, is_malformed ? NULL : event->view.name,
                                worker->matches, dispatch->settings.function_count);
    if (count == 0) {
        message_end(message, end_unhandled(worker, message, event));
        return true;
    }
    spread(dispatch, message, worker->matches, count);
    worker->job = (struct job){ .function = worker->matches[0], .message = message, .event = event };
    return run_job(worker);
}

/* ---- what came next ------------------------------------------------------------------------------ */

/* A job that has been away brings its run along. */
static void take_run_back(struct worker *worker)
{
    struct away *away = worker->job.away;

    if (away == NULL)
        return;
    away_return(away);
    worker->own_run = away->own_run;
    worker->run = worker->job.claimed != NULL ? away->run : &worker->own_run;
    free(away);
}

static bool run_queued(struct worker *worker, struct job *job)
{
    worker->job = *job;
    free(job);
    take_run_back(worker);
    return run_job(worker);
}

bool work_on(struct worker *worker, uintptr_t item)
{
    int64_t begun_ns = worker->now_ns;
    bool is_ours = (item & 1) == 0 ? route(worker, (struct message *)item)
                                   : run_queued(worker, (struct job *)(item & ~(uintptr_t)1));

    look_again(worker, begun_ns);
    return is_ours;
}

/* ---- what a stuck thread left -------------------------------------------------------------------- */

void work_drop(struct takeover *takeover)
{
    if (atomic_fetch_sub(&takeover->holders, 1) != 1)
        return;
    errand_destroy(takeover->run.errand);
    if (takeover->job.claimed != NULL) {
        takeover->job.claimed->release(takeover->job.claimed);
    } else {
        steps_destroy(takeover->run.steps);
        atomic_fetch_sub(&takeover->job.message->batch->open, 1);
    }
    free(takeover);
}

void work_settle(struct worker *worker, struct takeover *takeover)
{
    runner_settle(worker, takeover);
    struct job *next = release_next(worker->dispatch, &takeover->job);
    work_drop(takeover);
    if (next != NULL)
        dispatch_add_extra(worker->dispatch, next);
}
