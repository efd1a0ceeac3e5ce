/* SPDX-License-Identifier: Apache-2.0 */
#include "base/lock.h"

#include <signal.h>

#include <criterion/criterion.h>

#include "base/clock.h"

Test(lock, is_held_by_a_guard_to_the_end_of_its_block)
{
    struct lock lock;

    lock_init(&lock);
    {
        LOCK_GUARD(&lock);
        cr_expect(lock_is_held(&lock));
    }
    cr_expect_not(lock_is_held(&lock));
    lock_done(&lock);
}

static void *look(void *context)
{
    struct lock *lock = context;

    return lock_is_held(lock) ? context : NULL;
}

Test(lock, is_held_by_one_thread_alone)
{
    struct lock lock;
    pthread_t other;
    void *seen = &lock;

    lock_init(&lock);
    LOCK_GUARD(&lock);
    cr_assert_eq(pthread_create(&other, NULL, look, &lock), 0);
    cr_assert_eq(pthread_join(other, &seen), 0);
    cr_expect_null(seen);
}

Test(lock, a_condition_ends_at_its_time_and_gives_the_lock_back)
{
    struct condition never;
    struct lock lock;

    lock_init(&lock);
    condition_init(&never);
    LOCK_GUARD(&lock);
    int64_t until_ms = clock_monotonic_ms() + 20;
    while (condition_wait_until(&never, &lock, until_ms))
        ;
    cr_expect_geq(clock_monotonic_ms(), until_ms);
    cr_expect(lock_is_held(&lock));
}

Test(lock, given_by_another_than_its_holder_is_a_bug, .signal = SIGABRT)
{
    struct lock lock;

    lock_init(&lock);
    lock_give(&lock);
}
