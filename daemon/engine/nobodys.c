/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/nobodys.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

#include "base/log.h"
#include "engine/outcome.h"
#include "run/attempt.h"

#define REJECT_PAUSE_MS 1000

enum message_state nobodys_reject(struct worker *worker, struct message *message, const struct event *event, const char *name,
                                  const char *why)
{
    const struct timespec pause = { .tv_sec = REJECT_PAUSE_MS / 1000 };

    log_warn("%s [%d] @ %lld is no event (%s: %s): it becomes a dead letter", message->event.view.topic, (int)message->event.view.partition,
             (long long)message->event.view.offset, name, why);
    tally_add(&worker->tally.malformed);
    for (;;) {
        int status = attempt_reject(worker->ctx.publisher, worker->dispatch->settings.dead_letter_topic, event, name, why,
                                    context_now_ms(&worker->ctx));
        worker_look_at_clock(worker);
        if (status == 0) {
            tally_add(&worker->tally.dead);
            return MESSAGE_DONE;
        }
        if (status == -ESHUTDOWN || worker_is_draining(worker) || atomic_load(&message->assignment->is_revoked))
            return MESSAGE_DROPPED;
        log_error("the brokers refuse the dead letter of %s [%d] @ %lld: stepd keeps trying", message->event.view.topic,
                  (int)message->event.view.partition, (long long)message->event.view.offset);
        (void)nanosleep(&pause, NULL);
    }
}

enum message_state nobodys_end(struct worker *worker, struct message *message, struct event *event)
{
    struct error error;

    if (event_find_name(event, &error) != 0)
        return nobodys_reject(worker, message, event, "MalformedEvent", error.text);
    tally_add(&worker->tally.unhandled);
    outcome_log_unhandled(&event->view, worker->dispatch->attempts.keeps_all);
    return MESSAGE_DONE;
}

void nobodys_end_job(struct worker *worker)
{
    struct message *message = worker->job.message;
    bool may_end = message_begin(message) && !worker_is_draining(worker);

    assert(worker->job.function == NULL && !worker->job.is_match);
    message_end_run(message, may_end ? nobodys_end(worker, message, worker->job.event) : MESSAGE_DROPPED);
}
