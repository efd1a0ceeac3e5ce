/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mutex that knows its holder, so that what needs it can assert it; and a condition whose times are
 * monotonic. A guard holds a lock to the end of its scope. A thread holds no two locks at once unless
 * the place says why.
 */
#ifndef STEPD_BASE_LOCK_H
#define STEPD_BASE_LOCK_H

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/thread_identity.h"

struct lock {
    pthread_mutex_t mutex;
    _Atomic(uintptr_t) holder; /* thread_identity(); 0: free */
};

#define LOCK_INITIALIZER \
    { \
        .mutex = PTHREAD_MUTEX_INITIALIZER \
    }

struct condition {
    pthread_cond_t cond;
};

static inline void lock_init(struct lock *lock)
{
    int failed = pthread_mutex_init(&lock->mutex, NULL);

    assert(failed == 0);
    (void)failed;
    atomic_init(&lock->holder, 0);
}

static inline void lock_done(struct lock *lock)
{
    assert(atomic_load_explicit(&lock->holder, memory_order_relaxed) == 0);
    (void)pthread_mutex_destroy(&lock->mutex);
}

static inline bool lock_is_held(const struct lock *lock)
{
    return atomic_load_explicit(&lock->holder, memory_order_relaxed) == thread_identity();
}

/* Waits for it. */
static inline void lock_take(struct lock *lock)
{
    assert(!lock_is_held(lock)); /* it would wait for itself */
    int failed = pthread_mutex_lock(&lock->mutex);

    assert(failed == 0);
    (void)failed;
    atomic_store_explicit(&lock->holder, thread_identity(), memory_order_relaxed);
}

static inline void lock_give(struct lock *lock)
{
    assert(lock_is_held(lock));
    atomic_store_explicit(&lock->holder, 0, memory_order_relaxed);
    (void)pthread_mutex_unlock(&lock->mutex);
}

static inline struct lock *lock_guard_begin(struct lock *lock)
{
    lock_take(lock);
    return lock;
}

static inline void lock_guard_end(struct lock *const *guard)
{
    lock_give(*guard);
}

/* Holds the lock until the end of the block that it stands in. */
#define LOCK_GUARD(guarded) LOCK_GUARD_NAMED(guarded, __LINE__)
#define LOCK_GUARD_NAMED(guarded, line) LOCK_GUARD_NAMED_2(guarded, line)
#define LOCK_GUARD_NAMED_2(guarded, line) \
    __attribute__((cleanup(lock_guard_end), unused)) struct lock *const lock_guard_##line = lock_guard_begin(guarded)

/* The caller must hold it. */
#define assert_held(lock) assert(lock_is_held(lock))

static inline void condition_init(struct condition *condition)
{
    pthread_condattr_t attributes;

    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&condition->cond, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

static inline void condition_done(struct condition *condition)
{
    (void)pthread_cond_destroy(&condition->cond);
}

static inline void condition_wake_one(struct condition *condition)
{
    (void)pthread_cond_signal(&condition->cond);
}

static inline void condition_wake_all(struct condition *condition)
{
    (void)pthread_cond_broadcast(&condition->cond);
}

/* Lock held. May end without a cause: what was waited for is to be looked at again. */
static inline void condition_wait(struct condition *condition, struct lock *lock)
{
    assert_held(lock);
    atomic_store_explicit(&lock->holder, 0, memory_order_relaxed);
    (void)pthread_cond_wait(&condition->cond, &lock->mutex);
    atomic_store_explicit(&lock->holder, thread_identity(), memory_order_relaxed);
}

/* The same, until a monotonic time at the latest: false once that is over. */
static inline bool condition_wait_until(struct condition *condition, struct lock *lock, int64_t until_ms)
{
    const struct timespec until = { .tv_sec = (time_t)(until_ms / 1000), .tv_nsec = (long)(until_ms % 1000) * 1000000 };

    assert_held(lock);
    atomic_store_explicit(&lock->holder, 0, memory_order_relaxed);
    int status = pthread_cond_timedwait(&condition->cond, &lock->mutex, &until);
    atomic_store_explicit(&lock->holder, thread_identity(), memory_order_relaxed);
    return status != ETIMEDOUT;
}

#endif
