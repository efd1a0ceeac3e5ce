/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that run tasks. Most come through a ring that one thread fills, without a lock; others are added to lists,
 * which go before it. A watch gives up on a thread that is in a handler past its deadline (pool/slot.h): another one
 * takes its place, and begins with bringing to an end what the stuck one was at.
 */
#ifndef STEPD_POOL_POOL_H
#define STEPD_POOL_POOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/thread.h"
#include "pool/ring.h"
#include "pool/slot.h"
#include "pool/task.h"

struct pool;

struct pool_thread {
    struct pool_thread *next; /* pool's lock */
    struct pool *pool;
    struct thread thread;
    struct slot slot;
    struct task *first; /* a replacement's; NULL: none */
    atomic_bool is_busy;
    _Atomic(int64_t) taken_ns; /* monotonic, when it last took something */
    bool is_stuck;             /* the watch has given up on it; pool's lock */
    atomic_bool is_finished;   /* the thread's last act */
    int64_t now_ns;            /* its own; monotonic, as last looked at: one task's end is the next one's beginning */
};

/* What the pool's maker does with its threads. */
struct pool_ops {
    /* Memory that begins with a zeroed struct pool_thread. Its thread is not started. */
    struct pool_thread *(*create)(void *context);
    void (*destroy)(struct pool_thread *thread);
    /* The thread itself, before its first task and after its last one. */
    void (*begin)(struct pool_thread *thread);
    void (*end)(struct pool_thread *thread);
    /* The watch, pool's lock held: the thread is past its deadline. slot_abandon() it; the task that brings to an end
     * what it was at, or NULL where it was not stuck after all. */
    struct task *(*take_over)(struct pool_thread *thread, int64_t now_ns);
    /* The thread itself: what was taken over from it is no longer in its hands. */
    void (*let_go)(struct pool_thread *thread);
    /* Pool's lock held: it ended after it was given up on, and is destroyed next. What it has counted is kept. */
    void (*retire)(struct pool_thread *thread);
    /* The watch: so many threads are stuck, more than `max_stuck`; the last of them was at what `task` settles. Ends the
     * process. */
    void (*too_many_stuck)(void *context, int stuck, const struct task *task);
};

struct pool_settings {
    int threads;
    size_t ring_size; /* tasks in the ring at most: whoever fills it keeps to that */
    int max_stuck;
    const struct pool_ops *ops;
    void *context;                  /* of create() and too_many_stuck() */
    void (*fatal)(const char *why); /* ends the process */
};

/* Before others. */
enum task_rank {
    TASK_IS_BACK, /* was begun, and goes on */
    TASK_IS_DUE,
    TASK_FOLLOWS, /* from another task */
    TASK_RANKS
};

struct pool *pool_create(const struct pool_settings *settings);
/* Starts the threads and the watch. 0, or negative errno with the reason. */
int pool_start(struct pool *pool, struct error *ret_error) MUST_CHECK;
/* Nobody looks at deadlines any more. */
void pool_stop_watch(struct pool *pool);
/* Stops the threads once each has ended its task; what still waits is never run. False: some are stuck and were left
 * behind; then nothing that they use may be freed, and the process is to end. NULL is fine. */
bool pool_destroy(struct pool *pool);

/* Filled by one thread, which calls pool_nudge() after ring_publish(), and now and then while tasks are open: wakes a
 * thread where all that are awake seem to be held up. */
struct ring *pool_ring(struct pool *pool);
void pool_nudge(struct pool *pool);
/* Any thread: behind all of its rank. */
void pool_add(struct pool *pool, struct task *task, enum task_rank rank);

/* Any thread. How many more tasks that are due find a thread at once. */
size_t pool_free_threads(struct pool *pool);
/* Any thread: tasks that wait. */
size_t pool_waiting(const struct pool *pool);
/* Any thread: no task waits, and none runs but on threads that are stuck. */
bool pool_is_idle(struct pool *pool);
size_t pool_stuck(const struct pool *pool);

/* Guards the list of threads, and what retire() writes. */
struct lock *pool_lock(struct pool *pool);
/* Lock held. */
struct pool_thread *pool_threads(const struct pool *pool);

/* The thread itself, after what may have waited. */
void pool_thread_look_at_clock(struct pool_thread *thread);
/* What the watch does, ten times a second; for tests. */
void pool_watch(struct pool *pool);
/* For tests: a thread that the test runs itself stands among the pool's. */
void pool_adopt(struct pool *pool, struct pool_thread *thread);
/* For tests: the next that waits in a list, or NULL. */
struct task *pool_take_listed(struct pool *pool);

#endif
