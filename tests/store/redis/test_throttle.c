/* SPDX-License-Identifier: Apache-2.0 */
/* Runs that wait for their turn: many are let into their lines at once, and begin out of many lines at once. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "redis_fixture.h"
#include "run/flow_ask.h"
#include "run/flow_settings.h"
#include "store/record.h"
#include "store/runs.h"

#define RUNS 50
#define MINUTE_US 60000000

static struct redis_fixture redis;
static int serial;

static void setup(void)
{
    redis_fixture_start(&redis);
    (void)redis_fixture_open(&redis);
    redis_fixture_beat(&redis);
}

static void teardown(void)
{
    redis_fixture_stop(&redis);
}

TestSuite(throttle, .init = setup, .fini = teardown, .timeout = 180);

static const struct flow_settings throttled = {
    .given = { .throttle = { .limit = 1, .period_ms = 60000 } }, .asks = true, .is_lined = true, .shares_shard = true
};
static const struct stepd_limit limits[] = { { .limit = 1 } };
static const struct flow_settings limited = {
    .given = { .throttle = { .limit = 1, .period_ms = 60000 }, .concurrency_limits = { limits, 1 } },
    .asks = true,
    .is_lined = true,
    .shares_shard = true,
};

static enum flow_answer admit(struct sample *sample, const struct flow_settings *flow, int64_t priority_ms)
{
    struct store *port = store_port(redis.store);
    enum flow_answer answer = FLOW_BEGINS;
    struct flow_ask ask;

    sample->function.flow = flow;
    flow_ask_init_again(&ask, &sample->function, sample->run.event, 0);
    ask.priority_ms = priority_ms;
    cr_assert_eq(port->ops->admit(port, &sample->run, &ask, &answer), 0);
    flow_ask_done(&ask);
    return answer;
}

/* `offset` ms before a second ago. */
static void stand_in_line(struct sample *sample, int64_t offset, const struct flow_settings *flow)
{
    sample_init(sample, offset);
    sample->event.timestamp_ms = sample->run.created_ms = clock_wall_ms() - 1000 + offset;
    cr_assert_eq(admit(sample, flow, 0), FLOW_IN_LINE);
}

struct rules {
    int64_t interval_us;
    int more;  /* at once */
    int early; /* before their turn */
};

static redisReply *claim_by(int number, int max, struct rules given)
{
    struct script_call call;
    redisReply *reply = NULL;
    msgpack_sbuffer rules;
    msgpack_packer packer;

    msgpack_sbuffer_init(&rules);
    msgpack_packer_init(&packer, &rules, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 4);
    msgpack_pack_str_with_body(&packer, "interval", 8);
    msgpack_pack_int64(&packer, given.interval_us);
    msgpack_pack_str_with_body(&packer, "tolerance", 9);
    msgpack_pack_int64(&packer, given.more * given.interval_us);
    msgpack_pack_str_with_body(&packer, "limits", 6);
    msgpack_pack_array(&packer, 0);
    msgpack_pack_str_with_body(&packer, "early", 5);
    msgpack_pack_int(&packer, given.early);
    script_begin(&call, "claim", 0);
    script_add_self(redis.store, &call);
    script_add_number(&call, number);
    script_add_number(&call, max);
    script_add_text(&call, "f");
    script_add_number(&call, max);
    script_add(&call, (struct bytes){ rules.data, rules.size });
    cr_assert_eq(store_call(redis.store, &call, &reply), 0);
    msgpack_sbuffer_destroy(&rules);
    return reply;
}

/* A turn each minute, and `more` at once. */
static redisReply *claim_as(int number, int max, int more)
{
    return claim_by(number, max, (struct rules){ .interval_us = MINUTE_US, .more = more });
}

static const redisReply *runs_of(const redisReply *claimed)
{
    return claimed->element[3];
}

/* It is ours from now on, as it is a worker's. */
static void follow(struct run *run, const redisReply *claimed, size_t at)
{
    cr_assert_lt(at, runs_of(claimed)->elements);
    cr_assert_str_eq(runs_of(claimed)->element[at]->element[0]->str, run->id.text);
    run->epoch = run->first_epoch + 1;
    run->owner = store_incarnation(redis.store);
}

/* As the only one. */
static void claim_run(struct run *run, int more)
{
    AUTO_REPLY claimed = claim_as(++serial, 10, more);

    cr_assert_eq(runs_of(claimed)->elements, 1);
    follow(run, claimed, 0);
}

static void expect_none(int more)
{
    AUTO_REPLY claimed = claim_as(++serial, 10, more);

    cr_expect_eq(runs_of(claimed)->elements, 0);
}

static void change(struct run *run, struct transition change)
{
    struct store *port = store_port(redis.store);
    struct transition_reply reply;

    cr_assert_eq(port->ops->advance(port, run, &change, &reply), 0);
    cr_assert_eq(reply.answer, STORE_OK);
}

static int flags_of(const struct run *run)
{
    struct loaded_run loaded;
    struct error error = { 0 };

    cr_assert_eq(runs_load(redis.store, run->id.text, &loaded, &error), 0, "%s", error.text);
    int flags = (int)loaded.record.flags;
    loaded_run_done(&loaded);
    return flags;
}

static int number(const char *command, const char *key)
{
    return atoi(redis_says(redis.store, "%s t{0}:%s", command, key));
}

static const struct transition RETRY_NOW = { .kind = TRANSITION_PARK, .status = RUN_DELAYED, .attempt = 1, .due_ms = 1 };
static const struct transition FINISH = { .kind = TRANSITION_FINISH };

/* ---- it begins ------------------------------------------------------------------------------------------ */

Test(throttle, a_run_that_waited_for_its_turn_alone_has_no_limits_once_it_has_had_it)
{
    struct sample first, second;

    stand_in_line(&first, 1, &throttled);
    stand_in_line(&second, 2, &throttled);
    cr_expect_eq(flags_of(&first.run), RECORD_FLOW);
    claim_run(&first.run, 0);
    cr_expect_eq(flags_of(&first.run), 0);
    cr_expect_str_eq(redis_says(redis.store, "EXISTS t{0}:flow:%s", first.run.id.text), "0");
    cr_expect_eq(number("ZCARD", "queue:f"), 1);
    expect_none(0);

    change(&first.run, RETRY_NOW);
    first.run.first_epoch++;
    claim_run(&first.run, 0); /* its retry takes no turn */
    change(&first.run, FINISH);
    expect_none(0);
    cr_expect_eq(number("ZCARD", "queue:f"), 1);
    (void)redis_says(redis.store, "ZADD t{0}:heads:f 0 -"); /* its time was by the rules of before */
    claim_run(&second.run, 5);
    change(&second.run, FINISH);
    cr_expect_eq(number("ZCARD", "heads:f"), 0);
    cr_expect_str_eq(redis_says(redis.store, "EVAL return(#redis.call('KEYS',KEYS[1])) 1 t{0}:flow:*"), "0");
    cr_expect_str_eq(redis_says(redis.store, "EVAL return(#redis.call('KEYS',KEYS[1])) 1 t{0}:line:*"), "0");
}

Test(throttle, a_run_that_waits_for_more_than_its_turn_keeps_its_limits)
{
    struct sample first, second;

    stand_in_line(&first, 1, &limited);
    (void)usleep(10000);
    stand_in_line(&second, 2, &throttled);
    claim_run(&first.run, 0); /* the line of the other is another one, and its turn the same */
    cr_expect_eq(flags_of(&first.run), RECORD_FLOW);
    cr_expect_eq(number("ZCARD", "places:f"), 0);
    cr_expect_str_eq(redis_says(redis.store, "EVAL return(#redis.call('KEYS',KEYS[1])) 1 t{0}:places:*"), "1");
    change(&first.run, FINISH);
    cr_expect_str_eq(redis_says(redis.store, "EVAL return(#redis.call('KEYS',KEYS[1])) 1 t{0}:places:*"), "0");
}

Test(throttle, a_run_that_has_had_its_turn_waits_for_no_other_one)
{
    struct sample first, second;

    stand_in_line(&first, 1, &limited);
    claim_run(&first.run, 0);
    change(&first.run, RETRY_NOW);
    stand_in_line(&second, 2, &limited);
    expect_none(0); /* it joins its line, … */
    first.run.first_epoch++;
    claim_run(&first.run, 0); /* … as the first, and there is no turn */
    expect_none(0);
}

Test(throttle, a_claim_whose_reply_was_lost_gives_the_same_runs_again)
{
    struct sample samples[3];

    for (int i = 0; i < 3; i++)
        stand_in_line(&samples[i], i + 1, &throttled);
    AUTO_REPLY claimed = claim_as(7, 10, 1);
    cr_assert_eq(runs_of(claimed)->elements, 2);
    AUTO_REPLY again = claim_as(7, 10, 1);
    cr_assert_eq(runs_of(again)->elements, 2);
    follow(&samples[0].run, again, 0);
    follow(&samples[1].run, again, 1);
    change(&samples[1].run, FINISH);
    cr_expect_eq(number("ZCARD", "queue:f"), 1);
}

Test(throttle, turns_are_taken_in_order_of_priority_and_arrival_as_many_as_there_are)
{
    struct sample samples[4];

    for (int i = 0; i < 4; i++) {
        sample_init(&samples[i], i);
        samples[i].event.timestamp_ms = samples[i].run.created_ms = clock_wall_ms() - 1000 + i;
        cr_assert_eq(admit(&samples[i], &throttled, i == 3 ? 60000 : 0), FLOW_IN_LINE);
    }
    AUTO_REPLY claimed = claim_as(++serial, 10, 2);
    cr_assert_eq(runs_of(claimed)->elements, 3);
    follow(&samples[3].run, claimed, 0);
    follow(&samples[0].run, claimed, 1);
    follow(&samples[1].run, claimed, 2);
    cr_expect_geq(claimed->element[4]->element[0]->integer, claimed->element[1]->integer + 59000, "the next is a minute later");
}

/* ---- before its turn ------------------------------------------------------------------------------------ */

#define AHEAD_US 20000 /* as throttle.lua has it */

static int64_t turn_us(const redisReply *claimed, size_t at)
{
    cr_assert_lt(at, runs_of(claimed)->elements);
    return runs_of(claimed)->element[at]->element[5]->integer;
}

static void stand_in_line_all(struct sample *samples, int count)
{
    for (int i = 0; i < count; i++)
        stand_in_line(&samples[i], i + 1, &throttled);
}

Test(throttle, turns_that_are_soon_to_come_are_given_with_their_times)
{
    struct sample samples[6];

    stand_in_line_all(samples, 6);
    AUTO_REPLY claimed = claim_by(++serial, 10, (struct rules){ .interval_us = 8000, .early = 10 });
    int64_t now_ms = claimed->element[1]->integer;
    cr_assert_eq(runs_of(claimed)->elements, 3, "now, in 8 ms, in 16");
    for (size_t i = 0; i < 3; i++)
        follow(&samples[i].run, claimed, i);
    cr_expect_eq(turn_us(claimed, 0), 0, "it is there");
    cr_expect_eq(turn_us(claimed, 2) - turn_us(claimed, 1), 8000);
    cr_expect(turn_us(claimed, 1) >= now_ms * 1000 + 8000 && turn_us(claimed, 1) <= now_ms * 1000 + 9000);
    cr_expect_geq(claimed->element[4]->element[0]->integer, now_ms + 24, "the next one's");
    cr_expect_eq(number("ZCARD", "queue:f"), 3);
}

Test(throttle, no_more_turns_are_given_early_than_are_asked_for_and_those_that_are_there_are)
{
    struct sample samples[6];

    stand_in_line_all(samples, 6);
    AUTO_REPLY claimed = claim_by(++serial, 10, (struct rules){ .interval_us = 4000, .more = 1, .early = 2 });
    cr_assert_eq(runs_of(claimed)->elements, 4);
    cr_expect_eq(turn_us(claimed, 1), 0);
    cr_expect_gt(turn_us(claimed, 2), 0);
    cr_expect_eq(turn_us(claimed, 3) - turn_us(claimed, 2), 4000);
    AUTO_REPLY none = claim_by(++serial, 10, (struct rules){ .interval_us = 4000, .more = 1 });
    cr_expect_leq(runs_of(none)->elements, 1, "the turns were taken");
}

Test(throttle, a_run_that_waits_for_more_than_its_turn_is_not_given_before_it)
{
    struct sample first, second;

    stand_in_line(&first, 1, &limited);
    stand_in_line(&second, 2, &limited);
    claim_run(&first.run, 0);
    (void)redis_says(redis.store, "EVAL return(redis.call('ZADD',KEYS[1],0,'-'..string.char(0)..'-')) 1 t{0}:heads:f");
    int64_t at_us = clock_wall_ns() / 1000 + AHEAD_US - 1000;
    (void)redis_says(redis.store, "EVAL return(redis.call('SET',KEYS[1]..string.char(0)..'-',ARGV[1])) 1 t{0}:turn:f %lld",
                     (long long)at_us);
    AUTO_REPLY claimed = claim_by(++serial, 10, (struct rules){ .interval_us = 15000, .early = 5 });
    bool is_there = claimed->element[1]->integer * 1000 + 999 >= at_us; /* a slow machine */
    cr_expect_leq(runs_of(claimed)->elements, is_there ? 1 : 0);
    cr_expect_geq(number("ZCARD", "queue:f"), is_there ? 0 : 1);
}

Test(throttle, the_runs_of_a_claim_whose_reply_was_lost_begin_when_all_their_turns_are_there)
{
    struct sample samples[3];

    stand_in_line_all(samples, 3);
    AUTO_REPLY claimed = claim_by(7, 10, (struct rules){ .interval_us = 9000, .early = 5 });
    cr_assert_eq(runs_of(claimed)->elements, 3);
    int64_t last_us = turn_us(claimed, 2);
    AUTO_REPLY again = claim_by(7, 10, (struct rules){ .interval_us = 9000, .early = 5 });
    cr_assert_eq(runs_of(again)->elements, 3);
    for (size_t i = 0; i < 3; i++) {
        follow(&samples[i].run, again, i);
        cr_expect_geq(turn_us(again, i), last_us);
        cr_expect_leq(turn_us(again, i), again->element[1]->integer * 1000 + 1000 + AHEAD_US);
    }
}

/* ---- it goes into its line ------------------------------------------------------------------------------ */

struct asking {
    pthread_t thread;
    struct sample sample;
    enum flow_answer answer;
};

static void *ask(void *argument)
{
    struct asking *asking = argument;

    asking->answer = admit(&asking->sample, &throttled, 0);
    return NULL;
}

static int scripts_called(void)
{
    const char *calls = strstr(redis_says(redis.store, "INFO commandstats"), "cmdstat_evalsha:calls=");

    return calls != NULL ? atoi(calls + strlen("cmdstat_evalsha:calls=")) : 0;
}

/* While the server stands still they gather. */
static void admit_all(struct asking *asking, int64_t made_ms)
{
    cr_assert_eq(kill(redis.server, SIGSTOP), 0);
    for (int i = 0; i < RUNS; i++) {
        sample_init(&asking[i].sample, i);
        asking[i].sample.event.timestamp_ms = asking[i].sample.run.created_ms = made_ms + i;
        cr_assert_eq(pthread_create(&asking[i].thread, NULL, ask, &asking[i]), 0);
    }
    (void)usleep(200000);
    cr_assert_eq(kill(redis.server, SIGCONT), 0);
    for (int i = 0; i < RUNS; i++)
        (void)pthread_join(asking[i].thread, NULL);
}

static int answers_of(const struct asking *asking, enum flow_answer answer)
{
    int count = 0;

    for (int i = 0; i < RUNS; i++)
        count += asking[i].answer == answer;
    return count;
}

static void expect_in_order(const struct asking *asking)
{
    AUTO_REPLY claimed = claim_as(++serial, RUNS, RUNS);

    cr_assert_eq(runs_of(claimed)->elements, RUNS);
    for (size_t i = 0; i < RUNS; i++)
        cr_expect_str_eq(runs_of(claimed)->element[i]->element[0]->str, asking[i].sample.run.id.text);
}

Test(throttle, many_runs_go_into_their_lines_by_few_calls_and_each_once)
{
    struct asking *asking = calloc(RUNS, sizeof(*asking));
    int64_t made_ms = clock_wall_ms() - 10000;
    int before = scripts_called();

    admit_all(asking, made_ms);
    cr_expect_eq(answers_of(asking, FLOW_IN_LINE), RUNS);
    cr_expect_lt(scripts_called() - before, RUNS / 2);
    cr_expect_eq(number("ZCARD", "queue:f"), RUNS);
    cr_expect_eq(number("ZCARD", "newest"), RUNS);
    cr_expect_eq(number("ZCARD", "taken:events:3"), RUNS);
    cr_expect_eq(number("SCARD", "lines"), 1);
    admit_all(asking, made_ms);
    cr_expect_eq(answers_of(asking, FLOW_KNOWN), RUNS, "the store has them");
    cr_expect_eq(number("ZCARD", "queue:f"), RUNS);
    expect_in_order(asking);
    admit_all(asking, made_ms);
    cr_expect_eq(answers_of(asking, FLOW_KNOWN), RUNS);
    cr_expect_eq(number("ZCARD", "queue:f"), 0, "what has begun is in no line");
    free(asking);
}

Test(throttle, an_event_of_a_time_to_come_or_of_long_ago_stands_in_line_as_where_it_is_asked_for_alone)
{
    struct asking *asking = calloc(RUNS, sizeof(*asking));

    admit_all(asking, clock_wall_ms() + 86400000);
    cr_expect_eq(answers_of(asking, FLOW_IN_LINE), RUNS);
    cr_expect_lt(atoll(redis_says(redis.store, "ZRANGE t{0}:queue:f +inf -inf BYSCORE REV LIMIT 0 1 WITHSCORES") + RUN_ID_LENGTH) / 1000,
                 clock_wall_ms() + 10000);
    free(asking);
}
