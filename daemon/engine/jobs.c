/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/jobs.h"

#include <stdlib.h>

#include "base/memory.h"
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

size_t jobs_of_parts(const struct routes *routes, struct message *message, const struct function **matches, size_t most,
                     struct job_list *jobs)
{
    struct event_parts *parts = message->event.parts;
    struct error error;
    size_t sum = 0;

    for (size_t i = 0; i < parts->count; i++) {
        struct event *event = &parts->events[i];
        bool is_malformed = event_find_name(event, &error) != 0;
        size_t count = routes_match(routes, event->view.topic, is_malformed ? NULL : event->view.name, matches, most);
        if (count == 0)
            add(message, event, NULL, jobs);
        jobs_of_event(message, event, matches, count, jobs);
        sum += count > 0 ? count : 1;
    }
    return sum;
}
