/* SPDX-License-Identifier: Apache-2.0 */
/* A message's events and the functions that they start, as jobs. */
#ifndef STEPD_ENGINE_JOBS_H
#define STEPD_ENGINE_JOBS_H

#include <stddef.h>

#include "engine/worker.h"
#include "run/job.h"
#include "run/routes.h"

/* Once what it says is no longer read. */
void job_free(struct job *job);
/* Nobody wants them. */
void jobs_free(struct job_list *jobs);
/* Consumer thread: a job for each function, one at least, on the message's event. */
void jobs_of_message(struct message *message, const struct function *const *functions, size_t count, struct job_list *jobs);
/* What there is to do beside the runs of its functions: it is matched with the runs that wait for it; one that can't be read becomes
 * a dead letter if functions by event, or waits, would have had it. False: nothing. */
bool job_beside(const struct dispatch *dispatch, struct message *message, struct event *event, bool is_malformed, struct job *ret_job);
void jobs_add_copy(const struct job *job, struct job_list *jobs);
/* Jobs for all events of a message that is a batch; one without a function for an event that none takes. Returns
 * how many. `matches` has room for all functions, and is scratch. */
size_t jobs_of_parts(const struct dispatch *dispatch, struct message *message, const struct function **matches, struct job_list *jobs);

#endif
