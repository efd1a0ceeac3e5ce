/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads on which the branches of runs are tried, beside the workers that wait for them. A port: the engine has
 * the threads; without a crew a run tries its branches one after the other on its own thread.
 */
#ifndef STEPD_RUN_CREW_H
#define STEPD_RUN_CREW_H

#include <stdbool.h>

#include <stepd/stepd.h>

/* One try of one branch. */
struct crew_task {
    struct crew_task *next; /* the crew's, until it runs */
    /* On a thread of the crew's, with a context of its own; the task may be gone once it returns. False: its thread
     * had been left behind meanwhile (crew_ops.leave). */
    bool (*run)(struct crew_task *task, struct stepd_ctx *ctx);
};

struct crew {
    const struct crew_ops *ops;
};

/* Any thread. */
struct crew_ops {
    /* Runs it as soon as a thread is free. */
    void (*offer)(struct crew *crew, struct crew_task *task);
    /* True: it had not begun, and never will. */
    bool (*withdraw)(struct crew *crew, struct crew_task *task);
    /* Nobody waits any more for a task that runs: another thread takes the place of its own. `function`: whose. */
    void (*leave)(struct crew *crew, const char *function);
};

#endif
