/* SPDX-License-Identifier: Apache-2.0 */
/* An event that runs wait for: a job of its own beside those of the functions that it starts. */
#ifndef STEPD_ENGINE_MATCH_H
#define STEPD_ENGINE_MATCH_H

#include "engine/worker.h"

/* Whether runs wait for events of that name. Any thread. */
static inline bool match_is_wanted(const struct dispatch *dispatch, const char *name)
{
    struct matching *matching = dispatch->settings.matching;

    return matching != NULL && watches_have(matching->watches, name);
}

struct job match_job(struct message *message, struct event *event);
/* Of worker->job, which is one: done once all that it ends is durable; the worker need not wait for that. */
void match_run_job(struct worker *worker);

/* Events that the store has been asked about, and nobody waits for its answer. */
struct matches *matches_create(struct dispatch *dispatch);
/* Any thread: those that are not done. */
size_t matches_count(struct matches *matches);
/* After the store has stopped, before the pool ends: as settlements_await(). */
bool matches_await(struct matches *matches);
/* After the pool has ended. */
void matches_destroy(struct matches *matches);

#endif
