/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread of the daemon: it has a name (ps -L and a debugger show it), and a pulse where the daemon can't
 * do without it. What belongs to one thread asserts that it is the one that runs.
 */
#ifndef STEPD_BASE_THREAD_H
#define STEPD_BASE_THREAD_H

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/thread_identity.h"

struct thread {
    pthread_t id;
    bool is_started;             /* who starts and joins it */
    _Atomic(uintptr_t) identity; /* 0 before it runs and once it has ended */
    const char *name;
    int64_t pulse_limit_ms;
    void *(*run)(void *context);
    void *context;
};

/* Starts `run(context)` on a thread of its own. `name`, at most 15 characters, is borrowed. pulse_limit_ms:
 * base/pulse.h, whose pulse_own is the thread's; 0: it has no pulse. `thread` stays where it is until
 * thread_join(). 0, or negative errno with the reason. */
int thread_start(struct thread *thread, const char *name, int64_t pulse_limit_ms, void *(*run)(void *context), void *context,
                 struct error *ret_error) MUST_CHECK;
/* From here on this thread, when it is woken, does not push aside what runs on its processor: whoever wakes many of its kind
 * one after the other gets done first, and they run one after the other, for half of the switches. */
void thread_yield_when_woken(void);
/* Waits for its end; of one that was not started, for nothing. */
void thread_join(struct thread *thread);
/* The same until a monotonic time at the latest. False: it goes on. */
bool thread_join_until(struct thread *thread, int64_t until_ms);
/* Never waits for it: it goes on, and `thread` stays where it is, to the end of the process. */
void thread_leave(struct thread *thread);

/* Whether the thread that runs is this one. While it is not running at all, before its start or after its
 * end, what it owns is its maker's: then it is true. */
static inline bool thread_is_current(const struct thread *thread)
{
    uintptr_t identity = atomic_load_explicit(&thread->identity, memory_order_relaxed);

    return identity == 0 || identity == thread_identity();
}

/* The caller must be this thread. */
#define assert_thread(thread) assert(thread_is_current(thread))

/* Of what is one thread's, whichever that is: the first to ask owns it, until it hands it over. All zero: nobody does. */
struct thread_owner {
    _Atomic(uintptr_t) identity;
};

static inline bool thread_owner_is_current(struct thread_owner *owner)
{
    uintptr_t identity = atomic_load_explicit(&owner->identity, memory_order_relaxed);

    if (identity == 0)
        atomic_store_explicit(&owner->identity, thread_identity(), memory_order_relaxed);
    return identity == 0 || identity == thread_identity();
}

/* Nobody's: the next to ask owns it. */
static inline void thread_owner_hand_over(struct thread_owner *owner)
{
    atomic_store_explicit(&owner->identity, 0, memory_order_relaxed);
}

/* The caller must be the owner's thread, or becomes it. */
#define assert_owner(owner) assert(thread_owner_is_current(owner))

#endif
