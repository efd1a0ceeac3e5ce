/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/crew.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/lock.h"
#include "base/pulse.h"
#include "base/thread.h"
#include "engine/worker.h"

/* One thread, which is made as a worker is and takes tasks in place of jobs. */
struct hand {
    struct hand *next; /* crew's lock */
    struct engine_crew *crew;
    struct pool_thread *worker;
    struct thread thread;
    bool is_running;  /* crew's lock; a task */
    bool is_finished; /* crew's lock; the thread's last act */
};

struct engine_crew {
    struct crew base;
    struct dispatch *dispatch;
    struct lock lock;
    struct condition work;   /* a task, or the end */
    struct crew_task *first; /* lock, as all below; in order of arrival */
    struct crew_task **last;
    struct hand *hands;
    int count; /* threads */
    int idle;
    int left; /* of the threads, those that nobody waits for */
    bool is_over;
};

static struct engine_crew *of(struct crew *crew)
{
    return (struct engine_crew *)(void *)crew;
}

/* ---- the thread ----------------------------------------------------------------------------------- */

/* NULL: the end. A thread that was left behind and came back is one too many where another took its place. */
static struct crew_task *take(struct engine_crew *crew)
{
    assert_held(&crew->lock);
    crew->idle++;
    pulse_rest_here();
    while (crew->first == NULL && !crew->is_over && crew->count - crew->left <= crew->dispatch->settings.threads)
        condition_wait(&crew->work, &crew->lock);
    pulse_beat_here();
    crew->idle--;
    assert(crew->idle >= 0);
    if (crew->is_over || crew->count - crew->left > crew->dispatch->settings.threads)
        return NULL;
    struct crew_task *task = crew->first;
    assert(task != NULL);
    crew->first = task->next;
    if (crew->first == NULL)
        crew->last = &crew->first;
    return task;
}

static void run_tasks(struct hand *hand)
{
    struct engine_crew *crew = hand->crew;

    LOCK_GUARD(&crew->lock);
    for (struct crew_task *task = take(crew); task != NULL; task = take(crew)) {
        hand->is_running = true;
        lock_give(&crew->lock);
        bool was_wanted = task->run(task, &worker_of(hand->worker)->ctx);
        lock_take(&crew->lock);
        hand->is_running = false;
        crew->left -= !was_wanted;
    }
    crew->count--;
    assert(crew->count >= 0);
}

static void *hand_main(void *context)
{
    struct hand *hand = context;

    assert_thread(&hand->thread);
    worker_begin(hand->worker);
    run_tasks(hand);
    worker_end(hand->worker);
    LOCK_GUARD(&hand->crew->lock);
    hand->is_finished = true;
    return NULL;
}

static void hand_destroy(struct hand *hand)
{
    assert(!hand->is_running);
    thread_join(&hand->thread);
    worker_destroy(hand->worker);
    free(hand);
}

static void add_hand(struct engine_crew *crew)
{
    struct hand *hand = xcalloc(1, sizeof(*hand));
    struct error error = { 0 };

    assert_held(&crew->lock);
    hand->crew = crew;
    hand->worker = worker_create(crew->dispatch);
    if (thread_start(&hand->thread, "branch", PULSE_LIMIT_MS, hand_main, hand, &error) != 0) {
        hand_destroy(hand);
        crew->dispatch->settings.fatal(error.text);
        return;
    }
    hand->next = crew->hands;
    crew->hands = hand;
    crew->count++;
}

/* Those whose thread has ended. */
static void bury_finished(struct engine_crew *crew)
{
    assert_held(&crew->lock);
    for (struct hand **link = &crew->hands; *link != NULL;) {
        struct hand *hand = *link;
        if (!hand->is_finished) {
            link = &hand->next;
            continue;
        }
        *link = hand->next;
        hand_destroy(hand);
    }
}

/* ---- what runs ask for ---------------------------------------------------------------------------- */

static size_t waiting(const struct engine_crew *crew)
{
    size_t count = 0;

    assert_held(&crew->lock);
    for (const struct crew_task *task = crew->first; task != NULL; task = task->next)
        count++;
    return count;
}

static void offer(struct crew *base, struct crew_task *task)
{
    struct engine_crew *crew = of(base);

    assert(task->run != NULL);
    LOCK_GUARD(&crew->lock);
    bury_finished(crew);
    assert(*crew->last == NULL);
    task->next = NULL;
    *crew->last = task;
    crew->last = &task->next;
    if (waiting(crew) > (size_t)crew->idle && crew->count - crew->left < crew->dispatch->settings.threads)
        add_hand(crew);
    condition_wake_one(&crew->work);
}

static bool withdraw(struct crew *base, struct crew_task *task)
{
    struct engine_crew *crew = of(base);

    LOCK_GUARD(&crew->lock);
    for (struct crew_task **link = &crew->first; *link != NULL; link = &(*link)->next) {
        if (*link != task)
            continue;
        *link = task->next;
        if (*link == NULL)
            crew->last = link;
        return true;
    }
    return false;
}

static void leave(struct crew *base, const char *function)
{
    struct engine_crew *crew = of(base);
    const struct dispatch_settings *settings = &crew->dispatch->settings;

    LOCK_GUARD(&crew->lock);
    crew->left++;
    int stuck = crew->left + (int)pool_stuck(crew->dispatch->pool);
    if (stuck > settings->max_stuck) {
        AUTO_FREE char *why = xasprintf("%d threads are stuck in handlers that nobody waits for any more, the last one in a branch of "
                                        "function %s: worker.max_stuck is %d",
                                        stuck, function, settings->max_stuck);
        settings->fatal(why);
    }
    if (crew->first != NULL)
        add_hand(crew);
}

static const struct crew_ops OPS = { offer, withdraw, leave };

/* ---- its life ------------------------------------------------------------------------------------- */

struct crew *crew_create(struct dispatch *dispatch)
{
    struct engine_crew *crew = xcalloc(1, sizeof(*crew));

    crew->base.ops = &OPS;
    crew->dispatch = dispatch;
    crew->last = &crew->first;
    lock_init(&crew->lock);
    condition_init(&crew->work);
    return &crew->base;
}

void crew_cancel(struct crew *base)
{
    struct engine_crew *crew = of(base);

    LOCK_GUARD(&crew->lock);
    for (struct hand *hand = crew->hands; hand != NULL; hand = hand->next)
        atomic_store(&hand->worker->slot.is_cancelled, true);
}

/* Whether any is in module code: such threads are left to the end of the process. */
static bool leave_running(struct engine_crew *crew)
{
    bool is_left = false;

    assert_held(&crew->lock);
    for (struct hand **link = &crew->hands; *link != NULL;) {
        struct hand *hand = *link;
        if (!hand->is_running) {
            link = &hand->next;
            continue;
        }
        *link = hand->next;
        is_left = true;
    }
    return is_left;
}

bool crew_destroy(struct crew *base)
{
    struct engine_crew *crew = base != NULL ? of(base) : NULL;

    if (crew == NULL)
        return true;
    lock_take(&crew->lock);
    crew->is_over = true;
    condition_wake_all(&crew->work);
    bool is_left = leave_running(crew);
    lock_give(&crew->lock);
    for (struct hand *hand = crew->hands, *next; hand != NULL; hand = next) {
        next = hand->next;
        hand_destroy(hand);
    }
    crew->hands = NULL;
    if (is_left)
        return false;
    condition_done(&crew->work);
    lock_done(&crew->lock);
    free(crew);
    return true;
}
