/* SPDX-License-Identifier: Apache-2.0 */
/* A job gets to its attempt: past its function's gate, if nothing keeps its run from beginning. */
#ifndef STEPD_ENGINE_START_H
#define STEPD_ENGINE_START_H

#include "engine/worker.h"

/* Of worker->job: begins it, or goes on with it where it has been away. The job that it kept from running and that may
 * run now, as a task; NULL: none. */
struct task *run_start(struct worker *worker);
/* What worker->job, or one that was taken over, kept from running; others are queued. NULL: none. */
struct task *start_next(struct dispatch *dispatch, const struct job *job);
/* As settle.h has it: what worker->job kept from running is queued. */
void start_end_settled(struct worker *worker, struct attempt_report *report);

/* The job as a task, which frees it. */
struct task *start_task(struct job *job);
/* Any thread: the job waits for a worker. */
void start_later(struct dispatch *dispatch, struct job *job);
void start_claimed_later(struct dispatch *dispatch, struct claimed *claimed);
/* As bundles_settings has it; `context` is the dispatch. */
void start_gathered_later(void *context, struct gathered *gathered);
/* Any thread. Whoever waits for a place of the function, as far as there are any, gets a worker. */
void start_waiting(struct dispatch *dispatch, const struct function *function);

/* Even what comes to nothing takes time, and the next attempt's begins where this ends. */
static inline void start_look_again(struct worker *worker, int64_t begun_ns)
{
    if (worker->thread.now_ns == begun_ns)
        worker_look_at_clock(worker);
}

#endif
