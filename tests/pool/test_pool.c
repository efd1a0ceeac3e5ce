/* SPDX-License-Identifier: Apache-2.0 */
#include "pool/pool.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"

#define TRIES 16
#define TASKS 1000

static atomic_int ended, begun_threads, ended_threads, let_go, taken_over;
static atomic_bool is_in_handler, may_return;

static struct pool_thread *create(void *context)
{
    (void)context;
    struct pool_thread *thread = xcalloc(1, sizeof(*thread));
    slot_init(&thread->slot);
    return thread;
}

static void destroy(struct pool_thread *thread)
{
    free(thread);
}

static void begin(struct pool_thread *thread)
{
    (void)thread;
    begun_threads++;
}

static void end(struct pool_thread *thread)
{
    (void)thread;
    ended_threads++;
}

static void retire(struct pool_thread *thread)
{
    assert_held(pool_lock(thread->pool));
}

static struct task *settle(struct task *task, struct pool_thread *thread)
{
    (void)task;
    (void)thread;
    taken_over++;
    return NULL;
}

static struct task settling = { .run = settle };

static struct task *take_over(struct pool_thread *thread, int64_t now_ns)
{
    return slot_abandon(&thread->slot, now_ns) ? &settling : NULL;
}

static void note_let_go(struct pool_thread *thread)
{
    (void)thread;
    let_go++;
}

static void too_many(void *context, int stuck, const struct task *task)
{
    (void)context;
    (void)task;
    cr_assert_fail("%d are stuck", stuck);
}

static void fatal(const char *why)
{
    cr_assert_fail("%s", why);
}

static const struct pool_ops ops = {
    .create = create,
    .destroy = destroy,
    .begin = begin,
    .end = end,
    .take_over = take_over,
    .let_go = note_let_go,
    .retire = retire,
    .too_many_stuck = too_many,
};

static struct pool *start(int threads)
{
    struct pool *pool =
        pool_create(&(struct pool_settings){ .threads = threads, .ring_size = TASKS, .max_stuck = 1, .ops = &ops, .fatal = fatal });
    struct error error = { 0 };

    cr_assert_eq(pool_start(pool, &error), 0, "%s", error.text);
    return pool;
}

static void wait_for(atomic_int *number, int wanted)
{
    int64_t until_ms = clock_monotonic_ms() + 30000;

    while (*number != wanted && clock_monotonic_ms() < until_ms)
        (void)usleep(1000);
    cr_assert_eq(*number, wanted);
}

static struct task *count(struct task *task, struct pool_thread *thread)
{
    (void)task;
    (void)thread;
    ended++;
    return NULL;
}

TestSuite(pool, .timeout = 60);

/* malloc() aligns to 16: among so many, one would lie wrong. */
Test(pool, is_aligned_as_its_ring_asks)
{
    struct pool *pools[TRIES];
    void *between[TRIES];

    for (size_t i = 0; i < TRIES; i++) {
        between[i] = malloc(16 * (i + 1));
        pools[i] = pool_create(&(struct pool_settings){ .ring_size = 1, .ops = &ops });
        cr_expect_eq((uintptr_t)pool_ring(pools[i]) % _Alignof(struct ring), 0, "%p", (void *)pools[i]);
    }
    for (size_t i = 0; i < TRIES; i++) {
        free(between[i]);
        cr_expect(pool_destroy(pools[i]));
    }
}

Test(pool, runs_what_comes_through_the_ring_and_what_is_added)
{
    static struct task through_the_ring[TASKS], added[TASKS];
    struct pool *pool = start(4);

    for (size_t i = 0; i < TASKS; i++) {
        through_the_ring[i].run = count;
        added[i].run = count;
        ring_put(pool_ring(pool), 0, (uintptr_t)&through_the_ring[i]);
        ring_publish(pool_ring(pool), 1);
        pool_nudge(pool);
        pool_add(pool, &added[i], i % TASK_RANKS);
    }
    wait_for(&ended, 2 * TASKS);
    cr_assert(pool_destroy(pool));
    cr_assert_eq(begun_threads, 4);
    cr_assert_eq(ended_threads, 4);
}

Test(pool, lists_go_by_rank)
{
    struct pool *pool = pool_create(&(struct pool_settings){ .ring_size = 1, .ops = &ops });
    struct task follows = { .run = settle }, is_due = follows, is_back = follows; /* none of them runs */

    pool_add(pool, &follows, TASK_FOLLOWS);
    pool_add(pool, &is_due, TASK_IS_DUE);
    pool_add(pool, &is_back, TASK_IS_BACK);
    cr_assert_eq(pool_take_listed(pool), &is_back);
    cr_assert_eq(pool_take_listed(pool), &is_due);
    cr_assert_eq(pool_take_listed(pool), &follows);
    cr_assert_null(pool_take_listed(pool));
    cr_assert(pool_destroy(pool));
}

static struct task *first_of_two(struct task *task, struct pool_thread *thread)
{
    static struct task second = { .run = count };

    (void)task;
    (void)thread;
    return &second;
}

Test(pool, what_a_task_returns_runs_next)
{
    struct task first = { .run = first_of_two };
    struct pool *pool = start(1);

    pool_add(pool, &first, TASK_FOLLOWS);
    wait_for(&ended, 1);
    cr_assert(pool_destroy(pool));
}

static struct task *hang(struct task *task, struct pool_thread *thread)
{
    (void)task;
    slot_enter(&thread->slot, clock_monotonic_ns() + 1);
    is_in_handler = true;
    while (!may_return)
        (void)usleep(1000);
    cr_assert_not(slot_leave(&thread->slot));
    return NULL;
}

Test(pool, another_thread_takes_the_place_of_one_past_its_deadline)
{
    struct task stuck = { .run = hang };
    struct task next = { .run = count };
    struct pool *pool = start(1);

    pool_add(pool, &stuck, TASK_FOLLOWS);
    wait_for(&taken_over, 1);
    cr_assert_eq(pool_stuck(pool), 1);
    pool_add(pool, &next, TASK_FOLLOWS);
    wait_for(&ended, 1);
    cr_assert_eq(let_go, 0);
    may_return = true;
    wait_for(&let_go, 1);
    wait_for(&ended_threads, 1);
    cr_assert(pool_destroy(pool));
    cr_assert_eq(ended_threads, 2);
}
