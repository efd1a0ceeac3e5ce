/* SPDX-License-Identifier: Apache-2.0 */
#include "pool/pool.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/pulse.h"
#include "base/thread.h"
#include "pool/sleepers.h"

#define SLOW_NS INT64_C(50000)        /* a task that takes longer is worth waking another thread */
#define STALE_NS INT64_C(50000)       /* nobody took anything for so long: those awake are held up */
#define JUST_NOW_NS INT64_C(20000000) /* who hands over what is due asks every few ms */
#define WATCH_EVERY_MS 100

struct pool {
    struct pool_settings settings;
    int cores;
    struct ring ring; /* tasks */

    struct lock lock;
    struct condition work;              /* something to do, or is_stopping */
    struct task_list lists[TASK_RANKS]; /* lock; what is not in the ring */
    atomic_size_t listed;               /* of all lists */
    atomic_size_t urgent;               /* of those that go before what follows: each wants a thread soon */
    atomic_int sleepers;                /* not yet called; lock to write */
    atomic_int calls;                   /* lock to write; signals that no sleeper has answered yet */
    struct pool_thread *threads;        /* lock */
    atomic_bool is_stopping;            /* lock to write */
    atomic_int stuck;

    struct thread watch;
    struct condition watch_end;
    bool is_watch_over; /* lock */
};

/* ---- waking threads ------------------------------------------------------------------------------ */

/* A sleeper is uncounted when it is called, not when it wakes: else every task that comes in between would call one
 * more. */
static void call_sleeper(struct pool *pool)
{
    assert_held(&pool->lock);
    if (atomic_load_explicit(&pool->sleepers, memory_order_relaxed) == 0)
        return;
    atomic_fetch_sub(&pool->sleepers, 1);
    atomic_fetch_add(&pool->calls, 1);
    condition_wake_one(&pool->work);
}

/* For what is in the lists one call at a time: who comes takes the first, and calls the next before it runs that. So those who are
 * awake take many small tasks while one is still on its way, and of tasks that take their time each has its thread soon. */
static void call_for_listed(struct pool *pool)
{
    assert_held(&pool->lock);
    if (atomic_load(&pool->calls) == 0)
        call_sleeper(pool);
}

static void wake_one(struct pool *pool)
{
    LOCK_GUARD(&pool->lock);
    call_sleeper(pool);
}

/* Whether those that are awake are all in handlers that take their time. */
static bool is_held_up(struct pool *pool)
{
    int64_t now_ns = clock_monotonic_ns();
    bool is_fresh = false;

    LOCK_GUARD(&pool->lock);
    for (const struct pool_thread *thread = pool->threads; thread != NULL && !is_fresh; thread = thread->next)
        is_fresh = now_ns - atomic_load_explicit(&thread->taken_ns, memory_order_relaxed) < STALE_NS;
    return !is_fresh;
}

void pool_nudge(struct pool *pool)
{
    int sleepers = sleepers_after_publish(&pool->sleepers);

    if (sleepers == 0 || ring_count(&pool->ring) == 0)
        return;
    if (pool->settings.threads - sleepers < pool->cores || is_held_up(pool))
        wake_one(pool);
}

/* ---- tasks on their way -------------------------------------------------------------------------- */

struct ring *pool_ring(struct pool *pool)
{
    return &pool->ring;
}

void pool_add(struct pool *pool, struct task *task, enum task_rank rank)
{
    assert(rank < TASK_RANKS);
    LOCK_GUARD(&pool->lock);
    tasks_add(&pool->lists[rank], task);
    if (rank < TASK_FOLLOWS)
        atomic_fetch_add(&pool->urgent, 1);
    atomic_fetch_add(&pool->listed, 1);
    call_for_listed(pool);
}

struct task *pool_take_listed(struct pool *pool)
{
    if (atomic_load(&pool->listed) == 0)
        return NULL;
    LOCK_GUARD(&pool->lock);
    for (enum task_rank rank = 0; rank < TASK_RANKS; rank++) {
        struct task *task = tasks_take(&pool->lists[rank]);
        if (task == NULL)
            continue;
        assert(rank >= TASK_FOLLOWS || atomic_load(&pool->urgent) > 0);
        assert(atomic_load(&pool->listed) > 0);
        if (rank < TASK_FOLLOWS)
            atomic_fetch_sub(&pool->urgent, 1);
        atomic_fetch_sub(&pool->listed, 1);
        return task;
    }
    return NULL;
}

/* NULL: nothing waits. */
static struct task *take(struct pool *pool)
{
    struct task *task = pool_take_listed(pool);

    return task != NULL ? task : (struct task *)ring_take(&pool->ring);
}

static bool has_work(struct pool *pool)
{
    return atomic_load(&pool->listed) > 0 || ring_count(&pool->ring) > 0;
}

size_t pool_waiting(const struct pool *pool)
{
    return ring_count(&pool->ring) + atomic_load(&pool->listed);
}

/* ---- a thread ------------------------------------------------------------------------------------ */

void pool_thread_look_at_clock(struct pool_thread *thread)
{
    thread->now_ns = clock_monotonic_ns();
}

/* Until there may be something to do. False: the end. */
static bool wait_for_work(struct pool *pool)
{
    LOCK_GUARD(&pool->lock);
    sleepers_add(&pool->sleepers);
    pulse_rest_here();
    while (!has_work(pool) && !atomic_load(&pool->is_stopping)) {
        condition_wait(&pool->work, &pool->lock);
        if (atomic_load(&pool->calls) > 0) {
            atomic_fetch_sub(&pool->calls, 1);
            sleepers_add(&pool->sleepers);
        }
    }
    pulse_beat_here();
    atomic_fetch_sub(&pool->sleepers, 1);
    return !atomic_load(&pool->is_stopping);
}

static void share_listed(struct pool *pool)
{
    LOCK_GUARD(&pool->lock);
    call_for_listed(pool);
}

/* More threads than cores help only where handlers wait. */
static void share_work(struct pool *pool, bool was_slow)
{
    int sleepers = atomic_load_explicit(&pool->sleepers, memory_order_relaxed);

    if (sleepers > 0 && atomic_load(&pool->listed) > 0 && atomic_load(&pool->calls) == 0)
        share_listed(pool);
    else if (sleepers > 0 && has_work(pool) && (was_slow || pool->settings.threads - sleepers < pool->cores))
        wake_one(pool);
}

static struct pulse *begin(struct pool_thread *thread)
{
    assert_thread(&thread->thread);
    thread->pool->settings.ops->begin(thread);
    struct pulse *pulse = pulse_start("worker", PULSE_LIMIT_MS);
    if (thread->first != NULL) {
        (void)thread->first->run(thread->first, thread);
        atomic_store(&thread->is_busy, false);
    }
    pool_thread_look_at_clock(thread);
    return pulse;
}

static void end(struct pool_thread *thread, struct pulse *pulse)
{
    const struct pool_ops *ops = thread->pool->settings.ops;

    assert_thread(&thread->thread);
    if (slot_is_abandoned(&thread->slot)) {
        ops->let_go(thread);
        atomic_fetch_sub(&thread->pool->stuck, 1);
    }
    pulse_stop(pulse);
    ops->end(thread);
    atomic_store(&thread->is_busy, false);
    atomic_store(&thread->is_finished, true);
}

/* What waits, or else what comes until the pool stops. NULL: the end. */
static struct task *next_task(struct pool_thread *thread)
{
    struct pool *pool = thread->pool;
    struct task *task;

    atomic_store_explicit(&thread->is_busy, true, memory_order_relaxed);
    while ((task = take(pool)) == NULL) {
        atomic_store_explicit(&thread->is_busy, false, memory_order_relaxed);
        if (!wait_for_work(pool))
            return NULL;
        pool_thread_look_at_clock(thread);
        atomic_store_explicit(&thread->is_busy, true, memory_order_relaxed);
    }
    atomic_store_explicit(&thread->taken_ns, thread->now_ns, memory_order_relaxed);
    return task;
}

/* Until the pool stops, or the watch has taken the thread's work over. */
static void *thread_main(void *argument)
{
    struct pool_thread *thread = argument;
    struct pulse *pulse = begin(thread);
    struct task *task;
    bool was_slow = false;

    thread_yield_when_woken();
    while (!slot_is_abandoned(&thread->slot) && (task = next_task(thread)) != NULL) {
        int64_t begun_ns = thread->now_ns;
        pulse_beat(pulse);
        share_work(thread->pool, was_slow);
        while (task != NULL)
            task = task->run(task, thread);
        was_slow = thread->now_ns - begun_ns > SLOW_NS;
    }
    end(thread, pulse);
    return NULL;
}

/* One more; with `first` it begins with that. */
static int start_thread(struct pool *pool, struct task *first, struct error *ret_error)
{
    struct pool_thread *thread = pool->settings.ops->create(pool->settings.context);

    thread->pool = pool;
    thread->first = first;
    atomic_store(&thread->is_busy, first != NULL);
    int status = thread_start(&thread->thread, "worker", 0, thread_main, thread, ret_error);
    if (status != 0) {
        pool->settings.ops->destroy(thread);
        return status;
    }
    pool_adopt(pool, thread);
    return 0;
}

void pool_adopt(struct pool *pool, struct pool_thread *thread)
{
    assert(thread->pool == pool);
    LOCK_GUARD(&pool->lock);
    thread->next = pool->threads;
    pool->threads = thread;
}

/* ---- the watch ----------------------------------------------------------------------------------- */

static bool is_overdue(const struct pool_thread *thread, int64_t now_ns)
{
    int64_t deadline_ns = atomic_load_explicit(&thread->slot.deadline_ns, memory_order_relaxed);

    return !thread->is_stuck && deadline_ns != 0 && now_ns >= deadline_ns;
}

/* From one thread that is stuck; NULL: none is. */
static struct task *take_over_one(struct pool *pool, int64_t now_ns)
{
    assert_thread(&pool->watch);
    LOCK_GUARD(&pool->lock);
    for (struct pool_thread *thread = pool->threads; thread != NULL; thread = thread->next) {
        struct task *task = is_overdue(thread, now_ns) ? pool->settings.ops->take_over(thread, now_ns) : NULL;
        if (task == NULL)
            continue;
        assert(slot_is_abandoned(&thread->slot)); /* take_over() has won it */
        thread->is_stuck = true;
        return task;
    }
    return NULL;
}

static void replace(struct pool *pool, struct task *task)
{
    const struct pool_ops *ops = pool->settings.ops;
    struct error error = { 0 };
    int stuck = atomic_fetch_add(&pool->stuck, 1) + 1;

    if (stuck > pool->settings.max_stuck)
        ops->too_many_stuck(pool->settings.context, stuck, task);
    if (start_thread(pool, task, &error) != 0)
        pool->settings.fatal(error.text);
}

/* Threads that were stuck, and came back after all: their places were taken long ago. */
static void bury_finished(struct pool *pool)
{
    LOCK_GUARD(&pool->lock);
    for (struct pool_thread **link = &pool->threads; *link != NULL;) {
        struct pool_thread *thread = *link;
        if (!thread->is_stuck || !atomic_load(&thread->is_finished)) {
            link = &thread->next;
            continue;
        }
        assert(slot_is_abandoned(&thread->slot));
        *link = thread->next;
        pool->settings.ops->retire(thread);
        thread_join(&thread->thread);
        pool->settings.ops->destroy(thread);
    }
}

void pool_watch(struct pool *pool)
{
    int64_t now_ns = clock_monotonic_ns();
    struct task *task;

    assert_thread(&pool->watch);
    bury_finished(pool);
    while ((task = take_over_one(pool, now_ns)) != NULL)
        replace(pool, task);
}

/* False: it is over. */
static bool wait_to_watch(struct pool *pool)
{
    int64_t until_ms = clock_monotonic_ms() + WATCH_EVERY_MS;

    LOCK_GUARD(&pool->lock);
    while (!pool->is_watch_over && condition_wait_until(&pool->watch_end, &pool->lock, until_ms))
        ;
    return !pool->is_watch_over;
}

static void *watch_main(void *argument)
{
    struct pool *pool = argument;

    while (wait_to_watch(pool)) {
        pool_watch(pool);
        pulse_beat_here();
    }
    return NULL;
}

void pool_stop_watch(struct pool *pool)
{
    lock_take(&pool->lock);
    pool->is_watch_over = true;
    condition_wake_all(&pool->watch_end);
    lock_give(&pool->lock);
    thread_join(&pool->watch);
}

/* ---- the life of it ------------------------------------------------------------------------------ */

struct pool *pool_create(const struct pool_settings *settings)
{
    struct pool *pool = xcalloc_aligned(_Alignof(struct pool), sizeof(*pool));
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    assert(settings->threads >= 0 && settings->max_stuck >= 0);
    pool->settings = *settings;
    pool->cores = cores > 0 ? (int)cores : 1;
    ring_init(&pool->ring, settings->ring_size);
    lock_init(&pool->lock);
    condition_init(&pool->work);
    condition_init(&pool->watch_end);
    return pool;
}

int pool_start(struct pool *pool, struct error *ret_error)
{
    assert(pool->threads == NULL); /* once */
    for (int i = 0; i < pool->settings.threads; i++) {
        int status = start_thread(pool, NULL, ret_error);
        if (status != 0)
            return status;
    }
    return thread_start(&pool->watch, "watch", PULSE_LIMIT_MS, watch_main, pool, ret_error);
}

/* Whether the thread ends soon enough to be waited for. */
static bool can_be_joined(const struct pool_thread *thread)
{
    return atomic_load(&thread->is_finished) || (!thread->is_stuck && !atomic_load(&thread->is_busy));
}

static void stop(struct pool *pool)
{
    LOCK_GUARD(&pool->lock);
    atomic_store(&pool->is_stopping, true);
    condition_wake_all(&pool->work);
}

/* False: some still use what is here, to the end of the process. */
static bool join_threads(struct pool *pool)
{
    bool are_joined = true;

    assert(atomic_load(&pool->is_stopping) && !pool->watch.is_started);
    for (struct pool_thread *thread = pool->threads, *next; thread != NULL; thread = next) {
        next = thread->next;
        if (!can_be_joined(thread)) {
            thread_leave(&thread->thread);
            are_joined = false;
            continue;
        }
        thread_join(&thread->thread);
        pool->settings.ops->destroy(thread);
    }
    return are_joined;
}

bool pool_destroy(struct pool *pool)
{
    if (pool == NULL)
        return true;
    pool_stop_watch(pool);
    stop(pool);
    if (!join_threads(pool))
        return false;
    ring_done(&pool->ring);
    condition_done(&pool->watch_end);
    condition_done(&pool->work);
    lock_done(&pool->lock);
    free(pool);
    return true;
}

/* ---- how it is ----------------------------------------------------------------------------------- */

/* A thread that took something a moment ago counts as free while the ring has a backlog: it will be back soon, and
 * what is due goes before the ring. Else nothing due would be asked for until the end of a backlog. How long one that
 * has been at it for a while will take, nobody knows: another daemon may have a thread that is free. */
static bool is_free(const struct pool_thread *thread, int64_t now_ns, bool has_backlog)
{
    if (!atomic_load_explicit(&thread->is_busy, memory_order_relaxed))
        return true;
    return has_backlog && now_ns - atomic_load_explicit(&thread->taken_ns, memory_order_relaxed) < JUST_NOW_NS;
}

size_t pool_free_threads(struct pool *pool)
{
    bool has_backlog = ring_count(&pool->ring) > 0;
    int64_t now_ns = clock_monotonic_ns();
    size_t busy = atomic_load(&pool->urgent);
    size_t threads = 0;

    LOCK_GUARD(&pool->lock);
    for (const struct pool_thread *thread = pool->threads; thread != NULL; thread = thread->next) {
        threads++;
        busy += !is_free(thread, now_ns, has_backlog);
    }
    return threads > busy ? threads - busy : 0;
}

bool pool_is_idle(struct pool *pool)
{
    bool is_busy = has_work(pool);

    LOCK_GUARD(&pool->lock);
    for (const struct pool_thread *thread = pool->threads; thread != NULL && !is_busy; thread = thread->next)
        is_busy = !thread->is_stuck && atomic_load(&thread->is_busy);
    return !is_busy;
}

size_t pool_stuck(const struct pool *pool)
{
    return (size_t)atomic_load(&pool->stuck);
}

struct lock *pool_lock(struct pool *pool)
{
    return &pool->lock;
}

struct pool_thread *pool_threads(const struct pool *pool)
{
    assert_held(&pool->lock);
    return pool->threads;
}
