/* SPDX-License-Identifier: Apache-2.0 */
#include "run/watches.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static struct watches *watches;

static void setup(void)
{
    watches = watches_create(2);
}

static void teardown(void)
{
    watches_destroy(watches);
}

TestSuite(watches, .init = setup, .fini = teardown, .timeout = 60);

static int sides_of(const char *event)
{
    const struct watched_name *name = watches_enter(watches, event);
    int count = 0;

    for (const struct watched_side *watch = name != NULL ? watched_first(name) : NULL; watch != NULL; watch = watch_next(watch))
        count++;
    watches_leave(name);
    return count;
}

Test(watches, what_is_added_is_found_until_it_is_removed)
{
    cr_assert_not(watches_have(watches, "a"));
    watches_add(watches, 0, "a", "");
    watches_add(watches, 0, "a", "async.data.id");
    watches_add(watches, 0, "b", "");
    cr_assert_eq(sides_of("a"), 2);
    watches_remove(watches, 0, "a", "");
    cr_assert_eq(sides_of("a"), 1);
    watches_remove(watches, 0, "a", "async.data.id");
    cr_assert_not(watches_have(watches, "a"));
    cr_assert(watches_have(watches, "b"));
    cr_assert_eq(watches_count(watches), 1);
    watches_remove(watches, 0, "never", "");
    watches_add(watches, 0, "a", "");
    cr_assert_eq(sides_of("a"), 1);
}

Test(watches, what_runs_of_another_shard_wait_by_stays)
{
    watches_add(watches, 0, "a", "");
    watches_add(watches, 1, "a", "");
    watches_remove(watches, 0, "a", "");
    cr_assert(watches_have(watches, "a"));
    const struct watched_name *name = watches_enter(watches, "a");
    cr_assert_not(atomic_load(&watched_first(name)->shards[0]));
    cr_assert(atomic_load(&watched_first(name)->shards[1]));
    watches_leave(name);
    watches_remove(watches, 1, "a", "");
    cr_assert_not(watches_have(watches, "a"));
}

Test(watches, who_looks_keeps_what_is_removed_meanwhile)
{
    watches_add(watches, 0, "a", "async.data.id");
    const struct watched_name *name = watches_enter(watches, "a");
    const struct watched_side *side = watched_first(name);
    watches_remove(watches, 0, "a", "async.data.id");
    cr_assert_str_eq(name->name, "a");
    cr_assert_str_eq(side->later, "async.data.id");
    watches_leave(name);
}

Test(watches, many_names_come_and_go)
{
    char name[40];

    for (int i = 0; i < 20000; i++) {
        (void)snprintf(name, sizeof(name), "paid/%d", i);
        watches_add(watches, 0, name, "");
    }
    for (int i = 0; i < 20000; i += 2) {
        (void)snprintf(name, sizeof(name), "paid/%d", i);
        watches_remove(watches, 0, name, "");
    }
    for (int i = 0; i < 20000; i++) {
        (void)snprintf(name, sizeof(name), "paid/%d", i);
        cr_assert_eq(watches_have(watches, name), i % 2 == 1);
    }
    cr_assert_eq(watches_count(watches), 10000);
}

static atomic_bool is_over;

static void *look(void *argument)
{
    long found = 0;

    (void)argument;
    while (!atomic_load(&is_over)) {
        const struct watched_name *name = watches_enter(watches, "a");
        for (const struct watched_side *watch = name != NULL ? watched_first(name) : NULL; watch != NULL; watch = watch_next(watch))
            found += (long)strlen(watch->later);
        watches_leave(name);
        cr_assert(watches_have(watches, "always"));
    }
    cr_assert_geq(found, 0);
    return NULL;
}

Test(watches, threads_look_while_one_adds_and_removes)
{
    pthread_t threads[3];

    watches_add(watches, 0, "always", "");
    for (int i = 0; i < 3; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, look, NULL), 0);
    for (int i = 0; i < 20000; i++) {
        watches_add(watches, 0, "a", "async.data.id");
        watches_add(watches, 0, "a", "");
        watches_remove(watches, 0, "a", "async.data.id");
        watches_remove(watches, 0, "a", "");
    }
    atomic_store(&is_over, true);
    for (int i = 0; i < 3; i++)
        (void)pthread_join(threads[i], NULL);
    cr_assert_eq(watches_count(watches), 1);
}
