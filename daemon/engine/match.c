/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/match.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/memory.h"

#define ASKED_MOST 1024 /* at once; past it a worker waits for the answer */
#define ANSWERS_MS 3000 /* of a store that has stopped */
#define LOOK_US 1000

struct matches {
    struct task task; /* first; asks for the rest of those that were not answered as a whole */
    struct dispatch *dispatch;
    struct lock lock;
    struct matched *first; /* lock; those */
    struct matched **last; /* lock */
    bool is_called;        /* lock; the task is on its way */
    atomic_size_t asked;   /* that the store has not answered */
    atomic_size_t count;   /* that are not done */
};

struct matched {
    struct matched *next;
    struct matches *matches;
    struct job job;
    size_t ended;
};

static_assert(offsetof(struct matches, task) == 0, "ask_rest() is given the task");

struct job match_job(struct message *message, struct event *event)
{
    return (struct job){ .message = message, .event = event, .is_match = true };
}

/* What it has ended the store may lose: its message counts as taken. */
static void end(struct message *message, int status, size_t ended)
{
    message_end_run(message, status != 0 ? MESSAGE_DROPPED : ended > 0 ? MESSAGE_TAKEN : MESSAGE_DONE);
}

/* ---- nobody waits for the answer ------------------------------------------------------------------- */

/* A lane's thread. */
static void answered(void *context, int status, bool is_whole, size_t ended)
{
    struct matched *matched = context;
    struct matches *matches = matched->matches;

    assert(atomic_load(&matches->asked) > 0);
    matched->ended = ended;
    if (status != 0 || is_whole) {
        end(matched->job.message, status, ended);
        free(matched);
        atomic_fetch_sub(&matches->count, 1);
    } else {
        matched->next = NULL;
        lock_take(&matches->lock);
        *matches->last = matched;
        matches->last = &matched->next;
        bool must_call = !matches->is_called;
        matches->is_called = true;
        lock_give(&matches->lock);
        if (must_call)
            pool_add(matches->dispatch->pool, &matches->task, TASK_IS_BACK);
    }
    atomic_fetch_sub(&matches->asked, 1); /* the last thing that is done here */
}

/* False: it is the worker's still. */
static bool leave(struct worker *worker)
{
    struct matches *matches = worker->dispatch->matches_asked;

    if (atomic_load_explicit(&matches->asked, memory_order_relaxed) >= ASKED_MOST)
        return false;
    struct matched *matched = xmalloc(sizeof(*matched));
    *matched = (struct matched){ .matches = matches, .job = worker->job };
    atomic_fetch_add(&matches->count, 1);
    atomic_fetch_add(&matches->asked, 1);
    if (matching_match_later(worker->dispatch->settings.matching, worker->job.event, answered, matched))
        return true;
    atomic_fetch_sub(&matches->asked, 1);
    atomic_fetch_sub(&matches->count, 1);
    free(matched);
    return false;
}

static struct matched *take_rest(struct matches *matches)
{
    LOCK_GUARD(&matches->lock);
    struct matched *first = matches->first;
    matches->first = NULL;
    matches->last = &matches->first;
    matches->is_called = false;
    return first;
}

static struct task *ask_rest(struct task *task, struct pool_thread *thread)
{
    struct matches *matches = (struct matches *)task;
    struct worker *worker = worker_of(thread);

    for (struct matched *matched = take_rest(matches), *next; matched != NULL; matched = next) {
        size_t ended = 0;
        next = matched->next;
        int status = matching_match(matches->dispatch->settings.matching, matched->job.event, &ended);
        end(matched->job.message, status, matched->ended + ended);
        free(matched);
        atomic_fetch_sub(&matches->count, 1);
    }
    worker_look_at_clock(worker);
    return NULL;
}

struct matches *matches_create(struct dispatch *dispatch)
{
    struct matches *matches = xcalloc(1, sizeof(*matches));

    matches->task.run = ask_rest;
    matches->dispatch = dispatch;
    lock_init(&matches->lock);
    matches->last = &matches->first;
    atomic_init(&matches->asked, 0);
    atomic_init(&matches->count, 0);
    return matches;
}

size_t matches_count(struct matches *matches)
{
    return atomic_load(&matches->count);
}

bool matches_await(struct matches *matches)
{
    int64_t until_ms = clock_monotonic_ms() + ANSWERS_MS;

    while (atomic_load(&matches->asked) > 0) {
        if (clock_monotonic_ms() >= until_ms)
            return false;
        (void)usleep(LOOK_US);
    }
    return true;
}

void matches_destroy(struct matches *matches)
{
    assert(atomic_load(&matches->asked) == 0); /* matches_await() said so */
    for (struct matched *matched = matches->first, *next; matched != NULL; matched = next) {
        next = matched->next;
        free(matched);
    }
    lock_done(&matches->lock);
    free(matches);
}

/* ---- a worker's job -------------------------------------------------------------------------------- */

void match_run_job(struct worker *worker)
{
    struct message *message = worker->job.message;
    bool may_begin = message_begin(message) && !worker_is_draining(worker);
    size_t ended = 0;

    assert(worker->job.is_match && worker->job.function == NULL);
    if (!may_begin) {
        message_end_run(message, MESSAGE_DROPPED);
        return;
    }
    if (leave(worker))
        return;
    int status = matching_match(worker->dispatch->settings.matching, worker->job.event, &ended);
    worker_look_at_clock(worker);
    end(message, status, ended);
}
