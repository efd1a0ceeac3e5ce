/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/match.h"

#include <assert.h>

#include "base/log.h"

struct job match_job(struct message *message, struct event *event)
{
    return (struct job){ .message = message, .event = event, .is_match = true };
}

/* What it has ended the store may lose: its message counts as taken. */
static enum message_state match(struct worker *worker, struct event *event)
{
    size_t ended = 0;
    int status = matching_match(worker->dispatch->settings.matching, event, &ended);

    assert(worker->dispatch->settings.matching != NULL);
    worker_look_at_clock(worker);
    if (status != 0)
        return MESSAGE_DROPPED;
    return ended > 0 ? MESSAGE_TAKEN : MESSAGE_DONE;
}

void match_run_job(struct worker *worker)
{
    struct message *message = worker->job.message;
    bool may_begin = message_begin(message) && !worker_is_draining(worker);

    assert(worker->job.is_match && worker->job.function == NULL);
    message_end_run(message, may_begin ? match(worker, worker->job.event) : MESSAGE_DROPPED);
}
