/* SPDX-License-Identifier: Apache-2.0 */
/* Events of functions with `batch`: each is let in by itself, then waits in its batch, which begins as one job. */
#ifndef STEPD_ENGINE_GATHER_H
#define STEPD_ENGINE_GATHER_H

#include <stdbool.h>

#include "engine/worker.h"

/* Whether the job is an event that is to be part of a batch. */
static inline bool gather_takes(const struct job *job)
{
    return job->function != NULL && function_has_batch(function_newest(job->function)) && job->message != NULL && job->gathered == NULL &&
           job->away == NULL;
}
/* Of worker->job. */
void gather_event(struct worker *worker);

#endif
