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
/* Of worker->job, which is one: done once all that it ends is durable. */
void match_run_job(struct worker *worker);

#endif
