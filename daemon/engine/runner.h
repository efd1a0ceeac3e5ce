/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run on a worker's thread, of a message or of the store's: whether it may start, its attempt, and what
 * its message is then. Inside of dispatch.
 */
#ifndef STEPD_ENGINE_RUNNER_H
#define STEPD_ENGINE_RUNNER_H

#include "engine/workers.h"

/* What a worker and its job are to each other after it has run. */
enum job_end {
    JOB_OVER,
    JOB_AWAY,      /* it has left the worker, with all that it holds */
    JOB_ABANDONED, /* the watch took over */
};

/* Runs worker->job, or goes on with it where it has been away; what holds it up is told to it. */
/* worker->job is over its function's concurrency: its run waits in the store, in the function's line, where every
 * daemon that has room finds it. No attempt is counted. Never JOB_AWAY. */
enum job_end runner_line_up(struct worker *worker);
enum job_end runner_run(struct worker *worker);
/* The attempt that the watch took from another thread has failed. */
void runner_settle(struct worker *worker, struct takeover *takeover);

#endif
