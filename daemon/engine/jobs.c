/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/jobs.h"

#include <stdlib.h>

#include "base/memory.h"
#include "engine/match.h"
#include "event/event.h"

static void add(struct message *message, struct event *event, const struct function *function, struct job_list *jobs)
{
    struct job *job = xmalloc(sizeof(*job));

    *job = (struct job){ .function = function, .message = message, .event = event };
    jobs_add(jobs, job);
}

void jobs_free(struct job_list *jobs)
{
    for (struct job *job = jobs_take(jobs); job != NULL; job = jobs_take(jobs))
        free(job);
}

void jobs_of_event(struct message *message, struct event *event, const struct function *const *functions, size_t count,
                   struct job_list *jobs)
{
    for (size_t i = 0; i < count; i++)
        add(message, event, functions[i], jobs);
}

void jobs_add_match(struct message *message, struct event *event, struct job_list *jobs)
{
    struct job *job = xmalloc(sizeof(*job));

    *job = match_job(message, event);
    jobs_add(jobs, job);
}

static size_t jobs_of_part(const struct dispatch *dispatch, struct message *message, struct event *event, const struct function **matches,
                           struct job_list *jobs)
{
    struct error error;
    bool is_malformed = event_find_name(event, &error) != 0;
    size_t count = routes_match(dispatch->settings.routes, event->view.topic, is_malformed ? NULL : event->view.name, matches,
                                dispatch->settings.function_count);
    bool is_awaited = !is_malformed && match_is_wanted(dispatch, event);

    jobs_of_event(message, event, matches, count, jobs);
    if (is_awaited)
        jobs_add_match(message, event, jobs);
    else if (count == 0)
        add(message, event, NULL, jobs);
    return count + is_awaited > 0 ? count + is_awaited : 1;
}

size_t jobs_of_parts(const struct dispatch *dispatch, struct message *message, const struct function **matches, struct job_list *jobs)
{
    struct event_parts *parts = message->event.parts;
    size_t sum = 0;

    for (size_t i = 0; i < parts->count; i++)
        sum += jobs_of_part(dispatch, message, &parts->events[i], matches, jobs);
    return sum;
}
