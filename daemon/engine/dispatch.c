/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/dispatch.h"

#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "engine/crew.h"
#include "engine/jobs.h"
#include "engine/match.h"
#include "engine/room.h"
#include "engine/route.h"
#include "engine/settle.h"
#include "engine/start.h"
#include "engine/takeover.h"
#include "engine/worker.h"
#include "event/event.h"

#define BATCH_ROOM 4096 /* beyond `queue`: the consumer stops after the batch that passes it */
#define GATE_SHARE 16   /* of what may be in flight one gate holds no more than this part */
#define DRAIN_POLL_MS 2

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
    start_later(context, job);
}

/* ---- messages ------------------------------------------------------------------------------------ */

/* Whether jobs of the function on that event keep the order in which they come: a batch takes its events as they came. */
static bool keeps_order(const struct function *function, const struct stepd_event *event)
{
    return function_orders(function, event) || function_has_batch(function);
}

/* Puts what can go now into the ring, the rest to what is extra. */
static void put_jobs(struct dispatch *dispatch, struct job_list *jobs, uint64_t *at)
{
    bool has_place = true; /* one in the ring is this message's */

    for (struct job *job = jobs_take(jobs); job != NULL; job = jobs_take(jobs)) {
        room_enter(dispatch, job);
        if (job->function != NULL && keeps_order(job->function, &job->event->view) && !strands_enter(dispatch->strands, job))
            continue;
        if (has_place)
            ring_put(pool_ring(dispatch->pool), (*at)++, (uintptr_t)start_task(job));
        else
            start_later(dispatch, job);
        has_place = false;
    }
}

static bool has_ordered(const struct function *const *functions, size_t count, const struct stepd_event *event)
{
    for (size_t i = 0; i < count; i++)
        if (keeps_order(functions[i], event))
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

    if (message->event.view.raw_len > dispatch->settings.event_bytes)
        return false;
    bool is_malformed = event_find_name(&message->event, &error) != 0;
    if (message->event.parts != NULL) {
        size_t parts = jobs_of_parts(dispatch, message, matches, &jobs);
        if (!room_has_for_jobs(dispatch, message, &jobs, clock_monotonic_ns())) {
            jobs_free(&jobs);
            message_end(message, MESSAGE_DROPPED);
            return true;
        }
        message->runs = parts;
        put_jobs(dispatch, &jobs, at);
        return message->event.parts->count > 0;
    }
    size_t count = routes_match(dispatch->settings.routes, message->event.view.topic, is_malformed ? NULL : message->event.view.name,
                                matches, dispatch->settings.function_count);
    if (!has_ordered(matches, count, &message->event.view))
        return false;
    if (!room_has(dispatch, message, matches, count, clock_monotonic_ns())) {
        message_end(message, MESSAGE_DROPPED);
        return true;
    }
    jobs_of_message(message, matches, count, &jobs);
    struct job beside;
    bool has_beside = job_beside(dispatch, message, &message->event, is_malformed, &beside);
    if (has_beside)
        jobs_add_copy(&beside, &jobs);
    message->runs = count + has_beside;
    put_jobs(dispatch, &jobs, at);
    return true;
}

static void take_batch(struct batch_taker *taker, struct batch *batch)
{
    struct dispatch *dispatch = of_batches(taker);
    struct ring *ring = pool_ring(dispatch->pool);
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
            ring_put(ring, put++, (uintptr_t)route_task(message));
    }
    ring_publish(ring, put);
    pool_nudge(dispatch->pool);
}

static void nudge(struct batch_taker *taker)
{
    pool_nudge(of_batches(taker)->pool);
}

static bool has_room_again(struct batch_taker *taker, int lacks, struct room_lack *ret_lack)
{
    return room_is_back(of_batches(taker), lacks, ret_lack);
}

static void drop_revoked(struct batch_taker *taker)
{
    bundles_drop_revoked(of_batches(taker)->bundles);
}

static const struct batch_taker_ops BATCH_TAKER_OPS = {
    .take_batch = take_batch, .nudge = nudge, .has_room = has_room_again, .drop_revoked = drop_revoked
};

/* ---- claimed runs -------------------------------------------------------------------------------- */

static size_t free_workers(struct run_taker *taker)
{
    struct dispatch *dispatch = of_runs(taker);

    if (atomic_load(&dispatch->is_held) || atomic_load(&dispatch->is_stopped) || atomic_load(&dispatch->is_draining) ||
        atomic_load(&dispatch->away.count) >= (size_t)dispatch->settings.max_away)
        return 0;
    size_t free_threads = pool_free_threads(dispatch->pool), in_line = atomic_load(&dispatch->away.in_line);
    return free_threads > in_line ? free_threads - in_line : 0;
}

static void take_run(struct run_taker *taker, struct claimed *claimed)
{
    start_claimed_later(of_runs(taker), claimed);
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
    start_waiting(dispatch, function);
}

static void see_line(struct run_taker *taker, const struct function *function)
{
    gate_see_line(&of_runs(taker)->gates[function->index], clock_monotonic_ns());
}

static void see_queued(struct run_taker *taker, const struct function *function, int64_t change)
{
    gate_see_queued(&of_runs(taker)->gates[function->index], change, clock_monotonic_ns());
}

void dispatch_set_stopped(struct dispatch *dispatch, bool is_stopped)
{
    atomic_store(&dispatch->is_stopped, is_stopped);
}

void dispatch_set_short(struct dispatch *dispatch, bool is_short)
{
    atomic_store(&dispatch->is_short, is_short);
}

void dispatch_hold(struct dispatch *dispatch)
{
    atomic_store(&dispatch->is_held, true);
}

void dispatch_release(struct dispatch *dispatch)
{
    atomic_store(&dispatch->is_held, false);
}

void dispatch_pause(struct dispatch *dispatch, const struct function *function)
{
    gate_close(&dispatch->gates[function->index]);
}

void dispatch_resume(struct dispatch *dispatch, const struct function *function)
{
    gate_open(&dispatch->gates[function->index]);
    start_waiting(dispatch, function);
}

bool dispatch_is_paused(const struct dispatch *dispatch, const struct function *function)
{
    return gate_is_closed(&dispatch->gates[function->index]);
}

void dispatch_cancel(struct dispatch *dispatch, const char *run_id)
{
    lock_take(pool_lock(dispatch->pool));
    for (struct pool_thread *thread = pool_threads(dispatch->pool); thread != NULL; thread = thread->next)
        hold_cancel(&worker_of(thread)->ctx.hold, &thread->slot, run_id);
    lock_give(pool_lock(dispatch->pool));
    away_cancel(&dispatch->away, run_id);
}

static void cancel(struct run_taker *taker, const char *run_id)
{
    dispatch_cancel(of_runs(taker), run_id);
}

static void end_first(struct run_taker *taker, const char *run_id)
{
    struct dispatch *dispatch = of_runs(taker);

    unwanted_add(&dispatch->unwanted, run_id);
    away_cancel_first(&dispatch->away, run_id);
}

static void hear(struct run_taker *taker, const char *run_id)
{
    away_hear(&of_runs(taker)->away, run_id);
}

static void see_breakers(struct run_taker *taker, int shard, const struct bytes *names, size_t count, bool has_more)
{
    breakers_hear(&of_runs(taker)->breakers, shard, names, count, has_more);
}

/* Or may be, since that is not known yet. */
static bool is_paused(struct run_taker *taker, const struct function *function)
{
    struct dispatch *dispatch = of_runs(taker);

    return atomic_load(&dispatch->is_held) || atomic_load(&dispatch->is_stopped) || dispatch_is_paused(dispatch, function);
}

static void refused(struct run_taker *taker, const struct function *function, enum flow_answer why)
{
    struct dispatch *dispatch = of_runs(taker);
    struct function_counts *counts = &dispatch->retired_functions[function->index];

    lock_take(pool_lock(dispatch->pool));
    counts->rate_limited += why == FLOW_OVER_RATE;
    counts->singled += why == FLOW_NOT_ALONE;
    lock_give(pool_lock(dispatch->pool));
}

static const struct run_taker_ops RUN_TAKER_OPS = {
    .free_workers = free_workers,
    .take_run = take_run,
    .reserve = reserve,
    .give_back = give_back,
    .see_line = see_line,
    .see_queued = see_queued,
    .see_breakers = see_breakers,
    .is_paused = is_paused,
    .refused = refused,
    .cancel = cancel,
    .end_first = end_first,
    .hear = hear,
};

bool dispatch_breaker_is_open(struct dispatch *dispatch, const struct function *function)
{
    return function_has_breaker(function_newest(function)) && breakers_touch(&dispatch->breakers, function->id);
}

/* ---- the life of it ------------------------------------------------------------------------------ */

static size_t waiting_most(const struct dispatch_settings *settings)
{
    size_t most = (size_t)settings->queue / 2 / (settings->function_count + 1);
    size_t share = (size_t)settings->queue / GATE_SHARE;

    most = most < share ? most : share;
    return most > 0 ? most : 1;
}

static const struct pool_ops POOL_OPS = {
    .create = worker_create,
    .destroy = worker_destroy,
    .begin = worker_begin,
    .end = worker_end,
    .take_over = takeover_begin,
    .let_go = takeover_let_go,
    .retire = worker_retire,
    .too_many_stuck = takeover_too_many,
};

static struct pool *create_pool(struct dispatch *dispatch)
{
    const struct pool_settings settings = {
        .threads = dispatch->settings.threads,
        .ring_size = (size_t)dispatch->settings.queue + BATCH_ROOM,
        .max_stuck = dispatch->settings.max_stuck,
        .ops = &POOL_OPS,
        .fatal = dispatch->settings.fatal,
        .context = dispatch,
    };

    return pool_create(&settings);
}

/* What waits to be a batch may hold half of what may be in flight: the rest is read on. */
static struct bundles *create_bundles(struct dispatch *dispatch)
{
    const struct bundles_settings settings = {
        .events_most = (size_t)dispatch->settings.queue / 2,
        .bytes_most = dispatch->settings.queue_bytes / 2,
        .begin = start_gathered_later,
        .context = dispatch,
        .fatal = dispatch->settings.fatal,
    };

    return bundles_create(&settings);
}

struct dispatch *dispatch_create(const struct dispatch_settings *settings)
{
    struct dispatch *dispatch = xcalloc(1, sizeof(*dispatch));

    dispatch->settings = *settings;
    dispatch->attempts = (struct attempt_settings){
        .steps = settings->steps,
        .result_bytes = settings->result_bytes,
        .keeps_all = settings->history == HISTORY_ALL,
        .dead_letter_topic = settings->dead_letter_topic,
        .topics = settings->topics,
        .routes = settings->routes,
        .tracer = settings->tracer,
        .caller = settings->caller,
        .boundary = settings->boundary,
        .waits = settings->waits,
        .find_function = settings->learn_function,
        .context = settings->context,
        .is_draining = &dispatch->is_draining,
    };
    dispatch->crew = crew_create(dispatch);
    dispatch->attempts.crew = dispatch->crew;
    unwanted_init(&dispatch->unwanted);
    breakers_init(&dispatch->breakers);
    dispatch->bundles = create_bundles(dispatch);
    dispatch->attempts.unwanted = &dispatch->unwanted;
    dispatch->settlements = settlements_create(dispatch, start_end_settled);
    dispatch->matches_asked = matches_create(dispatch);
    away_list_init(&dispatch->away, settings->max_calls, take_back, dispatch);
    dispatch->pool = create_pool(dispatch);
    dispatch->strands = strands_create();
    dispatch->matches = xcalloc(settings->function_count + 1, sizeof(*dispatch->matches));
    dispatch->retired_functions = xcalloc(settings->function_count + 1, sizeof(*dispatch->retired_functions));
    dispatch->gates = xcalloc(settings->function_count + 1, sizeof(*dispatch->gates));
    for (size_t i = 0; i < settings->function_count; i++)
        gate_init(&dispatch->gates[i]);
    dispatch->waiting_most = waiting_most(settings);
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

int dispatch_start(struct dispatch *dispatch, struct error *ret_error)
{
    return pool_start(dispatch->pool, ret_error);
}

void dispatch_stop_watch(struct dispatch *dispatch)
{
    pool_stop_watch(dispatch->pool);
}

bool dispatch_destroy(struct dispatch *dispatch)
{
    if (dispatch == NULL)
        return true;
    bundles_destroy(dispatch->bundles);
    dispatch->bundles = NULL;
    if (!settlements_await(dispatch->settlements) || !matches_await(dispatch->matches_asked) || !pool_destroy(dispatch->pool) ||
        !crew_destroy(dispatch->crew))
        return false;
    for (size_t i = 0; i < dispatch->settings.function_count; i++)
        gate_done(&dispatch->gates[i]);
    away_list_done(&dispatch->away);
    settlements_destroy(dispatch->settlements);
    matches_destroy(dispatch->matches_asked);
    free(dispatch->gates);
    free(dispatch->retired_functions);
    free(dispatch->matches);
    strands_destroy(dispatch->strands);
    unwanted_done(&dispatch->unwanted);
    breakers_done(&dispatch->breakers);
    free(dispatch);
    return true;
}

/* ---- the end ------------------------------------------------------------------------------------- */

static bool is_idle(struct dispatch *dispatch)
{
    return atomic_load(&dispatch->away.count) == 0 && settlements_count(dispatch->settlements) == 0 &&
           matches_count(dispatch->matches_asked) == 0 && pool_is_idle(dispatch->pool);
}

static void cancel_all(struct dispatch *dispatch)
{
    lock_take(pool_lock(dispatch->pool));
    for (struct pool_thread *thread = pool_threads(dispatch->pool); thread != NULL; thread = thread->next)
        atomic_store(&thread->slot.is_cancelled, true);
    lock_give(pool_lock(dispatch->pool));
    crew_cancel(dispatch->crew);
    away_cancel_all(&dispatch->away);
}

bool dispatch_drain(struct dispatch *dispatch, int64_t timeout_ms)
{
    int64_t until_ms = clock_monotonic_ms() + timeout_ms;
    const struct timespec pause = { .tv_nsec = DRAIN_POLL_MS * 1000000L };

    atomic_store(&dispatch->is_draining, true);
    bundles_close(dispatch->bundles);
    while (!is_idle(dispatch)) {
        if (clock_monotonic_ms() >= until_ms) {
            cancel_all(dispatch);
            return false;
        }
        (void)nanosleep(&pause, NULL);
    }
    return true;
}

/* ---- counts -------------------------------------------------------------------------------------- */

/* Of all functions together. */
static struct function_counts sum_numbers(const struct dispatch *dispatch)
{
    struct function_counts sum = { 0 };

    assert_held(pool_lock(dispatch->pool));
    for (size_t i = 0; i < dispatch->settings.function_count; i++) {
        const struct function_counts *retired = &dispatch->retired_functions[i];
        sum.started += retired->started;
        sum.completed += retired->completed;
        sum.failed += retired->failed;
        sum.retried += retired->retried;
        sum.dead += retired->dead;
        for (struct pool_thread *thread = pool_threads(dispatch->pool); thread != NULL; thread = thread->next)
            tally_read_numbers(atomic_load_explicit(&worker_of(thread)->functions[i], memory_order_acquire), &sum);
    }
    return sum;
}

void dispatch_counts(struct dispatch *dispatch, struct dispatch_counts *ret_counts)
{
    LOCK_GUARD(pool_lock(dispatch->pool));
    struct dispatch_counts counts = dispatch->retired;
    const struct function_counts sum = sum_numbers(dispatch);
    counts.threads_stuck = pool_stuck(dispatch->pool);
    counts.away = atomic_load(&dispatch->away.count);
    counts.queued = pool_waiting(dispatch->pool);
    for (struct pool_thread *thread = pool_threads(dispatch->pool); thread != NULL; thread = thread->next) {
        counts.threads += !thread->is_stuck;
        counts.threads_busy += atomic_load(&thread->is_busy);
        tally_read(&worker_of(thread)->tally, &counts);
    }
    counts.runs_started = sum.started;
    counts.runs_completed = sum.completed;
    counts.runs_failed = sum.failed;
    counts.retries_scheduled = sum.retried;
    counts.dead_letters = sum.dead + counts.letters_without_function;
    *ret_counts = counts;
}

void dispatch_function_counts(struct dispatch *dispatch, size_t index, struct function_counts *ret_counts)
{
    LOCK_GUARD(pool_lock(dispatch->pool));
    struct function_counts counts = dispatch->retired_functions[index];
    for (struct pool_thread *thread = pool_threads(dispatch->pool); thread != NULL; thread = thread->next)
        tally_read_function(atomic_load_explicit(&worker_of(thread)->functions[index], memory_order_acquire), &counts);
    *ret_counts = counts;
}
