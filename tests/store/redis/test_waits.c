/* SPDX-License-Identifier: Apache-2.0 */
/* What readers are told of runs that wait. */
#include "store/redis/waits.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "redis_fixture.h"

static struct redis_fixture redis;
static struct confirmation known;
static char heard[1000]; /* what was told, in order: "+NAME/SHARD " or "-NAME/SHARD " */

static void setup(void)
{
    redis_fixture_start(&redis);
    (void)redis_fixture_open(&redis);
    known = (struct confirmation){ .generation = 0 };
}

static void teardown(void)
{
    redis_fixture_stop(&redis);
}

TestSuite(waits, .init = setup, .fini = teardown, .timeout = 120);

static void hear(char sign, int shard, const char *event)
{
    size_t length = strlen(heard);

    (void)snprintf(heard + length, sizeof(heard) - length, "%c%s/%d ", sign, event, shard);
}

static void add(void *context, int shard, const char *event, const char *later)
{
    (void)context;
    (void)later;
    hear('+', shard, event);
}

static void forget(void *context, int shard, const char *event, const char *later)
{
    (void)context;
    (void)later;
    hear('-', shard, event);
}

/* What the reader of one partition hears as it tells that all below `confirmed` is matched. */
static const char *ask(int64_t confirmed)
{
    const struct watch_listener listener = { .add = add, .forget = forget };
    struct matched_place place = { .topic = "t", .partition = 0, .confirmed = confirmed };

    heard[0] = '\0';
    cr_assert_eq(store_confirm(redis.store, 0, &known, &place, 1, &listener), 0);
    return heard;
}

static int64_t number(const char *key, const char *field)
{
    return atoll(redis_says(redis.store, "HGET t{0}:%s %s", key, field));
}

/* Runs that were made until then may have waited in what Redis has lost. */
static int64_t made_until_ms(void)
{
    return atoll(redis_says(redis.store, "EVAL return(redis.call('HGET','t{0}:rewound','')) 0"));
}

static void make_watch(const char *event, int generation)
{
    (void)redis_says(redis.store, "EVAL redis.call('ZADD','t{0}:watches',%d,'%s\\0') 0", generation, event);
    (void)redis_says(redis.store, "HSET t{0}:watching generation %d", generation);
}

Test(waits, a_reader_hears_of_each_watch_once)
{
    make_watch("a", 1);
    make_watch("b", 2);
    cr_assert_str_eq(ask(-1), "+a/0 +b/0 ");
    cr_assert_str_eq(ask(5), "");
    cr_assert_eq(number("matched", "t:0"), 5);
}

Test(waits, what_is_forgotten_is_told_before_what_is_new)
{
    make_watch("a", 1);
    cr_assert_str_eq(ask(-1), "+a/0 ");
    (void)redis_says(redis.store, "EVAL redis.call('ZADD','t{0}:forgotten',2,'a\\0') 0");
    make_watch("a", 3);
    cr_assert_str_eq(ask(-1), "-a/0 +a/0 ");
    cr_assert_str_eq(ask(-1), "");
}

Test(waits, a_second_rewind_soon_after_the_first_counts_for_what_was_made_in_between)
{
    make_watch("a", 1);
    (void)ask(-1);
    (void)ask(7);
    (void)redis_says(redis.store, "HSET t{0}:watching process another");
    (void)ask(9); /* it does not count: the reader has not learnt anew */
    int64_t first_ms = made_until_ms();
    cr_assert_eq(number("rewound", "t:0"), 7);
    (void)ask(12);
    (void)usleep(5000);
    (void)redis_says(redis.store, "HSET t{0}:watching process yet-another");
    (void)ask(-1);
    cr_assert_gt(made_until_ms(), first_ms);
    cr_assert_eq(number("rewound", "t:0"), 7, "the lowest counts");
}

Test(waits, who_links_notes_that_redis_has_come_back_before_it_lets_a_run_wait)
{
    struct store_settings settings = redis_fixture_settings(&redis);

    make_watch("a", 1);
    (void)ask(-1);
    (void)ask(7);
    (void)redis_says(redis.store, "HSET t{0}:watching process another");
    cr_assert_eq(made_until_ms(), 0);
    struct redis_store *other = redis_fixture_open_with(&settings);
    (void)redis_says(other, "PING");
    cr_assert_gt(made_until_ms(), 0);
    cr_assert_eq(number("rewound", "t:0"), 7);
    store_destroy(other);
}
