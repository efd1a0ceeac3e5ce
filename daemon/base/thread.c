/* SPDX-License-Identifier: Apache-2.0 */
#include "base/thread.h"

#include <assert.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "base/pulse.h"

static void *thread_main(void *argument)
{
    struct thread *thread = argument;
    struct pulse *pulse = thread->pulse_limit_ms > 0 ? pulse_start(thread->name, thread->pulse_limit_ms) : NULL;

    atomic_store_explicit(&thread->identity, thread_identity(), memory_order_relaxed);
    (void)pthread_setname_np(pthread_self(), thread->name);
    void *result = thread->run(thread->context);
    pulse_stop(pulse);
    atomic_store_explicit(&thread->identity, 0, memory_order_relaxed);
    return result;
}

int thread_start(struct thread *thread, const char *name, int64_t pulse_limit_ms, void *(*run)(void *context), void *context,
                 struct error *ret_error)
{
    assert(pulse_limit_ms >= 0);
    assert(!thread->is_started && strlen(name) <= 15);
    thread->name = name;
    thread->pulse_limit_ms = pulse_limit_ms;
    thread->run = run;
    thread->context = context;
    int failed = pthread_create(&thread->id, NULL, thread_main, thread);
    if (failed != 0)
        return error_set(ret_error, failed, "can't start the thread '%s': %s", name, strerror(failed));
    thread->is_started = true;
    return 0;
}

void thread_yield_when_woken(void)
{
    const struct sched_param none = { .sched_priority = 0 };

    (void)pthread_setschedparam(pthread_self(), SCHED_BATCH, &none); /* where it may not, all is as before */
}

void thread_join(struct thread *thread)
{
    assert(!thread->is_started || atomic_load_explicit(&thread->identity, memory_order_relaxed) != thread_identity()); /* itself */
    if (!thread->is_started)
        return;
    (void)pthread_join(thread->id, NULL);
    thread->is_started = false;
}

void thread_leave(struct thread *thread)
{
    assert(thread->is_started);
    (void)pthread_detach(thread->id);
    thread->is_started = false;
}

bool thread_join_until(struct thread *thread, int64_t until_ms)
{
    const struct timespec until = { .tv_sec = (time_t)(until_ms / 1000), .tv_nsec = (long)(until_ms % 1000) * 1000000 };

    if (!thread->is_started)
        return true;
    if (pthread_clockjoin_np(thread->id, NULL, CLOCK_MONOTONIC, &until) != 0)
        return false;
    thread->is_started = false;
    return true;
}
