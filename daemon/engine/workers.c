/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/workers.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/pulse.h"
#include "run/journal.h"
#include "engine/work.h"
#include "pool/sleepers.h"

#define SLOW_NS INT64_C(50000)        /* work that takes longer is worth waking another thread */

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

void worker_look_at_clock(struct worker *worker)
{
    worker->now_ns = clock_monotonic_ns();
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

/* Until there may be something to do. False: the end. */
static bool wait_for_work(struct dispatch *dispatch)
{
    (void)pthread_mutex_lock(&dispatch->lock);
    sleepers_add(&dispatch->sleepers);
    pulse_rest_here();
    while (!has_work(dispatch) && !atomic_load(&dispatch->is_stopping)) {
        (void)pthread_cond_wait(&dispatch->work, &dispatch->lock);
        if (dispatch->calls > 0) {
            dispatch->calls--;
            sleepers_add(&dispatch->sleepers);
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
        work_settle(worker, worker->first_work);
        atomic_store(&worker->is_busy, false);
    }
    worker_look_at_clock(worker);
    while (is_ours) {
        pulse_beat(pulse);
        atomic_store_explicit(&worker->is_busy, true, memory_order_relaxed);
        uintptr_t item = take(dispatch);
        if (item == 0) {
            atomic_store_explicit(&worker->is_busy, false, memory_order_relaxed);
            if (!wait_for_work(dispatch))
                break;
            worker_look_at_clock(worker);
            continue;
        }
        int64_t begun_ns = worker->now_ns;
        atomic_store_explicit(&worker->taken_ns, begun_ns, memory_order_relaxed);
        share_work(worker);
        is_ours = work_on(worker, item);
        worker->was_slow = worker->now_ns - begun_ns > SLOW_NS;
    }
    if (!is_ours) {
        work_drop(worker->takeover);
        atomic_fetch_sub(&dispatch->stuck, 1);
    }
    pulse_stop(pulse);
    exit_modules(worker);
    journal_give_slot(worker->ctx.journal);
    atomic_store(&worker->is_busy, false);
    atomic_store(&worker->is_finished, true);
    return NULL;
}
