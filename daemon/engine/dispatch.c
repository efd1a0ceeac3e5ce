/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/dispatch.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/pulse.h"
#include "engine/jobs.h"
#include "engine/workers.h"
#include "event/event_parts.h"
#include "pool/sleepers.h"

#define BATCH_ROOM 4096               /* beyond `queue`: the consumer stops after the batch that passes it */
#define GATE_SHARE 16                 /* of what may be in flight one gate holds no more than this part */
#define STALE_NS INT64_C(50000)       /* nobody took anything for so long: those awake are held up */
#define JUST_NOW_NS INT64_C(20000000) /* the clock asks every few ms */
#define DRAIN_POLL_MS 2
#define WATCH_EVERY_MS 100

static struct dispatch *of_runs(struct run_taker *taker)
{
    return (struct dispatch *)((char *)taker - offsetof(struct dispatch, runs));
}

static struct dispatch *of_batches(struct batch_taker *taker)
{
    return (struct dispatch *)((char *)taker - offsetof(struct dispatch, batches));
}

/* A job that was away has come back: it is the first to get a worker. */
static void take_back(void *context, struct away *away)
{
    struct job *job = xmemdup(&away->job, sizeof(*job));

    job->away = away;
    dispatch_add_extra(context, job);
}

/* ---- waking workers ------------------------------------------------------------------------------ */

/* Lock held. Who is called no longer counts as asleep: else all that comes before it is up would call
 * another one. */
static void call_sleeper(struct dispatch *dispatch)
{
    if (atomic_load_explicit(&dispatch->sleepers, memory_order_relaxed) == 0)
        return;
    atomic_fetch_sub(&dispatch->sleepers, 1);
    dispatch->calls++;
    (void)pthread_cond_signal(&dispatch->work);
}

void dispatch_wake(struct dispatch *dispatch)
{
    (void)pthread_mutex_lock(&dispatch->lock);
    call_sleeper(dispatch);
    (void)pthread_mutex_unlock(&dispatch->lock);
}

/* Whether those that are awake are all in handlers that take their time. */
static bool is_held_up(struct dispatch *dispatch)
{
    int64_t now_ns = clock_monotonic_ns();
    bool is_fresh = false;

    (void)pthread_mutex_lock(&dispatch->lock);
    for (const struct worker *worker = dispatch->workers; worker != NULL && !is_fresh; worker = worker->next)
        is_fresh = now_ns - atomic_load_explicit(&worker->taken_ns, memory_order_relaxed) < STALE_NS;
    (void)pthread_mutex_unlock(&dispatch->lock);
    return !is_fresh;
}

static void nudge(struct batch_taker *taker)
{
    struct dispatch *dispatch = of_batches(taker);
    int sleepers = sleepers_after_publish(&dispatch->sleepers);
    if (sleepers == 0 || ring_count(&dispatch->ring) == 0)
        return;
    if (dispatch->settings.threads - sleepers < dispatch->cores || is_held_up(dispatch))
        dispatch_wake(dispatch);
}

void dispatch_add_extra(struct dispatch *dispatch, struct job *job)
{
    struct job_list *list = job->away != NULL ? &dispatch->returned : job->claimed != NULL ? &dispatch->claimed : &dispatch->extra;

    (void)pthread_mutex_lock(&dispatch->lock);
    jobs_add(list, job);
    if (list != &dispatch->extra)
        atomic_fetch_add(&dispatch->claimed_count, 1);
    atomic_fetch_add(&dispatch->extra_count, 1);
    call_sleeper(dispatch);
    (void)pthread_mutex_unlock(&dispatch->lock);
}

void dispatch_fill_places(struct dispatch *dispatch, const struct function *function)
{
    struct gate *gate = &dispatch->gates[function->index];
    struct job *next;

    while ((next = gate_next(gate, function_newest(function)->concurrency)) != NULL)
        dispatch_add_extra(dispatch, next);
}

/* ---- messages ------------------------------------------------------------------------------------ */

/* Puts what can go now into the ring, the rest to what is extra. */
static void put_jobs(struct dispatch *dispatch, struct job_list *jobs, uint64_t *at)
{
    bool has_place = true; /* one in the ring is this message's */

    for (struct job *job = jobs_take(jobs); job != NULL; job = jobs_take(jobs)) {
        if (job->function != NULL && function_orders(job->function, &job->event->view) && !strands_enter(dispatch->strands, job))
            continue;
        if (has_place)
            ring_put(&dispatch->ring, (*at)++, (uintptr_t)job | 1);
        else
            dispatch_add_extra(dispatch, job);
        has_place = false;
    }
}

static bool has_ordered(const struct function *const *functions, size_t count, const struct stepd_event *event)
{
    for (size_t i = 0; i < count; i++)
        if (function_orders(functions[i], event))
            return true;
    return false;
}

/* The functions of a message, some of them ordered, as jobs; here, since only the consumer thread sees
 * a key's messages in order. False: no job was made of it. */
static bool order(struct dispatch *dispatch, struct message *message, uint64_t *at)
{
    const struct function **matches = dispatch->matches;
    struct job_list jobs = { .first = NULL };
    struct error error;

    if (message->event.view.key == NULL || message->event.view.raw_len > dispatch->settings.event_bytes)
        return false;
    bool is_malformed = event_find_name(&message->event, &error) != 0;
    if (message->event.parts != NULL) {
        message->runs = (int)jobs_of_parts(dispatch->settings.routes, message, matches, dispatch->settings.function_count, &jobs);
        put_jobs(dispatch, &jobs, at);
        return message->event.parts->count > 0;
    }
    size_t count = routes_match(dispatch->settings.routes, message->event.view.topic, is_malformed ? NULL : message->event.view.name,
                                matches, dispatch->settings.function_count);
    if (!has_ordered(matches, count, &message->event.view))
        return false;
    message->runs = (int)count;
    jobs_of_event(message, &message->event, matches, count, &jobs);
    put_jobs(dispatch, &jobs, at);
    return true;
}

static void take_batch(struct batch_taker *taker, struct batch *batch)
{
    struct dispatch *dispatch = of_batches(taker);
    const char *topic = NULL;
    bool has_ordered = false;
    uint64_t put = 0;

    for (unsigned i = 0; i < batch->count; i++) {
        struct message *message = &batch->messages[i];
        if (topic != message->event.view.topic) {
            topic = message->event.view.topic;
            has_ordered = routes_has_ordered(dispatch->settings.routes, topic);
        }
        if (!has_ordered || !order(dispatch, message, &put))
            ring_put(&dispatch->ring, put++, (uintptr_t)message);
    }
    ring_publish(&dispatch->ring, put);
    nudge(taker);
}

static const struct batch_taker_ops BATCH_TAKER_OPS = { .take_batch = take_batch, .nudge = nudge };

/* ---- claimed runs -------------------------------------------------------------------------------- */

/* Or will be in a moment: it began just now and more waits in the ring, which what is claimed goes before. Else
 * nothing would be claimed until the end of a backlog. How long one that has been at it for a while will
 * take, nobody knows: another daemon may have a worker that is free. */
static bool is_free(const struct worker *worker, int64_t now_ns, bool has_backlog)
{
    if (!atomic_load_explicit(&worker->is_busy, memory_order_relaxed))
        return true;
    return has_backlog && now_ns - atomic_load_explicit(&worker->taken_ns, memory_order_relaxed) < JUST_NOW_NS;
}

static size_t free_workers(struct run_taker *taker)
{
    struct dispatch *self = of_runs(taker);
    bool has_backlog = ring_count(&self->ring) > 0;
    int64_t now_ns = clock_monotonic_ns();
    size_t busy = atomic_load(&self->claimed_count);
    size_t threads = 0;

    (void)pthread_mutex_lock(&self->lock);
    for (const struct worker *worker = self->workers; worker != NULL; worker = worker->next) {
        threads++;
        busy += !is_free(worker, now_ns, has_backlog);
    }
    (void)pthread_mutex_unlock(&self->lock);
    if (busy >= threads || atomic_load(&self->is_draining) || atomic_load(&self->away.count) >= (size_t)self->settings.max_away)
        return 0;
    return threads - busy;
}

void dispatch_push_claimed(struct dispatch *dispatch, struct claimed *claimed)
{
    struct job *job = xmalloc(sizeof(*job));

    *job = (struct job){ .function = claimed->run.function, .claimed = claimed, .is_gated = claimed->has_place };
    dispatch_add_extra(dispatch, job);
}

static void take_run(struct run_taker *taker, struct claimed *claimed)
{
    dispatch_push_claimed(of_runs(taker), claimed);
}

static size_t reserve(struct run_taker *taker, const struct function *function, size_t max)
{
    return gate_reserve(&of_runs(taker)->gates[function->index], function_newest(function)->concurrency, max);
}

static void give_back(struct run_taker *taker, const struct function *function, size_t count)
{
    struct dispatch *dispatch = of_runs(taker);

    for (; count > 0; count--)
        gate_leave(&dispatch->gates[function->index]);
    dispatch_fill_places(dispatch, function);
}

static void see_line(struct run_taker *taker, const struct function *function)
{
    gate_see_line(&of_runs(taker)->gates[function->index], clock_monotonic_ns());
}

void dispatch_cancel(struct dispatch *dispatch, const char *run_id)
{
    (void)pthread_mutex_lock(&dispatch->lock);
    for (struct worker *worker = dispatch->workers; worker != NULL; worker = worker->next)
        slot_cancel(&worker->slot, run_id);
    (void)pthread_mutex_unlock(&dispatch->lock);
    away_cancel(&dispatch->away, run_id);
}

static void cancel(struct run_taker *taker, const char *run_id)
{
    dispatch_cancel(of_runs(taker), run_id);
}

static const struct run_taker_ops RUN_TAKER_OPS = {
    .free_workers = free_workers, .take_run = take_run, .reserve = reserve, .give_back = give_back, .see_line = see_line, .cancel = cancel,
};

/* ---- the life of it ------------------------------------------------------------------------------ */

static size_t waiting_most(const struct dispatch_settings *settings)
{
    size_t most = (size_t)settings->queue / 2 / (settings->function_count + 1);
    size_t share = (size_t)settings->queue / GATE_SHARE;

    most = most < share ? most : share;
    return most > 0 ? most : 1;
}

struct dispatch *dispatch_create(const struct dispatch_settings *settings)
{
    struct dispatch *dispatch = xcalloc_aligned(_Alignof(struct dispatch), sizeof(*dispatch));
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    dispatch->settings = *settings;
    dispatch->cores = cores > 0 ? (int)cores : 1;
    dispatch->attempts = (struct attempt_settings){
        .steps = settings->steps,
        .result_bytes = settings->result_bytes,
        .keeps_all = settings->history == HISTORY_ALL,
        .dead_letter_topic = settings->dead_letter_topic,
        .topics = settings->topics,
        .routes = settings->routes,
    };
    dispatch->attempts.is_draining = &dispatch->is_draining;
    away_list_init(&dispatch->away, take_back, dispatch);
    ring_init(&dispatch->ring, (size_t)settings->queue + BATCH_ROOM);
    dispatch->strands = strands_create();
    dispatch->matches = xcalloc(settings->function_count + 1, sizeof(*dispatch->matches));
    dispatch->retired_functions = xcalloc(settings->function_count + 1, sizeof(*dispatch->retired_functions));
    dispatch->gates = xcalloc(settings->function_count + 1, sizeof(*dispatch->gates));
    for (size_t i = 0; i < settings->function_count; i++)
        gate_init(&dispatch->gates[i]);
    dispatch->waiting_most = waiting_most(settings);
    (void)pthread_mutex_init(&dispatch->lock, NULL);
    (void)pthread_cond_init(&dispatch->work, NULL);
    lock_init(&dispatch->watch_lock);
    condition_init(&dispatch->watch_end);
    dispatch->runs.ops = &RUN_TAKER_OPS;
    dispatch->batches.ops = &BATCH_TAKER_OPS;
    return dispatch;
}

struct batch_taker *dispatch_batch_taker(struct dispatch *dispatch)
{
    return &dispatch->batches;
}

struct run_taker *dispatch_run_taker(struct dispatch *dispatch)
{
    return &dispatch->runs;
}

const struct attempt_settings *dispatch_attempt_settings(const struct dispatch *dispatch)
{
    return &dispatch->attempts;
}

/* Starts one more worker; with `first_work` it begins with that. */
static int start_worker(struct dispatch *dispatch, struct takeover *first_work, struct error *ret_error)
{
    struct worker *worker = worker_create(dispatch);

    worker->first_work = first_work;
    atomic_store(&worker->is_busy, first_work != NULL);
    int failed = pthread_create(&worker->thread, NULL, worker_main, worker);
    if (failed != 0) {
        worker_destroy(worker);
        return error_set(ret_error, failed, "can't start a worker thread: %s", strerror(failed));
    }
    (void)pthread_mutex_lock(&dispatch->lock);
    worker->next = dispatch->workers;
    dispatch->workers = worker;
    (void)pthread_mutex_unlock(&dispatch->lock);
    return 0;
}

/* False: it is over. */
static bool wait_to_watch(struct dispatch *dispatch)
{
    int64_t until_ms = clock_monotonic_ms() + WATCH_EVERY_MS;

    LOCK_GUARD(&dispatch->watch_lock);
    while (!dispatch->is_watch_over && condition_wait_until(&dispatch->watch_end, &dispatch->watch_lock, until_ms))
        ;
    return !dispatch->is_watch_over;
}

static void *watch_main(void *argument)
{
    struct dispatch *dispatch = argument;

    while (wait_to_watch(dispatch)) {
        dispatch_watch(dispatch);
        pulse_beat_here();
    }
    return NULL;
}

int dispatch_start(struct dispatch *dispatch, struct error *ret_error)
{
    for (int i = 0; i < dispatch->settings.threads; i++) {
        int status = start_worker(dispatch, NULL, ret_error);
        if (status != 0)
            return status;
    }
    return thread_start(&dispatch->watch, "watch", PULSE_LIMIT_MS, watch_main, dispatch, ret_error);
}

void dispatch_stop_watch(struct dispatch *dispatch)
{
    lock_take(&dispatch->watch_lock);
    dispatch->is_watch_over = true;
    condition_wake_all(&dispatch->watch_end);
    lock_give(&dispatch->watch_lock);
    thread_join(&dispatch->watch);
}

static void wake_all(struct dispatch *dispatch)
{
    (void)pthread_mutex_lock(&dispatch->lock);
    (void)pthread_cond_broadcast(&dispatch->work);
    (void)pthread_mutex_unlock(&dispatch->lock);
}

/* Whether the thread ends soon enough to be waited for. */
static bool can_be_joined(const struct worker *worker)
{
    return atomic_load(&worker->is_finished) || (!worker->is_stuck && !atomic_load(&worker->is_busy));
}

bool dispatch_destroy(struct dispatch *dispatch)
{
    if (dispatch == NULL)
        return true;
    dispatch_stop_watch(dispatch);
    atomic_store(&dispatch->is_stopping, true);
    wake_all(dispatch);
    bool is_left = false;
    for (struct worker *worker = dispatch->workers, *next; worker != NULL; worker = next) {
        next = worker->next;
        if (!can_be_joined(worker)) {
            (void)pthread_detach(worker->thread); /* it still uses what is here: left to the end of the process */
            is_left = true;
            continue;
        }
        (void)pthread_join(worker->thread, NULL);
        worker_destroy(worker);
    }
    if (is_left)
        return false;
    for (size_t i = 0; i < dispatch->settings.function_count; i++)
        gate_done(&dispatch->gates[i]);
    away_list_done(&dispatch->away);
    free(dispatch->gates);
    free(dispatch->retired_functions);
    free(dispatch->matches);
    strands_destroy(dispatch->strands);
    ring_done(&dispatch->ring);
    condition_done(&dispatch->watch_end);
    lock_done(&dispatch->watch_lock);
    (void)pthread_cond_destroy(&dispatch->work);
    (void)pthread_mutex_destroy(&dispatch->lock);
    free(dispatch);
    return true;
}

/* ---- the watch, and the end ---------------------------------------------------------------------- */

/* What the thread was at, as it stood when the watch won it. */
static void fill_takeover(struct takeover *takeover, const struct worker *worker)
{
    takeover->job = worker->job;
    takeover->run = *worker->run;
    takeover->run.errand = worker->ctx.entered_with;
    takeover->step = worker->ctx.step;
    takeover->started_ns = worker->ctx.started_ns;
    if (takeover->job.message != NULL)
        atomic_fetch_add(&takeover->job.message->batch->open, 1);
}

static bool is_overdue(const struct worker *worker, int64_t now_ns)
{
    int64_t deadline_ns = atomic_load_explicit(&worker->slot.deadline_ns, memory_order_relaxed);

    return !worker->is_stuck && deadline_ns != 0 && now_ns >= deadline_ns;
}

/* NULL: it was not stuck after all. */
static struct takeover *take_over(struct worker *worker, int64_t now_ns)
{
    struct takeover *takeover = xcalloc(1, sizeof(*takeover));

    atomic_init(&takeover->holders, 2);
    worker->takeover = takeover;
    if (!slot_abandon(&worker->slot, now_ns)) {
        worker->takeover = NULL;
        free(takeover);
        return NULL;
    }
    worker->is_stuck = true;
    fill_takeover(takeover, worker);
    return takeover;
}

static void replace(struct dispatch *dispatch, struct takeover *takeover)
{
    struct error error = { 0 };
    int stuck = atomic_fetch_add(&dispatch->stuck, 1) + 1;

    if (stuck > dispatch->settings.max_stuck) {
        AUTO_FREE char *why = xasprintf("%d threads are stuck in handlers past their timeouts, the last one in function %s: "
                                        "worker.max_stuck is %d", stuck, takeover->run.function->id, dispatch->settings.max_stuck);
        dispatch->settings.fatal(why);
    }
    if (start_worker(dispatch, takeover, &error) != 0)
        dispatch->settings.fatal(error.text);
}

/* Threads that were stuck, and came back after all: their places were taken long ago. */
static void bury_finished(struct dispatch *dispatch)
{
    (void)pthread_mutex_lock(&dispatch->lock);
    for (struct worker **link = &dispatch->workers; *link != NULL;) {
        struct worker *worker = *link;
        if (!worker->is_stuck || !atomic_load(&worker->is_finished)) {
            link = &worker->next;
            continue;
        }
        *link = worker->next;
        tally_read(&worker->tally, &dispatch->retired);
        for (size_t i = 0; i < dispatch->settings.function_count; i++)
            tally_read_function(atomic_load(&worker->functions[i]), &dispatch->retired_functions[i]);
        (void)pthread_join(worker->thread, NULL);
        worker_destroy(worker);
    }
    (void)pthread_mutex_unlock(&dispatch->lock);
}

void dispatch_watch(struct dispatch *dispatch)
{
    int64_t now_ns = clock_monotonic_ns();

    bury_finished(dispatch);
    for (;;) {
        struct takeover *takeover = NULL;
        (void)pthread_mutex_lock(&dispatch->lock);
        for (struct worker *worker = dispatch->workers; worker != NULL && takeover == NULL; worker = worker->next) {
            if (is_overdue(worker, now_ns))
                takeover = take_over(worker, now_ns);
        }
        (void)pthread_mutex_unlock(&dispatch->lock);
        if (takeover == NULL)
            return;
        replace(dispatch, takeover);
    }
}

static bool is_idle(struct dispatch *dispatch)
{
    bool is_busy = ring_count(&dispatch->ring) > 0 || atomic_load(&dispatch->extra_count) > 0 || atomic_load(&dispatch->away.count) > 0;

    (void)pthread_mutex_lock(&dispatch->lock);
    for (const struct worker *worker = dispatch->workers; worker != NULL && !is_busy; worker = worker->next)
        is_busy = !worker->is_stuck && atomic_load(&worker->is_busy);
    (void)pthread_mutex_unlock(&dispatch->lock);
    return !is_busy;
}

bool dispatch_drain(struct dispatch *dispatch, int64_t timeout_ms)
{
    int64_t until_ms = clock_monotonic_ms() + timeout_ms;
    const struct timespec pause = { .tv_nsec = DRAIN_POLL_MS * 1000000L };

    atomic_store(&dispatch->is_draining, true);
    wake_all(dispatch);
    while (!is_idle(dispatch)) {
        if (clock_monotonic_ms() >= until_ms) {
            (void)pthread_mutex_lock(&dispatch->lock);
            for (struct worker *worker = dispatch->workers; worker != NULL; worker = worker->next)
                atomic_store(&worker->slot.is_cancelled, true);
            (void)pthread_mutex_unlock(&dispatch->lock);
            away_cancel_all(&dispatch->away);
            return false;
        }
        (void)nanosleep(&pause, NULL);
    }
    return true;
}

/* ---- counts -------------------------------------------------------------------------------------- */

/* Lock held. Of all functions together. */
static struct function_counts sum_numbers(const struct dispatch *dispatch)
{
    struct function_counts sum = { 0 };

    for (size_t i = 0; i < dispatch->settings.function_count; i++) {
        const struct function_counts *retired = &dispatch->retired_functions[i];
        sum.started += retired->started;
        sum.completed += retired->completed;
        sum.failed += retired->failed;
        sum.retried += retired->retried;
        sum.dead += retired->dead;
        for (const struct worker *worker = dispatch->workers; worker != NULL; worker = worker->next)
            tally_read_numbers(atomic_load_explicit(&worker->functions[i], memory_order_acquire), &sum);
    }
    return sum;
}

void dispatch_counts(struct dispatch *dispatch, struct dispatch_counts *ret_counts)
{
    (void)pthread_mutex_lock(&dispatch->lock);
    struct dispatch_counts counts = dispatch->retired;
    const struct function_counts sum = sum_numbers(dispatch);
    counts.threads_stuck = (size_t)atomic_load(&dispatch->stuck);
    counts.away = atomic_load(&dispatch->away.count);
    counts.queued = ring_count(&dispatch->ring) + atomic_load(&dispatch->extra_count);
    for (const struct worker *worker = dispatch->workers; worker != NULL; worker = worker->next) {
        counts.threads += !worker->is_stuck;
        counts.threads_busy += atomic_load(&worker->is_busy);
        tally_read(&worker->tally, &counts);
    }
    (void)pthread_mutex_unlock(&dispatch->lock);
    counts.runs_started = sum.started;
    counts.runs_completed = sum.completed;
    counts.runs_failed = sum.failed;
    counts.retries_scheduled = sum.retried;
    counts.dead_letters = sum.dead + counts.letters_without_function;
    *ret_counts = counts;
}

void dispatch_function_counts(struct dispatch *dispatch, size_t index, struct function_counts *ret_counts)
{
    (void)pthread_mutex_lock(&dispatch->lock);
    struct function_counts counts = dispatch->retired_functions[index];
    for (const struct worker *worker = dispatch->workers; worker != NULL; worker = worker->next)
        tally_read_function(atomic_load_explicit(&worker->functions[index], memory_order_acquire), &counts);
    (void)pthread_mutex_unlock(&dispatch->lock);
    *ret_counts = counts;
}
