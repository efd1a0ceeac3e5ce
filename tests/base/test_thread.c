/* SPDX-License-Identifier: Apache-2.0 */
#include "base/thread.h"

#include <string.h>

#include <criterion/criterion.h>

#include "base/lock.h"
#include "base/pulse.h"

struct seen {
    struct thread thread;
    bool is_itself;
    bool has_pulse;
    char name[16];
};

static void *look(void *context)
{
    struct seen *seen = context;

    seen->is_itself = thread_is_current(&seen->thread);
    seen->has_pulse = pulse_own != NULL;
    (void)pthread_getname_np(pthread_self(), seen->name, sizeof(seen->name));
    return NULL;
}

Test(thread, has_a_name_and_a_pulse_and_knows_itself)
{
    struct seen seen = { 0 };
    struct error error;

    cr_assert_eq(thread_start(&seen.thread, "a-name", PULSE_LIMIT_MS, look, &seen, &error), 0);
    thread_join(&seen.thread);
    cr_expect(seen.is_itself);
    cr_expect(seen.has_pulse);
    cr_expect_str_eq(seen.name, "a-name");
}

Test(thread, has_no_pulse_unless_it_wants_one)
{
    struct seen seen = { 0 };
    struct error error;

    cr_assert_eq(thread_start(&seen.thread, "quiet", 0, look, &seen, &error), 0);
    thread_join(&seen.thread);
    cr_expect_not(seen.has_pulse);
}

/* Waits until it is let go. */
struct held {
    struct thread thread;
    struct lock lock;
    struct condition changed;
    bool is_running;
    bool may_end;
};

static void *wait_to_end(void *context)
{
    struct held *held = context;

    LOCK_GUARD(&held->lock);
    held->is_running = true;
    condition_wake_all(&held->changed);
    while (!held->may_end)
        condition_wait(&held->changed, &held->lock);
    return NULL;
}

Test(thread, is_another_ones_while_it_runs_and_its_makers_before_and_after)
{
    struct held held = { .is_running = false };
    struct error error;

    lock_init(&held.lock);
    condition_init(&held.changed);
    cr_expect(thread_is_current(&held.thread));
    cr_assert_eq(thread_start(&held.thread, "held", 0, wait_to_end, &held, &error), 0);
    lock_take(&held.lock);
    while (!held.is_running)
        condition_wait(&held.changed, &held.lock);
    cr_expect_not(thread_is_current(&held.thread));
    held.may_end = true;
    condition_wake_all(&held.changed);
    lock_give(&held.lock);
    thread_join(&held.thread);
    cr_expect(thread_is_current(&held.thread));
}

Test(thread, that_was_never_started_has_nothing_to_wait_for)
{
    struct thread thread = { 0 };

    thread_join(&thread);
}
