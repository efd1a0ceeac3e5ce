/* SPDX-License-Identifier: Apache-2.0 */
/* A key of ours is deleted: what it held goes on, or is told. */
#include "store/redis/sweep.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redis_fixture.h"
#include "store/redis/keys.h"

static struct redis_fixture redis;
static struct sweep sweep;
static int64_t patience_ms = 3600000;

static void setup(void)
{
    redis_fixture_start(&redis);
    (void)redis_fixture_open(&redis);
    sweep_init(&sweep);
}

static void teardown(void)
{
    sweep_done(&sweep);
    redis_fixture_stop(&redis);
}

TestSuite(sweep, .init = setup, .fini = teardown, .timeout = 120);

#define PARK ((struct transition){ .kind = TRANSITION_PARK, .status = RUN_DELAYED, .delay_ms = 15000 })
#define CHECKPOINT ((struct transition){ .kind = TRANSITION_CHECKPOINT, .checkpoint = { "a", 1 } })
#define FAILING ((struct transition){ .kind = TRANSITION_PHASE, .phase = RUN_FAILING })
#define BURY ((struct transition){ .kind = TRANSITION_BURY, .phase = RUN_FAILING })

static struct transition_reply advance(struct run *run, struct transition change)
{
    struct store *port = store_port(redis.store);
    struct transition_reply reply;

    cr_assert_eq(port->ops->advance(port, run, &change, &reply), 0);
    cr_assert_eq(reply.answer, STORE_OK);
    run->epoch = reply.epoch;
    run->owner = reply.owner;
    run->notes = reply.notes;
    return reply;
}

/* One walk over all, as `worker`; how many were put back. */
static int64_t walk_as(const struct incarnation *worker)
{
    int64_t found = 0;

    do {
        struct script_call call;
        AUTO_REPLY reply = NULL;
        script_begin(&call, "sweep", 0);
        sweep_ask(&sweep, store_lineage(redis.store, 0), &call);
        script_add_owner(&call, worker);
        script_add_number(&call, 1);
        script_add_number(&call, patience_ms);
        script_add_number(&call, 30000);
        cr_assert_eq(store_call(redis.store, &call, &reply), 0);
        found += reply->element[0]->integer;
        sweep_hear(&sweep, reply);
        for (; sweep_has_stray(&sweep); sweep_drop_stray(&sweep)) {
            AUTO_REPLY rejoined = NULL;
            script_begin(&call, "rejoin", 0);
            sweep_ask_of_stray(&sweep, &call);
            cr_assert_eq(store_call(redis.store, &call, &rejoined), 0);
            found += rejoined->element[0]->integer;
        }
    } while (strcmp(sweep.cursor, "0") != 0);
    return found;
}

static int64_t walk(void)
{
    struct incarnation self = store_incarnation(redis.store);
    return walk_as(&self);
}

Test(sweep, finds_nothing_where_all_is_well)
{
    struct sample parked, owned, buried, first, second;
    enum order_answer answer;
    struct store *port = store_port(redis.store);

    sample_init(&parked, 1);
    sample_init(&owned, 2);
    sample_init(&buried, 3);
    sample_init_ordered(&first, 4, "k");
    sample_init_ordered(&second, 5, "k");
    (void)advance(&parked.run, PARK);
    (void)advance(&owned.run, CHECKPOINT);
    (void)advance(&buried.run, BURY);
    (void)advance(&first.run, PARK);
    cr_assert_eq(port->ops->queue_behind(port, &second.run, &answer), 0);
    cr_assert_eq(answer, ORDER_QUEUED);
    cr_assert_eq(walk(), 0);
}

Test(sweep, parked_runs_are_due_at_their_time_again)
{
    struct sample samples[300];
    struct transition_reply last = { 0 };

    for (int i = 0; i < 300; i++) {
        sample_init(&samples[i], i);
        last = advance(&samples[i].run, PARK);
    }
    (void)redis_says(redis.store, "DEL t{0}:delayed");
    cr_assert_eq(walk(), 300);
    cr_assert_eq(atoll(redis_says(redis.store, "ZSCORE t{0}:delayed %s", samples[299].run.id.text)), last.due_ms);
    cr_assert_eq(walk(), 0);
}

Test(sweep, what_waits_in_line_stays_there_and_is_due_where_its_line_is_lost)
{
    const struct transition line_up = { .kind = TRANSITION_PARK, .status = RUN_DELAYED, .waits_in_line = true };
    struct sample first, second;

    sample_init(&first, 1);
    sample_init(&second, 2);
    (void)advance(&first.run, line_up);
    (void)advance(&second.run, line_up);
    cr_assert_eq(walk(), 0);
    (void)redis_says(redis.store, "ZREM t{0}:line:f %s", second.run.id.text);
    cr_assert_eq(walk(), 1);
    cr_assert_str_eq(redis_says(redis.store, "ZRANGE t{0}:delayed 0 -1"), second.run.id.text);
    cr_assert_str_eq(redis_says(redis.store, "ZRANGE t{0}:line:f 0 -1"), first.run.id.text);
}

Test(sweep, runs_of_a_worker_that_nobody_knows_are_reaped)
{
    struct sample sample;
    char hex[KEYS_WORKER_SIZE];

    sample_init(&sample, 1);
    (void)advance(&sample.run, FAILING);
    keys_worker(&sample.run.owner, hex);
    (void)redis_says(redis.store, "DEL t{0}:workers t{0}:owned:%s", hex);
    cr_assert_eq(walk(), 1);
    cr_assert_str_eq(redis_says(redis.store, "ZRANGE t{0}:workers 0 -1"), hex);
    cr_assert_str_eq(redis_says(redis.store, "ZRANGE t{0}:owned:%s 0 -1", hex), sample.run.id.text);
}

Test(sweep, runs_with_a_list_of_a_worker_that_nobody_knows_are_reaped)
{
    struct sample sample;
    char hex[KEYS_WORKER_SIZE];

    sample_init(&sample, 1);
    (void)advance(&sample.run, CHECKPOINT);
    keys_worker(&sample.run.owner, hex);
    (void)redis_says(redis.store, "DEL t{0}:holders t{0}:held:%s", hex);
    cr_assert_eq(walk(), 1);
    cr_assert_str_eq(redis_says(redis.store, "ZRANGE t{0}:holders 0 -1"), hex);
    cr_assert_str_eq(redis_says(redis.store, "SMEMBERS t{0}:held:%s", hex), sample.run.id.text);
    cr_assert_str_eq(redis_says(redis.store, "EXISTS t{0}:owned:%s", hex), "0");
}

/* A daemon of the version before forgets a run, and knows nothing of such a list. */
Test(sweep, a_list_outlives_its_run_no_longer_than_to_the_next_walk)
{
    struct sample sample;
    char hex[KEYS_WORKER_SIZE];

    sample_init(&sample, 1);
    (void)advance(&sample.run, CHECKPOINT);
    keys_worker(&sample.run.owner, hex);
    cr_assert_eq(walk(), 0);
    cr_assert_str_eq(redis_says(redis.store, "EXISTS t{0}:added:%s:1", sample.run.id.text), "1");
    (void)redis_says(redis.store, "DEL t{0}:run:%s t{0}:held:%s", sample.run.id.text, hex);
    cr_assert_eq(walk(), 0);
    cr_assert_str_eq(redis_says(redis.store, "EXISTS t{0}:added:%s:1", sample.run.id.text), "0");
    cr_assert_str_eq(redis_says(redis.store, "EXISTS t{0}:lost"), "0", "it was nobody's");
}

Test(sweep, runs_that_wait_for_their_key_do_so_again)
{
    struct sample first, second, third;
    enum order_answer answer;
    struct store *port = store_port(redis.store);

    sample_init_ordered(&first, 1, "a key");
    sample_init_ordered(&second, 2, "a key");
    sample_init_ordered(&third, 3, "a key");
    (void)advance(&first.run, PARK);
    cr_assert_eq(port->ops->queue_behind(port, &second.run, &answer), 0);
    cr_assert_eq(port->ops->queue_behind(port, &third.run, &answer), 0);
    (void)redis_says(redis.store, "EVAL return(redis.call('DEL',redis.call('KEYS',KEYS[1]..'behind:*')[1])) 1 t{0}:");
    cr_assert_eq(walk(), 2);

    (void)redis_says(redis.store, "DEL t{0}:busy:events:3");
    cr_assert_eq(walk(), 1, "one goes on, the other waits for it");
    cr_assert_str_eq(redis_says(redis.store, "ZSCORE t{0}:delayed %s", third.run.id.text), "");
    cr_assert_str_neq(redis_says(redis.store, "ZSCORE t{0}:delayed %s", second.run.id.text), "");
}

Test(sweep, checkpoints_without_their_run_tell_of_it)
{
    struct sample sample;

    sample_init(&sample, 1);
    (void)advance(&sample.run, CHECKPOINT);
    (void)redis_says(redis.store, "DEL t{0}:run:%s", sample.run.id.text);
    cr_assert_eq(walk(), 0);
    cr_assert_str_eq(redis_says(redis.store, "SMEMBERS t{0}:lost"), sample.run.id.text);
    cr_assert_str_eq(redis_says(redis.store, "EXISTS t{0}:added:%s:1", sample.run.id.text), "0");
}

Test(sweep, runs_that_have_ended_can_be_forgotten)
{
    struct sample sample;

    sample_init(&sample, 1);
    (void)advance(&sample.run, BURY);
    (void)redis_says(redis.store, "DEL t{0}:dead");
    cr_assert_eq(walk(), 0, "nothing goes on by it");
    cr_assert_str_eq(redis_says(redis.store, "ZRANGE t{0}:dead 0 -1"), sample.run.id.text);
}

Test(sweep, one_worker_does_it_at_a_time)
{
    struct sample sample;
    const struct incarnation other = { .bytes = { 1 } };

    sample_init(&sample, 1);
    (void)advance(&sample.run, PARK);
    cr_assert_eq(walk_as(&other), 0);
    (void)redis_says(redis.store, "DEL t{0}:delayed");
    cr_assert_eq(walk(), 0, "the other one does");
    cr_assert_eq(walk_as(&other), 1);
}

Test(sweep, a_prefix_may_hold_what_patterns_are_made_of)
{
    struct store_settings settings = redis_fixture_settings(&redis);
    struct sample sample;

    settings.prefix = "a*[b]?\\";
    store_destroy(redis.store);
    redis.store = redis_fixture_open_with(&settings);
    sample_init(&sample, 1);
    (void)advance(&sample.run, PARK);
    (void)redis_says(redis.store, "DEL %sdelayed", store_prefix(redis.store, 0));
    cr_assert_eq(walk(), 1);
}

Test(sweep, a_lost_record_of_a_dead_worker_is_told)
{
    struct sample sample;
    struct script_call call;
    struct incarnation self = store_incarnation(redis.store);
    AUTO_REPLY reaped = NULL;
    AUTO_REPLY told = NULL;

    sample_init(&sample, 1);
    (void)advance(&sample.run, CHECKPOINT);
    (void)redis_says(redis.store, "DEL t{0}:run:%s", sample.run.id.text);
    (void)redis_says(redis.store, "EVAL return(redis.call('ZADD',KEYS[1],1,redis.call('ZRANGE',KEYS[1],0,0)[1])) 1 t{0}:holders");
    script_begin(&call, "reap", 0);
    script_add_number(&call, store_now_ms(redis.store));
    script_add_number(&call, 2500);
    cr_assert_eq(store_call(redis.store, &call, &reaped), 0);
    script_begin(&call, "heartbeat", 0);
    script_add_owner(&call, &self);
    script_add_text(&call, "1");
    script_add_number(&call, 5000);
    script_add_text(&call, "");
    script_add_text(&call, "runs_started");
    script_add_number(&call, 0);
    cr_assert_eq(store_call(redis.store, &call, &told), 0);
    cr_assert_eq(told->element[6]->elements, 1);
    cr_assert_str_eq(told->element[6]->element[0]->str, sample.run.id.text);
}

/* ---- watches -------------------------------------------------------------------------------------------- */

static void make_watch(const char *event, int generation)
{
    (void)redis_says(redis.store, "EVAL redis.call('ZADD','t{0}:watches',%d,'%s\\0') 0", generation, event);
    (void)redis_says(redis.store, "HSET t{0}:watching generation %d", generation);
}

/* Of a run that nobody knows: it is there as long as nobody looks for its event. */
static void make_wait(const char *event)
{
    (void)redis_says(redis.store, "EVAL redis.call('ZADD','t{0}:wait:%s\\0\\0',0,'x') 0", event);
}

static int64_t count_of(const char *list)
{
    return atoll(redis_says(redis.store, "ZCARD t{0}:%s", list));
}

static int64_t number(const char *key, const char *field)
{
    return atoll(redis_says(redis.store, "HGET t{0}:%s %s", key, field));
}

Test(sweep, a_watch_that_nobody_waits_by_fades_and_is_forgotten)
{
    make_watch("a", 1);
    make_watch("b", 2);
    make_wait("a");
    cr_assert_eq(walk(), 0);
    cr_assert_eq(count_of("watches"), 2, "it is not idle for an hour");
    cr_assert_eq(count_of("idle"), 1);
    patience_ms = 0;
    cr_assert_eq(walk(), 0);
    cr_assert_eq(count_of("watches"), 1);
    cr_assert_eq(count_of("fading"), 1);
    cr_assert_eq(count_of("forgotten"), 0);
    cr_assert_eq(walk(), 0);
    cr_assert_eq(count_of("watches"), 1);
    cr_assert_eq(atoll(redis_says(redis.store, "EXISTS t{0}:fading t{0}:faded t{0}:idle t{0}:unseen")), 0);
    cr_assert_eq(count_of("forgotten"), 1);
    cr_assert_eq(number("watching", "generation"), 3, "readers hear of it");
}

Test(sweep, a_wait_that_is_seen_brings_its_fading_watch_back_and_readers_look_back)
{
    make_watch("a", 1);
    (void)redis_says(redis.store, "HSET t{0}:matched t:0 10");
    patience_ms = 0;
    cr_assert_eq(walk(), 0);
    cr_assert_eq(count_of("watches"), 0);
    (void)redis_says(redis.store, "HSET t{0}:matched t:0 50 t:1 7");
    make_wait("a");
    cr_assert_eq(walk(), 0);
    cr_assert_eq(count_of("watches"), 1);
    cr_assert_eq(number("watching", "generation"), 2);
    cr_assert_eq(number("watching", "lowered"), 2);
    cr_assert_eq(number("matched", "t:0"), 10);
    cr_assert_eq(number("matched", "t:1"), 0, "it was read for the first time since then");
    cr_assert_eq(walk(), 0);
    cr_assert_eq(atoll(redis_says(redis.store, "EXISTS t{0}:fading t{0}:faded t{0}:forgotten")), 0);
}

Test(sweep, a_walk_that_another_process_of_redis_began_judges_nothing)
{
    char name[40];

    make_watch("a", 1);
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof(name), "t{0}:other:%d", i);
        (void)redis_says(redis.store, "SET %s x", name);
    }
    patience_ms = 0;
    struct incarnation self = store_incarnation(redis.store);
    for (int page = 0; page == 0 || strcmp(sweep.cursor, "0") != 0; page++) {
        struct script_call call;
        AUTO_REPLY reply = NULL;
        script_begin(&call, "sweep", 0);
        sweep_ask(&sweep, store_lineage(redis.store, 0), &call);
        script_add_owner(&call, &self);
        script_add_number(&call, 1);
        script_add_number(&call, 0);
        cr_assert_eq(store_call(redis.store, &call, &reply), 0);
        sweep_hear(&sweep, reply);
        if (page == 1)
            (void)redis_says(redis.store, "HSET t{0}:walk process another");
    }
    cr_assert_eq(count_of("watches"), 1);
    cr_assert_eq(count_of("idle"), 0);
}
