/* SPDX-License-Identifier: Apache-2.0 */
/* What the watch does with an attempt that is past its timeout: another thread brings it to its end. */
#ifndef STEPD_ENGINE_TAKEOVER_H
#define STEPD_ENGINE_TAKEOVER_H

#include <assert.h>
#include <stdatomic.h>

#include "pool/task.h"
#include "run/context.h"
#include "run/job.h"
#include "run/run.h"

struct pool_thread;

/* An attempt that the watch took from a thread that is stuck in its handler. The thread may still
 * read event and run: whoever of the two is done last gives them back. */
struct takeover {
    struct task task; /* first */
    struct job job;
    struct run run;
    struct step_call step;
    int64_t started_ns;
    atomic_int holders;
};

static_assert(offsetof(struct takeover, task) == 0, "settle() is given the task");

/* Of pool_ops. */
struct task *takeover_begin(struct pool_thread *thread, int64_t now_ns);
void takeover_let_go(struct pool_thread *thread);
void takeover_too_many(void *context, int stuck, const struct task *task);

#endif
