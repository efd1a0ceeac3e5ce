/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an attempt waits for without holding a thread. A function that suspends with one (context_leave_for)
 * gives its worker back; when there is news of the errand its run comes back to some worker, and the function
 * is entered again with the errand in run->errand. All the while the run keeps what it holds: its message or
 * its lease, its place in its function's concurrency, the strand of its key.
 *
 * Owned by the run's holder: a worker, then the list of those that are away, then a worker again.
 */
#ifndef STEPD_RUN_ERRAND_H
#define STEPD_RUN_ERRAND_H

#include <stdbool.h>

struct errand;

struct errand_ops {
    /* The run has left its worker. `come_back` is called once, by any thread, even before this returns. */
    void (*leave)(struct errand *errand, void (*come_back)(void *home), void *home);
    /* Any thread, while the run is away: it is to come back now, since nobody wants the outcome. */
    void (*cancel)(struct errand *errand);
    /* Any thread, while the run is away: something has come that it waits for beside other steps (run/awaited.h); it is to come
     * back. NULL: it never waits so. */
    void (*hear)(struct errand *errand);
    /* The run is over, or left to others. Called by its holder; nothing comes back any more. */
    void (*destroy)(struct errand *errand);
};

struct errand {
    const struct errand_ops *ops;
    bool has_place; /* while it is away its run takes one of the places of calls, as far as there are any, and none of the queue's */
    bool
        waits_for_turn; /* it has not begun, as others are before it: a claimed run counts as if it had a worker, so that few are claimed to wait */
};

/* NULL is fine. */
static inline void errand_destroy(struct errand *errand)
{
    if (errand != NULL)
        errand->ops->destroy(errand);
}

#endif
