/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/gate.h"

#include "base/memory.h"

void gate_init(struct gate *gate)
{
    *gate = (struct gate){ .running = 0 };
    (void)pthread_mutex_init(&gate->lock, NULL);
}

void gate_done(struct gate *gate)
{
    (void)pthread_mutex_destroy(&gate->lock);
}

bool gate_enter(struct gate *gate, struct job *job, int limit)
{
    (void)pthread_mutex_lock(&gate->lock);
    bool may_enter = gate->running < limit;
    job->is_gated = true;
    if (may_enter)
        gate->running++;
    else
        jobs_add(&gate->waiting, xmemdup(job, sizeof(*job)));
    (void)pthread_mutex_unlock(&gate->lock);
    return may_enter;
}

struct job *gate_leave(struct gate *gate)
{
    (void)pthread_mutex_lock(&gate->lock);
    struct job *next = jobs_take(&gate->waiting);
    if (next == NULL)
        gate->running--;
    (void)pthread_mutex_unlock(&gate->lock);
    return next;
}
