/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of dispatch: what its files share. dispatch.c queues and watches, workers.c has the threads,
 * work.c what each does with what it takes, runner.c one run of it.
 */
#ifndef STEPD_ENGINE_WORKERS_H
#define STEPD_ENGINE_WORKERS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/histogram.h"
#include "base/lock.h"
#include "base/thread.h"
#include "engine/away.h"
#include "run/context.h"
#include "engine/dispatch.h"
#include "flow/gate.h"
#include "run/job.h"
#include "pool/ring.h"
#include "flow/strands.h"
#include "engine/tally.h"

/* An attempt that the watch took from a thread that is stuck in its handler. The thread may still
 * read event and run: whoever of the two is done last gives them back. */
struct takeover {
    struct job job;
    struct run run;
    struct step_call step;
    int64_t started_ns;
    atomic_int holders;
};

struct worker {
    struct worker *next;                /* dispatch->lock */
    struct dispatch *dispatch;
    pthread_t thread;
    struct slot slot;
    struct takeover *takeover;          /* watch writes it before it takes over; read once abandoned */
    struct takeover *first_work;        /* a replacement's; NULL: none */
    atomic_bool is_busy;
    _Atomic(int64_t) taken_ns;          /* monotonic, when it last took something */
    bool is_stuck;                      /* watch thread only */
    atomic_bool is_finished;            /* the thread's last act */

    struct stepd_ctx ctx;               /* its thread only, but for what the watch takes over */
    void **locals;
    struct job job;                     /* that it runs */
    struct run own_run;                 /* of a message */
    struct run *run;
    const struct function **matches;    /* room for all functions */
    int64_t now_ns;                     /* monotonic, as last looked at: one attempt's end is the next one's beginning */
    bool was_slow;                      /* its last piece of work */
    struct tally tally;
    _Atomic(struct function_tally *) *functions; /* by function->index; NULL: had nothing to do with it */
};

struct dispatch {
    struct dispatch_settings settings;
    struct attempt_settings attempts;
    int cores;

    struct ring ring;                   /* messages, and jobs with bit 0 set; consumer thread fills */
    struct strands *strands;
    struct gate *gates;                 /* by function->index */
    size_t waiting_most;                /* messages that wait at one gate; at all of them half of what may be in flight */

    struct run_taker runs;              /* what the store sees of it; */
    struct batch_taker batches;         /* what intake does */
    struct thread watch;
    struct lock watch_lock;
    struct condition watch_end;
    bool is_watch_over;                 /* watch_lock */

    pthread_mutex_t lock;
    pthread_cond_t work;                /* something to do, or is_stopping */
    struct job_list returned;           /* lock; what is not in the ring: first what has been away, */
    struct job_list claimed;            /* lock; then claimed runs, */
    struct job_list extra;              /* lock; then all else */
    atomic_size_t extra_count;          /* of the three */
    atomic_size_t claimed_count;        /* of the first two: each wants a worker soon */
    struct away_list away;
    atomic_int sleepers;                /* not yet called; lock to write */
    int calls;                          /* lock; signals that no sleeper has answered yet */
    atomic_bool is_draining;
    atomic_bool is_stopping;
    struct worker *workers;             /* lock */
    struct dispatch_counts retired;     /* lock; of threads that are gone */
    struct function_counts *retired_functions; /* lock; by function->index */
    const struct function **matches;    /* consumer thread; room for all functions */
    atomic_int stuck;
};

/* Never NULL; its thread is not started. */
struct worker *worker_create(struct dispatch *dispatch);
void worker_destroy(struct worker *worker);
/* The thread: runs until the dispatch stops, or the watch has taken its work. */
void *worker_main(void *worker);
/* After what may have waited. */
void worker_look_at_clock(struct worker *worker);

void dispatch_wake(struct dispatch *dispatch);
void dispatch_add_extra(struct dispatch *dispatch, struct job *job);
/* Worker or timer thread. */
void dispatch_push_claimed(struct dispatch *dispatch, struct claimed *claimed);
/* Watch thread, some ten times a second: attempts past their timeout. */
void dispatch_watch(struct dispatch *dispatch);
/* Whoever waits for a place of the function, as far as there are any, gets a worker. */
void dispatch_fill_places(struct dispatch *dispatch, const struct function *function);

#endif
