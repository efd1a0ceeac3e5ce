/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread of the pool with all that it needs to run attempts, and what all of them share: the inside of dispatch.
 */
#ifndef STEPD_ENGINE_WORKER_H
#define STEPD_ENGINE_WORKER_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "engine/away.h"
#include "engine/counts.h"
#include "engine/settings.h"
#include "engine/tally.h"
#include "flow/breakers.h"
#include "flow/bundles.h"
#include "flow/gate.h"
#include "flow/strands.h"
#include "pool/pool.h"
#include "run/context.h"
#include "run/job.h"
#include "run/taker.h"
#include "run/unwanted.h"

struct takeover;    /* engine/takeover.h */
struct crew;        /* engine/crew.h */
struct settlements; /* engine/settle.h */

/* Its thread's own, but for what the watch takes over. */
struct worker {
    struct pool_thread thread; /* first */
    struct dispatch *dispatch;
    struct takeover *takeover; /* the watch writes it before it takes over; read once abandoned */
    struct stepd_ctx ctx;
    void **locals;
    struct job job;     /* that it runs */
    struct run own_run; /* of a message */
    struct run *run;
    const struct function **matches; /* room for all functions */
    struct tally tally;
    _Atomic(struct function_tally *) *functions; /* by function->index; NULL: had nothing to do with it */
};

static_assert(offsetof(struct worker, thread) == 0, "worker_of()");

struct dispatch {
    struct dispatch_settings settings;
    struct attempt_settings attempts;
    struct pool *pool;
    struct run_taker runs;      /* what the store sees of it, */
    struct batch_taker batches; /* what intake does */
    struct strands *strands;
    struct gate *gates;  /* by function->index */
    size_t waiting_most; /* messages that wait at one gate; at all of them half of what may be in flight */
    struct away_list away;
    struct settlements *settlements;
    struct matches *matches_asked;
    struct crew *crew;
    struct unwanted unwanted;
    struct breakers breakers;
    struct bundles *bundles;
    atomic_bool has_told_early; /* that batches begin before they are full */
    atomic_bool is_draining;
    atomic_bool is_stopped;                    /* a person has paused all functions: nothing more is taken up */
    atomic_bool is_short;                      /* the store's memory is nearly full: what is parked or queued is not to begin */
    atomic_bool is_held;                       /* nothing begins */
    struct dispatch_counts retired;            /* pool's lock; of threads that are gone */
    struct function_counts *retired_functions; /* pool's lock; by function->index */
    const struct function **matches;           /* consumer thread; room for all functions */
};

static inline struct worker *worker_of(struct pool_thread *thread)
{
    return (struct worker *)thread;
}

/* `context` is the dispatch. Never NULL; its thread is not started. */
struct pool_thread *worker_create(void *context);
void worker_destroy(struct pool_thread *thread);
/* The thread's first and last acts: its modules' thread_init and thread_exit. */
void worker_begin(struct pool_thread *thread);
void worker_end(struct pool_thread *thread);
/* Pool's lock held: what it has counted goes to dispatch->retired. */
void worker_retire(struct pool_thread *thread);

/* Its own thread: the function's first, of which it has counted nothing. Most functions are never seen by most workers. */
struct function_tally *worker_begin_tally(struct worker *worker, const struct function *function);

/* Its own thread: what it has counted of the function. */
static inline struct function_tally *worker_tally(struct worker *worker, const struct function *function)
{
    struct function_tally *tally = atomic_load_explicit(&worker->functions[function->index], memory_order_relaxed);

    return tally != NULL ? tally : worker_begin_tally(worker, function);
}

/* After what may have waited. */
static inline void worker_look_at_clock(struct worker *worker)
{
    pool_thread_look_at_clock(&worker->thread);
}

static inline bool worker_is_draining(const struct worker *worker)
{
    return atomic_load_explicit(&worker->dispatch->is_draining, memory_order_relaxed);
}

#endif
