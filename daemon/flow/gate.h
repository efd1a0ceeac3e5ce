/* SPDX-License-Identifier: Apache-2.0 */
/* A function's concurrency: so many of its runs at once; the others wait here and hold no thread. Locks itself. */
#ifndef STEPD_FLOW_GATE_H
#define STEPD_FLOW_GATE_H

#include <pthread.h>
#include <stdbool.h>

#include "run/job.h"

struct gate {
    pthread_mutex_t lock;
    int running;              /* lock */
    struct job_list waiting;  /* lock */
};

void gate_init(struct gate *gate);
void gate_done(struct gate *gate);
/* At most `limit` at once. False: a copy of the job waits until another one has left. */
bool gate_enter(struct gate *gate, struct job *job, int limit);
/* The next that may run, in the place of the one that leaves; its memory is the caller's. NULL: none waits. */
struct job *gate_leave(struct gate *gate);

#endif
