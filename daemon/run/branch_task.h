/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One try of one branch on a thread of the crew's. The run's holder makes and settles it; the thread has a context,
 * an event and a run of its own, so that one that is left behind touches nothing of the run's.
 */
#ifndef STEPD_RUN_BRANCH_TASK_H
#define STEPD_RUN_BRANCH_TASK_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/lock.h"
#include "run/context.h"
#include "run/crew.h"

enum branch_task_state { BRANCH_TASK_QUEUED, BRANCH_TASK_RUNNING, BRANCH_TASK_ENDED, BRANCH_TASK_LEFT };

/* What the tries of one call share: lives until the call and all of its threads are done with it. */
struct branch_group {
    struct lock lock;
    struct condition news; /* a task has ended */
    int holders;           /* lock; the call, and each task */
    struct event event;    /* a copy, decoded; read by all */
    void *memory;          /* of the event */
};

struct branch_task {
    struct crew_task base;
    struct branch_group *group;
    size_t index; /* of its branch */
    stepd_step_fn fn;
    const void *arg;
    struct run run;
    struct failure last;
    struct step_call step;
    enum branch_task_state state; /* group's lock, as all below */
    struct slot *slot;            /* while it runs */
    struct journal_slot *journal; /* likewise */
    int64_t deadline_ns;          /* monotonic, once it runs; 0: none */
    enum stepd_status status;     /* ENDED: what it came to */
    struct raised raised;
    msgpack_sbuffer output;
};

/* Its event is the run's. */
struct branch_group *branch_group_create(const struct run *run);
void branch_group_leave(struct branch_group *group);

/* A try of ctx->step; the caller's, until branch_task_leave(). */
struct branch_task *branch_task_create(struct stepd_ctx *ctx, struct branch_group *group, const struct stepd_branch *branch);
/* The caller wants no more of it. */
void branch_task_drop(struct branch_task *task, struct crew *crew);
/* Lock held. Its code is told that nobody wants its result. */
void branch_task_cancel(struct branch_task *task);

#endif
