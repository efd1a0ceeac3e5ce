/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/route.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/jobs.h"
#include "engine/match.h"
#include "engine/nobodys.h"
#include "engine/room.h"
#include "engine/start.h"

static void start_copy_later(struct dispatch *dispatch, const struct job *job)
{
    struct job *copy = xmalloc(sizeof(*copy));

    *copy = *job;
    start_later(dispatch, copy);
}

/* All its functions but the first become jobs of their own, and what there is to do beside them. */
static void spread(struct dispatch *dispatch, struct message *message, const struct function *const *functions, size_t count,
                   const struct job *beside)
{
    assert(count > 0);
    atomic_store(&message->runs, count + (beside != NULL));
    if (beside != NULL)
        start_copy_later(dispatch, beside);
    for (size_t i = 1; i < count; i++) {
        struct job *job = xmalloc(sizeof(*job));
        *job = (struct job){ .function = functions[i], .message = message, .event = &message->event };
        room_enter(dispatch, job);
        start_later(dispatch, job);
    }
}

/* All events of a batch become jobs, which any worker may take. */
static void spread_parts(struct worker *worker, struct message *message)
{
    struct dispatch *dispatch = worker->dispatch;
    struct job_list jobs = { .first = NULL };
    size_t count = jobs_of_parts(dispatch, message, worker->matches, &jobs);

    assert(message->event.parts != NULL);
    if (count == 0) {
        message_end(message, MESSAGE_DONE);
        return;
    }
    if (!room_has_for_jobs(dispatch, message, &jobs, worker->thread.now_ns)) {
        jobs_free(&jobs);
        message_end(message, MESSAGE_DROPPED);
        return;
    }
    atomic_store(&message->runs, count);
    for (struct job *job = jobs_take(&jobs); job != NULL; job = jobs_take(&jobs)) {
        room_enter(dispatch, job);
        start_later(dispatch, job);
    }
}

/* What becomes of the message where it is no job of a function; else worker->job is one. */
static bool route(struct worker *worker, struct message *message)
{
    struct dispatch *dispatch = worker->dispatch;
    struct event *event = &message->event;
    char text[96];
    struct error error;

    if (!message_begin(message) || worker_is_draining(worker)) {
        message_end(message, MESSAGE_DROPPED);
        return false;
    }
    if (event->view.raw_len > dispatch->settings.event_bytes) {
        (void)snprintf(text, sizeof(text), "%zu bytes, more than limits.event (%zu)", event->view.raw_len, dispatch->settings.event_bytes);
        message_end(message, nobodys_reject(worker, message, event, "EventTooLarge", text));
        return false;
    }
    bool is_malformed = event_find_name(event, &error) != 0;
    if (event->parts != NULL) {
        spread_parts(worker, message);
        return false;
    }
    size_t count = routes_match(dispatch->settings.routes, event->view.topic, is_malformed ? NULL : event->view.name, worker->matches,
                                dispatch->settings.function_count);
    struct job beside;
    bool has_beside = job_beside(dispatch, message, event, is_malformed, &beside);
    if (count == 0 && has_beside) {
        atomic_store(&message->runs, 1);
        worker->job = beside;
        return true;
    }
    if (count == 0) {
        message_end(message, nobodys_end(worker, message, event));
        return false;
    }
    bool has_room = count == 1 && room_is_empty(dispatch, message, worker->matches[0]);
    if (!has_room && !room_has(dispatch, message, worker->matches, count, worker->thread.now_ns)) {
        message_end(message, MESSAGE_DROPPED);
        return false;
    }
    spread(dispatch, message, worker->matches, count, has_beside ? &beside : NULL);
    worker->job = (struct job){ .function = worker->matches[0], .message = message, .event = event };
    room_enter(dispatch, &worker->job);
    return true;
}

static struct task *message_run(struct task *task, struct pool_thread *thread)
{
    struct worker *worker = worker_of(thread);
    int64_t begun_ns = thread->now_ns;
    struct task *next = route(worker, (struct message *)task) ? run_start(worker) : NULL;

    start_look_again(worker, begun_ns);
    return next;
}

struct task *route_task(struct message *message)
{
    message->task.run = message_run;
    return &message->task;
}
