/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/runner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "run/attempt.h"
#include "crash/crashes.h"
#include "flow/key_set.h"
#include "engine/outcome.h"
#include "run/steps.h"

#define UNKNOWN_DELAY_MS 60000        /* until a run whose function is not here is looked at again */

/* The worker's own thread. Most functions are never seen by most workers. */
static struct function_tally *tally_of(struct worker *worker, const struct function *function)
{
    _Atomic(struct function_tally *) *place = &worker->functions[function->index];
    struct function_tally *tally = atomic_load_explicit(place, memory_order_relaxed);

    if (tally == NULL) {
        tally = xcalloc(1, sizeof(*tally));
        atomic_store_explicit(place, tally, memory_order_release);
    }
    return tally;
}

/* ---- one attempt ---------------------------------------------------------------------------------- */

static const char crash_text[] = "the handler ended its process, or was running each time it ended";
static const char refused_text[] = "the store refuses to keep what became of the attempt; the log says why";

/* The store has it for us and refuses whatever becomes of it: it would be ours for ever. */
static void condemn(struct worker *worker, const struct run *run)
{
    struct store *store = worker->ctx.store;

    if (run->epoch == 0)
        return; /* its message is not done, and comes again */
    int status = store->ops->condemn(store, run);
    if (status != -ESHUTDOWN)
        log_error("run %s of %s goes no further: %s", run->id.text, run->function->id,
                  status == 0 ? "it ends among the dead, with no dead letter" : "the store refuses even that");
}

/* What the store refuses has failed, once: it takes that, or it takes nothing of this run. One that has
 * failed for good already has no attempts left. */
static void settle_refusal(struct worker *worker, struct run *run, struct attempt_report *report)
{
    if (run->phase != RUN_FAILING)
        attempt_fail(&worker->ctx, run, NULL, "StoreRefused", refused_text, report);
    if (report->end == ATTEMPT_REFUSED)
        condemn(worker, run);
}

static void end_attempt(struct worker *worker, struct run *run, struct attempt_report *report)
{
    if (report->end == ATTEMPT_REFUSED)
        settle_refusal(worker, run, report);
    worker->now_ns = report->ended_ns;
    tally_end(tally_of(worker, run->function), report);
    outcome_log(run, report, worker->dispatch->attempts.keeps_all);
}

/* One attempt, or what a crash made of it. False: abandoned. */
static bool attempt(struct worker *worker, struct run *run, bool has_crashed, struct attempt_report *report)
{
    struct function_tally *tally = tally_of(worker, run->function);

    if (has_crashed) {
        tally_add(&tally->crashed);
        attempt_fail(&worker->ctx, run, NULL, "HandlerCrashed", crash_text, report);
    } else {
        worker->ctx.step_durations = &tally->steps;
        attempt_run(&worker->ctx, run, worker->now_ns, report);
        if (report->end == ATTEMPT_ABANDONED)
            return false;
        if (report->end != ATTEMPT_AWAY)
            tally_duration(tally, report->started_ns, report->ended_ns);
    }
    end_attempt(worker, run, report);
    return true;
}

/* ---- one run of a message ------------------------------------------------------------------------ */

/* The store has the run. An ordered one keeps later ones of its key back: known before the strand goes on. */
static enum message_state left_to_store(const struct job *job, const struct run *run)
{
    if (run_is_ordered(run))
        key_set_add(job->message->assignment->parked_keys, run->function->id,
                    (struct bytes){ run->event->view.key, run->event->view.key_len });
    return MESSAGE_TAKEN;
}

/* What its message is now. */
static enum message_state state_after(const struct job *job, const struct run *run, const struct attempt_report *report)
{
    if (report->end == ATTEMPT_STOPPED || report->end == ATTEMPT_REFUSED)
        return run->epoch > 0 ? MESSAGE_TAKEN : MESSAGE_DROPPED;
    /* Whatever the store may yet lose of a run that ended, nothing of it is left to do. */
    if (report->end == ATTEMPT_COMPLETED || report->end == ATTEMPT_FAILED)
        return MESSAGE_DONE;
    return left_to_store(job, run);
}

/* The run of a function with a dedupe window is also known by the name that daemons whose records are of version 1
 * give it, which several events may share. */
static bool is_taken(const struct known_runs *known, const struct run *run)
{
    if (known_runs_find(known, KNOWN_TAKEN, &run->id) != NULL)
        return true;
    if (known->count == 0 || run->function->dedupe_ms == 0)
        return false;
    struct run_id older = run_id_of_event_id(run->function, run->event);
    const struct known_run *named_so = known_runs_find(known, KNOWN_TAKEN, &older);
    return named_so != NULL && named_so->offset == run->event->view.offset;
}

/* Whether its event is the first of its key; else *ret_state is what the message is. A run that was let in before
 * goes on, whatever has become of the window since. */
static bool may_pass_dedupe(struct worker *worker, const struct known_runs *known, const struct run *run,
                            enum message_state *ret_state)
{
    struct store *store = worker->ctx.store;
    enum dedupe_answer answer;

    if (run->function->dedupe_ms == 0 || known_runs_find(known, KNOWN_ADMITTED, &run->id) != NULL)
        return true;
    *ret_state = MESSAGE_DROPPED;
    int status = store->ops->remember(store, run, run->function->dedupe_ms, &answer);
    worker_look_at_clock(worker);
    if (status != 0)
        return false;
    *ret_state = MESSAGE_DONE;
    if (answer == DEDUPE_DUPLICATE)
        tally_add(&tally_of(worker, run->function)->duplicates);
    return answer == DEDUPE_FIRST;
}

/* Whether an attempt is to be made; else *ret_state is what the message is. */
static bool may_start(struct worker *worker, const struct job *job, struct run *run, enum message_state *ret_state)
{
    struct store *store = worker->ctx.store;
    struct key_set *parked = job->message->assignment->parked_keys;
    struct bytes key = { run->event->view.key, run->event->view.key_len };

    *ret_state = MESSAGE_TAKEN;
    if (is_taken(&job->message->assignment->known, run) ||
        !may_pass_dedupe(worker, &job->message->assignment->known, run, ret_state))
        return false;
    if (run_is_ordered(run) && key_set_has(parked, run->function->id, key)) {
        enum order_answer answer;
        *ret_state = MESSAGE_DROPPED;
        int status = store->ops->queue_behind(store, run, &answer);
        worker_look_at_clock(worker);
        if (status != 0)
            return false;
        *ret_state = MESSAGE_TAKEN;
        if (answer == ORDER_QUEUED)
            return false;
        key_set_remove(parked, run->function->id, key);
    }
    return true;
}

static void begin_run(struct worker *worker, const struct job *job)
{
    const struct function *function = function_newest(job->function);
    struct event *event = job->event;

    worker->own_run = (struct run){
        .function = function,
        .event = event,
        .id = run_id_of(function, event),
        .first_epoch = context_new_epoch(&worker->ctx),
        .created_ms = event->timestamp_ms >= 0 ? event->timestamp_ms : clock_wall_ms(),
    };
    worker->run = &worker->own_run;
}

/* The attempt at worker->run is made, or goes on; *ret_state: what its message is then. */
static enum job_end attempt_message(struct worker *worker, bool has_crashed, enum message_state *ret_state)
{
    const struct dispatch_settings *settings = &worker->dispatch->settings;
    struct attempt_report report;

    if (!attempt(worker, worker->run, has_crashed, &report))
        return JOB_ABANDONED;
    if (has_crashed && report.is_stored)
        settings->crash_counted(settings->context, worker->run);
    if (report.end == ATTEMPT_AWAY) {
        away_leave(&worker->dispatch->away, &worker->job, worker->run);
        return JOB_AWAY;
    }
    *ret_state = state_after(&worker->job, worker->run, &report);
    steps_destroy(worker->run->steps);
    return JOB_OVER;
}

/* What can't be read is for its attempt to refuse. */
static bool is_wanted(const struct run *run)
{
    const struct function *function = run->function;
    struct error error;

    return function->wants == NULL || event_decode(run->event, &error) != 0 || function->wants(function, &run->event->view);
}

/* Whether its run is to be attempted; else *ret_state is what the message is. */
static bool may_begin_message(struct worker *worker, const struct job *job, enum message_state *ret_state)
{
    *ret_state = MESSAGE_DROPPED;
    if (!message_begin(job->message) || atomic_load_explicit(&worker->dispatch->is_draining, memory_order_relaxed))
        return false;
    begin_run(worker, job);
    *ret_state = MESSAGE_DONE;
    if (!is_wanted(worker->run))
        return false;
    tally_add(&tally_of(worker, worker->run->function)->consumed);
    return may_start(worker, job, worker->run, ret_state);
}

static enum job_end run_message(struct worker *worker)
{
    const struct job *job = &worker->job;
    enum message_state state = MESSAGE_DROPPED;
    enum job_end end = JOB_OVER;

    if (job->away != NULL) {
        end = attempt_message(worker, false, &state);
    } else if (may_begin_message(worker, job, &state)) {
        tally_add(&tally_of(worker, worker->run->function)->started);
        end = attempt_message(worker, crashes_take(worker->dispatch->settings.crashes, &worker->run->id), &state);
    }
    if (end == JOB_OVER)
        message_end_run(worker->job.message, state);
    return end;
}

/* ---- one run of the store's ---------------------------------------------------------------------- */

/* Its module is not here, or not any more: it waits for it. */
static void put_off(struct worker *worker, struct claimed *claimed)
{
    const struct function stand_in = { .id = claimed->function_id };
    const struct transition change = {
        .kind = TRANSITION_PARK,
        .status = RUN_DELAYED,
        .phase = claimed->run.phase,
        .attempt = claimed->run.attempt,
        .delay_ms = UNKNOWN_DELAY_MS,
    };
    struct transition_reply reply;

    log_warn("run %s wants function '%s', which no module here has: it is put off for a minute", claimed->run.id.text,
             claimed->function_id);
    claimed->run.function = &stand_in;
    if (worker->ctx.store->ops->advance(worker->ctx.store, &claimed->run, &change, &reply) == -EIO)
        condemn(worker, &claimed->run);
    worker_look_at_clock(worker);
    claimed->run.function = NULL;
}

/* It may be an app's that has registered elsewhere since the daemon last looked: then the run goes through the gates
 * of the function that it has. */
static bool learn_function(struct worker *worker, struct claimed *claimed)
{
    const struct dispatch_settings *settings = &worker->dispatch->settings;

    if (settings->learn_function != NULL)
        claimed->run.function = settings->learn_function(settings->context, claimed->function_id);
    worker_look_at_clock(worker);
    if (claimed->run.function != NULL)
        dispatch_push_claimed(worker->dispatch, claimed);
    return claimed->run.function != NULL;
}

static enum job_end attempt_claimed(struct worker *worker)
{
    struct attempt_report report;

    if (!attempt(worker, worker->run, worker->run->unclean >= CRASHES_ENOUGH && worker->run->errand == NULL, &report))
        return JOB_ABANDONED;
    if (report.end != ATTEMPT_AWAY)
        return JOB_OVER;
    away_leave(&worker->dispatch->away, &worker->job, worker->run);
    return JOB_AWAY;
}

static enum job_end run_claimed(struct worker *worker)
{
    struct claimed *claimed = worker->job.claimed;
    bool is_begun = worker->job.away != NULL;
    enum job_end end = JOB_OVER;

    worker->run = &claimed->run;
    if (claimed->run.function == NULL && !atomic_load(&worker->dispatch->is_draining) && learn_function(worker, claimed))
        return JOB_OVER; /* it is queued anew */
    /* What has not begun when the daemon stops stays ours, and is given back at the end. */
    if (claimed->run.function == NULL && !atomic_load(&worker->dispatch->is_draining))
        put_off(worker, claimed);
    else if (is_begun || !atomic_load(&worker->dispatch->is_draining))
        end = attempt_claimed(worker);
    if (end == JOB_OVER)
        claimed->release(claimed);
    return end;
}

/* ---- one that is over its function's concurrency --------------------------------------------------- */

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

    worker_look_at_clock(worker);
    return status;
}

/* A run that a crash ended is no longer for its module's code: what became of it is settled at once. */
static enum job_end line_up_of_message(struct worker *worker)
{
    const struct job *job = &worker->job;
    enum message_state state;
    enum job_end end = JOB_OVER;

    if (may_begin_message(worker, job, &state)) {
        tally_add(&tally_of(worker, worker->run->function)->started);
        if (crashes_take(worker->dispatch->settings.crashes, &worker->run->id))
            end = attempt_message(worker, true, &state);
        else
            state = line_up(worker, worker->run) == 0 ? left_to_store(job, worker->run) : MESSAGE_DROPPED;
    }
    message_end_run(worker->job.message, state);
    return end;
}

static enum job_end line_up_claimed(struct worker *worker)
{
    struct claimed *claimed = worker->job.claimed;

    worker->run = &claimed->run;
    if (!atomic_load(&worker->dispatch->is_draining) && line_up(worker, &claimed->run) == -EIO)
        condemn(worker, &claimed->run);
    claimed->release(claimed);
    return JOB_OVER;
}

enum job_end runner_line_up(struct worker *worker)
{
    return worker->job.claimed != NULL ? line_up_claimed(worker) : line_up_of_message(worker);
}

enum job_end runner_run(struct worker *worker)
{
    return worker->job.claimed != NULL ? run_claimed(worker) : run_message(worker);
}

/* ---- what a stuck thread left -------------------------------------------------------------------- */

void runner_settle(struct worker *worker, struct takeover *takeover)
{
    const struct step_call *step = takeover->step.is_running ? &takeover->step : NULL;
    struct run *run = &takeover->run;
    struct function_tally *tally = tally_of(worker, run->function);
    struct attempt_report report;
    char text[160];

    int64_t timeout_ms = step != NULL ? step->timeout_ms : run->function->timeout_ms;
    (void)snprintf(text, sizeof(text), "not done after %lld ms; its thread is left behind", (long long)timeout_ms);
    tally_add(&tally->timed_out);
    if (step != NULL)
        histogram_add(&tally->steps, (double)timeout_ms * 1000); /* as far as anyone knows */
    attempt_fail(&worker->ctx, run, step, "HandlerTimeout", text, &report);
    tally_duration(tally, takeover->started_ns, report.ended_ns);
    end_attempt(worker, run, &report);
    if (takeover->job.message != NULL)
        message_end_run(takeover->job.message, state_after(&takeover->job, run, &report));
}
