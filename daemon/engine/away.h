/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs that have left their worker for an errand, and come back from it by themselves. While one is away
 * nobody but its errand and those who cancel it knows of it; it keeps its message or lease, its place in
 * the gate and its strand, and so goes on as if a worker had it. Locks itself.
 */
#ifndef STEPD_ENGINE_AWAY_H
#define STEPD_ENGINE_AWAY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/lock.h"
#include "run/job.h"
#include "run/run.h"

/* One that is away. */
struct away {
    struct away *next;  /* list's lock */
    struct away **link; /* list's lock; what points to it */
    struct away_list *list;
    struct job job;
    struct run *run;    /* the claimed one's, or: */
    struct run own_run; /* of a message */
    bool has_place;     /* list's lock; of those of calls */
    bool is_in_line;    /* list's lock; it counts in `in_line` */
};

struct away_list {
    struct lock lock;
    struct away *first; /* lock */
    atomic_size_t count;
    atomic_size_t in_line;                               /* claimed runs whose errands wait for their turn */
    int places;                                          /* lock; of calls, that are free */
    void (*come_back)(void *context, struct away *away); /* any thread; the away is the callee's */
    void *context;
};

/* Up to `places` messages' runs are away without counting among what is in flight (run/errand.h, has_place). */
void away_list_init(struct away_list *list, int places, void (*come_back)(void *context, struct away *away), void *context);
/* Those that are still away never come back. */
void away_list_done(struct away_list *list);
/* Takes the job and its run, which has an errand. They may be back before this returns. */
void away_leave(struct away_list *list, const struct job *job, struct run *run);
/* One that has come back is no longer of the list; its caller frees it. */
void away_return(struct away *away);
/* The runs that the store gave us, or the one of that id, are to come back now. */
void away_cancel(struct away_list *list, const char *run_id);
/* The same of a run that the store does not know. */
void away_cancel_first(struct away_list *list, const char *run_id);
void away_cancel_all(struct away_list *list);
/* The one that the store gave us of that id is to look at what has come for it. */
void away_hear(struct away_list *list, const char *run_id);

#endif
