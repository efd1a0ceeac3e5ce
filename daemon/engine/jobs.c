/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/jobs.h"

#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"
#include "engine/match.h"
#include "event/event.h"

static void add(struct message *message, struct event *event, const struct function *function, struct job_list *jobs)
{
    struct job *job = xmalloc(sizeof(*job));

    assert(event != NULL);
    *job = (struct job){ .function = function, .message = message, .event = event };
    jobs_add(jobs, job);
}

/* Consumer thread: the message's first, for which its batch has a place that is used again and again. */
static void add_first(struct message *message, const struct function *function, struct job_list *jobs)
{
    struct batch *batch = message->batch;
    size_t index = (size_t)(message - batch->messages);

    assert(index < batch->count);
    if (batch->jobs == NULL)
        batch->jobs = xcalloc(batch->room, sizeof(*batch->jobs));
    struct job *job = &batch->jobs[index];
    *job = (struct job){ .function = function, .message = message, .event = &message->event, .is_in_batch = true };
    jobs_add(jobs, job);
}

void job_free(struct job *job)
{
    if (!job->is_in_batch)
        free(job);
}

void jobs_free(struct job_list *jobs)
{
    for (struct job *job = jobs_take(jobs); job != NULL; job = jobs_take(jobs))
        job_free(job);
}

void jobs_of_message(struct message *message, const struct function *const *functions, size_t count, struct job_list *jobs)
{
    assert(count > 0);
    add_first(message, functions[0], jobs);
    for (size_t i = 1; i < count; i++)
        add(message, &message->event, functions[i], jobs);
}

static void jobs_of_event(struct message *message, struct event *event, const struct function *const *functions, size_t count,
                          struct job_list *jobs)
{
    for (size_t i = 0; i < count; i++)
        add(message, event, functions[i], jobs);
}

bool job_beside(const struct dispatch *dispatch, struct message *message, struct event *event, bool is_malformed, struct job *ret_job)
{
    const char *name = is_malformed ? event->said_name : event->view.name;

    if (!match_is_wanted(dispatch, name) && !(is_malformed && routes_take_name(dispatch->settings.routes, name)))
        return false;
    *ret_job = is_malformed ? (struct job){ .message = message, .event = event } : match_job(message, event);
    return true;
}

void jobs_add_copy(const struct job *job, struct job_list *jobs)
{
    struct job *copy = xmalloc(sizeof(*copy));

    *copy = *job;
    jobs_add(jobs, copy);
}

static size_t jobs_of_part(const struct dispatch *dispatch, struct message *message, struct event *event, const struct function **matches,
                           struct job_list *jobs)
{
    struct error error;
    bool is_malformed = event_find_name(event, &error) != 0;
    size_t count = routes_match(dispatch->settings.routes, event->view.topic, is_malformed ? NULL : event->view.name, matches,
                                dispatch->settings.function_count);
    struct job beside;
    bool has_beside = job_beside(dispatch, message, event, is_malformed, &beside);

    jobs_of_event(message, event, matches, count, jobs);
    if (has_beside)
        jobs_add_copy(&beside, jobs);
    else if (count == 0)
        add(message, event, NULL, jobs);
    return count + has_beside > 0 ? count + has_beside : 1;
}

size_t jobs_of_parts(const struct dispatch *dispatch, struct message *message, const struct function **matches, struct job_list *jobs)
{
    struct event_parts *parts = message->event.parts;
    size_t sum = 0;

    assert(parts != NULL);
    for (size_t i = 0; i < parts->count; i++)
        sum += jobs_of_part(dispatch, message, &parts->events[i], matches, jobs);
    return sum;
}
