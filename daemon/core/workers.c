/* SPDX-License-Identifier: Apache-2.0 */
#include "core/workers.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/pulse.h"
#include "core/attempt.h"
#include "core/crashes.h"
#include "core/journal.h"
#include "core/key_set.h"
#include "core/outcome.h"
#include "core/steps.h"

#define SLOW_NS INT64_C(50000)        /* work that takes longer is worth waking another thread */
#define UNKNOWN_DELAY_MS 60000        /* until a run whose function is not here is looked at again */
#define REJECT_PAUSE_MS 1000

struct worker *worker_create(struct dispatch *dispatch)
{
    const struct dispatch_settings *settings = &dispatch->settings;
    struct worker *worker = xcalloc(1, sizeof(*worker));

    worker->dispatch = dispatch;
    worker->matches = xcalloc(settings->function_count + 1, sizeof(*worker->matches));
    worker->locals = xcalloc(settings->module_count + 1, sizeof(*worker->locals));
    worker->functions = xcalloc(settings->function_count + 1, sizeof(*worker->functions));
    slot_init(&worker->slot);
    context_init(&worker->ctx);
    worker->ctx.slot = &worker->slot;
    worker->ctx.store = settings->store;
    worker->ctx.publisher = settings->publisher;
    worker->ctx.settings = &dispatch->attempts;
    worker->ctx.locals = worker->locals;
    return worker;
}

void worker_destroy(struct worker *worker)
{
    context_done(&worker->ctx);
    slot_done(&worker->slot);
    for (size_t i = 0; i < worker->dispatch->settings.function_count; i++)
        free(worker->functions[i]);
    free(worker->functions);
    free(worker->locals);
    free(worker->matches);
    free(worker);
}

/* ---- what became of an attempt ------------------------------------------------------------------- */

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

/* What its message is now. An ordered run that is left to the store keeps later ones of its key back:
 * known before the strand goes on. */
static enum message_state state_after(const struct job *job, const struct run *run, const struct attempt_report *report)
{
    if (report->end == ATTEMPT_STOPPED)
        return run->epoch > 0 ? MESSAGE_TAKEN : MESSAGE_DROPPED;
    /* Whatever the store may yet lose of a run that ended, nothing of it is left to do. */
    if (report->end == ATTEMPT_COMPLETED || report->end == ATTEMPT_FAILED)
        return MESSAGE_DONE;
    if (run_is_ordered(run))
        key_set_add(job->message->assignment->parked_keys, run->function->id,
                    (struct bytes){ run->event->view.key, run->event->view.key_len });
    return MESSAGE_TAKEN;
}

/* ---- one run of a message ------------------------------------------------------------------------ */

static int compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, RUN_ID_LENGTH);
}

static bool is_taken(const struct assignment *assignment, const struct run_id *id)
{
    return assignment->taken_count > 0 &&
           bsearch(id, assignment->taken, assignment->taken_count, sizeof(*id), compare_ids) != NULL;
}

/* After what may have waited. */
static void look_at_clock(struct worker *worker)
{
    worker->now_ns = clock_monotonic_ns();
}

/* Whether an attempt is to be made; else *ret_state is what the message is. */
static bool may_start(struct worker *worker, const struct job *job, struct run *run, enum message_state *ret_state)
{
    struct store *store = worker->ctx.store;
    struct key_set *parked = job->message->assignment->parked_keys;
    struct bytes key = { run->event->view.key, run->event->view.key_len };

    *ret_state = MESSAGE_TAKEN;
    if (is_taken(job->message->assignment, &run->id))
        return false;
    if (run->function->dedupe_ms > 0) {
        enum dedupe_answer answer;
        *ret_state = MESSAGE_DROPPED;
        int status = store->ops->remember(store, run, run->function->dedupe_ms, &answer);
        look_at_clock(worker);
        if (status != 0)
            return false;
        *ret_state = MESSAGE_DONE;
        if (answer == DEDUPE_DUPLICATE) {
            tally_add(&tally_of(worker, run->function)->duplicates);
            return false;
        }
    }
    if (run_is_ordered(run) && key_set_has(parked, run->function->id, key)) {
        enum order_answer answer;
        *ret_state = MESSAGE_DROPPED;
        int status = store->ops->queue_behind(store, run, &answer);
        look_at_clock(worker);
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
    struct event *event = &job->message->event;

    worker->own_run = (struct run){
        .function = function,
        .event = event,
        .id = function->dedupe_ms > 0 ? run_id_of_event_id(function, event) : run_id_of(function, event),
        .first_epoch = context_new_epoch(&worker->ctx),
        .created_ms = event->timestamp_ms >= 0 ? event->timestamp_ms : clock_wall_ms(),
    };
    worker->run = &worker->own_run;
}

static const char crash_text[] = "the handler ended its process, or was running each time it ended";

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
    worker->now_ns = report->ended_ns;
    tally_end(tally, report);
    outcome_log(run, report, worker->dispatch->attempts.keeps_all);
    return true;
}

/* What a worker and its job are to each other after it has run. */
enum job_end {
    JOB_OVER,
    JOB_AWAY,      /* it has left the worker, with all that it holds */
    JOB_ABANDONED, /* the watch took over */
};

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

static enum job_end run_message(struct worker *worker)
{
    const struct job *job = &worker->job;
    enum message_state state = MESSAGE_DROPPED;
    enum job_end end = JOB_OVER;

    if (job->away != NULL) {
        end = attempt_message(worker, false, &state);
    } else if (message_begin(job->message) && !atomic_load_explicit(&worker->dispatch->is_draining, memory_order_relaxed)) {
        begin_run(worker, job);
        tally_add(&tally_of(worker, worker->run->function)->consumed);
        if (may_start(worker, job, worker->run, &state)) {
            tally_add(&tally_of(worker, worker->run->function)->started);
            end = attempt_message(worker, crashes_take(worker->dispatch->settings.crashes, &worker->run->id), &state);
        }
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
    (void)worker->ctx.store->ops->advance(worker->ctx.store, &claimed->run, &change, &reply);
    look_at_clock(worker);
    claimed->run.function = NULL;
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
    /* What has not begun when the daemon stops stays ours, and is given back at the end. */
    if (claimed->run.function == NULL && !atomic_load(&worker->dispatch->is_draining))
        put_off(worker, claimed);
    else if (is_begun || !atomic_load(&worker->dispatch->is_draining))
        end = attempt_claimed(worker);
    if (end == JOB_OVER)
        claimed->release(claimed);
    return end;
}

/* ---- jobs ---------------------------------------------------------------------------------------- */

/* False: it waits at its function's gate. */
static bool may_begin(struct dispatch *dispatch, struct job *job)
{
    int limit = job->function != NULL ? function_newest(job->function)->concurrency : 0;

    return limit == 0 || job->is_gated || gate_enter(&dispatch->gates[job->function->index], job, limit);
}

/* What the job kept from running; one of them is returned, others are queued. NULL: none. */
static struct job *release_next(struct dispatch *dispatch, const struct job *job)
{
    struct job *after_gate = job->is_gated ? gate_leave(&dispatch->gates[job->function->index]) : NULL;
    struct job *after_strand = job->strand != NULL ? strands_leave(dispatch->strands, job->strand) : NULL;

    if (after_gate != NULL && after_strand != NULL)
        dispatch_add_extra(dispatch, after_gate);
    return after_strand != NULL ? after_strand : after_gate;
}

/* Runs worker->job, and whatever that kept from running. False: the watch took over. */
static bool run_job(struct worker *worker)
{
    struct dispatch *dispatch = worker->dispatch;

    for (;;) {
        if (!may_begin(dispatch, &worker->job))
            return true;
        enum job_end end = worker->job.claimed != NULL ? run_claimed(worker) : run_message(worker);
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

/* A message without a run has no other way on than its dead letter. */
static enum message_state reject(struct worker *worker, struct message *message, const char *name, const char *why)
{
    struct dispatch *dispatch = worker->dispatch;
    const struct timespec pause = { .tv_sec = REJECT_PAUSE_MS / 1000 };

    log_warn("%s [%d] @ %lld is no event (%s: %s): it goes to the dead letters", message->event.view.topic,
             (int)message->event.view.partition, (long long)message->event.view.offset, name, why);
    tally_add(&worker->tally.malformed);
    for (;;) {
        int status = attempt_reject(worker->ctx.publisher, dispatch->settings.dead_letter_topic, &message->event, name, why,
                                    context_now_ms(&worker->ctx));
        look_at_clock(worker);
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

/* All its functions but the first become jobs of their own. */
static void spread(struct dispatch *dispatch, struct message *message, const struct function *const *functions, size_t count)
{
    atomic_store(&message->runs, (int)count);
    for (size_t i = 1; i < count; i++) {
        struct job *job = xmalloc(sizeof(*job));
        *job = (struct job){ .function = functions[i], .message = message };
        dispatch_add_extra(dispatch, job);
    }
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
        message_end(message, reject(worker, message, "EventTooLarge", text));
        return true;
    }
    bool is_malformed = event_find_name(event, &error) != 0;
    size_t count = routes_match(dispatch->settings.routes, event->view.topic, is_malformed ? NULL : event->view.name,
                                worker->matches, dispatch->settings.function_count);
    if (count == 0) {
        if (!is_malformed) {
            tally_add(&worker->tally.unhandled);
            outcome_log_unhandled(&event->view, dispatch->attempts.keeps_all);
        }
        message_end(message, is_malformed ? reject(worker, message, "MalformedEvent", error.text) : MESSAGE_DONE);
        return true;
    }
    spread(dispatch, message, worker->matches, count);
    worker->job = (struct job){ .function = worker->matches[0], .message = message };
    return run_job(worker);
}

/* ---- what a stuck thread left -------------------------------------------------------------------- */

static void drop(struct takeover *takeover)
{
    if (atomic_fetch_sub(&takeover->holders, 1) != 1)
        return;
    if (takeover->job.claimed != NULL) {
        takeover->job.claimed->release(takeover->job.claimed);
    } else {
        steps_destroy(takeover->run.steps);
        atomic_fetch_sub(&takeover->job.message->batch->open, 1);
    }
    free(takeover);
}

static void settle(struct worker *worker, struct takeover *takeover)
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
    tally_end(tally, &report);
    outcome_log(run, &report, worker->dispatch->attempts.keeps_all);
    if (takeover->job.message != NULL)
        message_end_run(takeover->job.message, state_after(&takeover->job, run, &report));
    struct job *next = release_next(worker->dispatch, &takeover->job);
    drop(takeover);
    if (next != NULL)
        dispatch_add_extra(worker->dispatch, next);
}

/* ---- the thread ---------------------------------------------------------------------------------- */

static void init_modules(struct worker *worker)
{
    const struct dispatch_settings *settings = &worker->dispatch->settings;

    for (size_t i = 0; i < settings->module_count; i++) {
        const struct module *module = settings->modules[i];
        if (module->declared->thread_init == NULL ||
            module->declared->thread_init(module->shared, &worker->locals[module->index]) == 0)
            continue;
        AUTO_FREE char *why = xasprintf("module %s refuses to start on a worker thread (its thread_init failed)", module->declared->name);
        settings->fatal(why);
    }
}

static void exit_modules(struct worker *worker)
{
    const struct dispatch_settings *settings = &worker->dispatch->settings;

    for (size_t i = settings->module_count; i-- > 0;) {
        const struct module *module = settings->modules[i];
        if (module->declared->thread_exit != NULL)
            module->declared->thread_exit(module->shared, worker->locals[module->index]);
    }
}

static struct job *take_extra(struct dispatch *dispatch)
{
    if (atomic_load(&dispatch->extra_count) == 0)
        return NULL;
    (void)pthread_mutex_lock(&dispatch->lock);
    struct job *job = jobs_take(&dispatch->returned);
    if (job == NULL)
        job = jobs_take(&dispatch->claimed);
    if (job != NULL)
        atomic_fetch_sub(&dispatch->claimed_count, 1);
    else
        job = jobs_take(&dispatch->extra);
    if (job != NULL)
        atomic_fetch_sub(&dispatch->extra_count, 1);
    (void)pthread_mutex_unlock(&dispatch->lock);
    return job;
}

/* What comes next; a job has bit 0 set. 0: nothing. */
static uintptr_t take(struct dispatch *dispatch)
{
    struct job *job = take_extra(dispatch);

    return job != NULL ? (uintptr_t)job | 1 : ring_take(&dispatch->ring);
}

static bool has_work(struct dispatch *dispatch)
{
    return atomic_load(&dispatch->extra_count) > 0 || ring_count(&dispatch->ring) > 0;
}

/* Pairs with dispatch_nudge(): either we see what was published, or it sees us sleep. */
static void count_as_sleeper(struct dispatch *dispatch)
{
    atomic_fetch_add(&dispatch->sleepers, 1);
    atomic_thread_fence(memory_order_seq_cst);
}

/* Until there may be something to do. False: the end. */
static bool wait_for_work(struct dispatch *dispatch)
{
    (void)pthread_mutex_lock(&dispatch->lock);
    count_as_sleeper(dispatch);
    pulse_rest_here();
    while (!has_work(dispatch) && !atomic_load(&dispatch->is_stopping)) {
        (void)pthread_cond_wait(&dispatch->work, &dispatch->lock);
        if (dispatch->calls > 0) {
            dispatch->calls--;
            count_as_sleeper(dispatch);
        }
    }
    pulse_beat_here();
    atomic_fetch_sub(&dispatch->sleepers, 1);
    (void)pthread_mutex_unlock(&dispatch->lock);
    return !atomic_load(&dispatch->is_stopping);
}

/* More threads than cores help only where handlers wait. */
static void share_work(const struct worker *worker)
{
    struct dispatch *dispatch = worker->dispatch;
    int sleepers = atomic_load_explicit(&dispatch->sleepers, memory_order_relaxed);

    if (sleepers > 0 && has_work(dispatch) && (worker->was_slow || dispatch->settings.threads - sleepers < dispatch->cores))
        dispatch_wake(dispatch);
}

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

/* False: the watch took over. */
static bool work_on(struct worker *worker, uintptr_t item)
{
    if ((item & 1) == 0)
        return route(worker, (struct message *)item);
    struct job *job = (struct job *)(item & ~(uintptr_t)1);
    worker->job = *job;
    free(job);
    take_run_back(worker);
    return run_job(worker);
}

void *worker_main(void *argument)
{
    struct worker *worker = argument;
    struct dispatch *dispatch = worker->dispatch;
    bool is_ours = true;

    worker->ctx.journal = journal_take_slot(dispatch->settings.journal);
    journal_attach(worker->ctx.journal);
    init_modules(worker);
    struct pulse *pulse = pulse_start("worker", PULSE_LIMIT_MS);
    if (worker->first_work != NULL) {
        settle(worker, worker->first_work);
        atomic_store(&worker->is_busy, false);
    }
    look_at_clock(worker);
    while (is_ours) {
        pulse_beat(pulse);
        atomic_store_explicit(&worker->is_busy, true, memory_order_relaxed);
        uintptr_t item = take(dispatch);
        if (item == 0) {
            atomic_store_explicit(&worker->is_busy, false, memory_order_relaxed);
            if (!wait_for_work(dispatch))
                break;
            look_at_clock(worker);
            continue;
        }
        int64_t begun_ns = worker->now_ns;
        atomic_store_explicit(&worker->taken_ns, begun_ns, memory_order_relaxed);
        share_work(worker);
        is_ours = work_on(worker, item);
        worker->was_slow = worker->now_ns - begun_ns > SLOW_NS;
    }
    if (!is_ours) {
        drop(worker->takeover);
        atomic_fetch_sub(&dispatch->stuck, 1);
    }
    pulse_stop(pulse);
    exit_modules(worker);
    journal_give_slot(worker->ctx.journal);
    atomic_store(&worker->is_busy, false);
    atomic_store(&worker->is_finished, true);
    return NULL;
}
