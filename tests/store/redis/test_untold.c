/* SPDX-License-Identifier: Apache-2.0 */
/* Runs that were cancelled, until that is told: whatever becomes of one meanwhile, it is given to who tells of it. */
#include <criterion/criterion.h>

#include "redis_fixture.h"
#include "store/redis/held.h"
#include "store/redis/sweep.h"
#include "store/runs.h"

static struct redis_fixture redis;

static void setup(void)
{
    redis_fixture_start(&redis);
}

static void teardown(void)
{
    redis_fixture_stop(&redis);
}

TestSuite(untold, .init = setup, .fini = teardown, .timeout = 180);

static const struct transition PARK = { .kind = TRANSITION_PARK, .status = RUN_DELAYED, .attempt = 1, .delay_ms = 3600000 };
static const struct transition CHECKPOINT = { .kind = TRANSITION_CHECKPOINT, .checkpoint = { "a", 1 } };
static const struct transition FINISH = { .kind = TRANSITION_FINISH };
static const struct transition BURY = { .kind = TRANSITION_BURY, .phase = RUN_FAILING };

static void open_with(enum history_kept history)
{
    struct store_settings settings = redis_fixture_settings(&redis);

    settings.history = history;
    redis.store = redis_fixture_open_with(&settings);
}

static redisReply *call(struct script_call *call)
{
    redisReply *reply = NULL;

    cr_assert_eq(store_call(redis.store, call, &reply), 0);
    return reply;
}

static enum store_answer advance(struct run *run, const struct transition *change)
{
    struct store *port = store_port(redis.store);
    struct transition_reply reply;

    cr_assert_eq(port->ops->advance(port, run, change, &reply), 0);
    if (reply.answer == STORE_OK)
        run_follow(run, change, &reply);
    else if (reply.answer == STORE_CANCELLED)
        run->tell_by_ms = reply.due_ms;
    return reply.answer;
}

static enum runs_change cancel(const struct run *run)
{
    enum runs_change change = RUNS_IN_VAIN;

    cr_assert_eq(runs_cancel(redis.store, run->id.text, &change, NULL), 0);
    return change;
}

static void retry(const struct run *run)
{
    enum runs_change change = RUNS_IN_VAIN;

    cr_assert_eq(runs_retry(redis.store, run->id.text, &change, NULL), 0);
    cr_assert_eq(change, RUNS_CHANGED);
}

static void tell(const struct run *run)
{
    struct store *port = store_port(redis.store);

    cr_assert_eq(port->ops->told(port, run), 0);
}

/* The run becomes ours: it is the one that is due. */
static void claim(struct run *run)
{
    static int serial;
    struct script_call claims, beats;

    script_begin(&beats, "heartbeat", 0);
    script_add_self(redis.store, &beats);
    script_add_text(&beats, "1");
    script_add_number(&beats, 5000);
    script_add_text(&beats, "");
    script_add_text(&beats, "runs_started");
    script_add_number(&beats, 0);
    AUTO_REPLY lives = call(&beats);
    cr_assert_eq(lives->element[0]->integer, 0);
    script_begin(&claims, "claim", 0);
    script_add_self(redis.store, &claims);
    script_add_number(&claims, ++serial);
    script_add_number(&claims, 1);
    AUTO_REPLY claimed = call(&claims);
    cr_assert_eq(claimed->element[3]->elements, 1);
    cr_assert_str_eq(claimed->element[3]->element[0]->element[0]->str, run->id.text);
    run->owner = store_incarnation(redis.store);
    struct loaded_run loaded;
    cr_assert_eq(runs_load(redis.store, run->id.text, &loaded, NULL), 0);
    run->epoch = loaded.record.epoch;
    loaded_run_done(&loaded);
}

/* How many are given to who tells of them, as if the patience with who had `run` were over; `run` as it is given. */
static size_t give(struct run *run)
{
    struct script_call asks;
    struct claimed *claimed = NULL;
    struct error error;

    (void)redis_says(redis.store, "ZADD t{0}:untold XX 1 %s", run->id.text);
    script_begin(&asks, "untold", 0);
    script_add_number(&asks, 10);
    AUTO_REPLY reply = call(&asks);
    if (reply->element[2]->elements == 0)
        return 0;
    cr_assert_eq(held_create(reply->element[2]->element[0], 1, &claimed, &error), 0, "%s", error.text);
    cr_assert(claimed->run.is_cancelled);
    run->tell_by_ms = claimed->run.tell_by_ms;
    claimed->release(claimed);
    return reply->element[2]->elements;
}

static size_t given(const struct run *run)
{
    struct run as_given = *run;

    return give(&as_given);
}

static bool is_kept(const struct run *run)
{
    return strcmp(redis_says(redis.store, "EXISTS t{0}:run:%s", run->id.text), "1") == 0;
}

static void park_cancel_retry(struct sample *sample)
{
    static int64_t offset;

    sample_init(sample, ++offset);
    cr_assert_eq(advance(&sample->run, &PARK), STORE_OK);
    cr_assert_eq(cancel(&sample->run), RUNS_CHANGED);
    retry(&sample->run);
}

/* ---- begun anew before it was told ---------------------------------------------------------------------- */

Test(untold, a_run_that_is_begun_anew_and_completes_without_history_is_told_of_and_then_gone)
{
    struct sample sample;

    open_with(HISTORY_NONE);
    park_cancel_retry(&sample);
    claim(&sample.run);
    cr_assert_eq(advance(&sample.run, &FINISH), STORE_OK);
    cr_assert_eq(give(&sample.run), 1);
    tell(&sample.run);
    cr_assert_eq(given(&sample.run), 0);
    cr_assert_not(is_kept(&sample.run));
}

Test(untold, a_run_that_is_begun_anew_and_ends_is_kept_until_it_is_told_of)
{
    const struct transition *ends[] = { &FINISH, &BURY };
    struct script_call forgets;
    struct sample sample;

    open_with(HISTORY_FAILURES);
    for (int i = 0; i < 2; i++) {
        park_cancel_retry(&sample);
        claim(&sample.run);
        cr_assert_eq(advance(&sample.run, ends[i]), STORE_OK);
        script_begin(&forgets, "forget", 0);
        script_add_number(&forgets, 0);
        script_add_number(&forgets, 0);
        AUTO_REPLY forgotten = call(&forgets);
        cr_assert_eq(forgotten->element[0]->integer, 1);
        cr_assert_eq(give(&sample.run), 1);
        tell(&sample.run);
        cr_assert_not(is_kept(&sample.run), "no list has it any more");
    }
}

Test(untold, a_run_that_is_begun_anew_and_then_condemned_is_told_of)
{
    struct sample sample;

    open_with(HISTORY_FAILURES);
    park_cancel_retry(&sample);
    claim(&sample.run);
    struct store *port = store_port(redis.store);
    cr_assert_eq(port->ops->condemn(port, &sample.run), 0);
    cr_assert_eq(given(&sample.run), 1);
    cr_assert_eq(port->ops->condemn(port, &sample.run), 0, "who is given it can't read it");
    cr_assert_eq(given(&sample.run), 0);
    cr_assert_str_eq(redis_says(redis.store, "ZRANGE t{0}:dead 0 -1"), sample.run.id.text);
}

Test(untold, a_run_that_is_begun_anew_goes_on_once_it_is_told_of)
{
    struct sample sample;
    struct loaded_run loaded;

    open_with(HISTORY_NONE);
    park_cancel_retry(&sample);
    cr_assert_eq(give(&sample.run), 1);
    tell(&sample.run);
    cr_assert_eq(given(&sample.run), 0);
    cr_assert_eq(runs_load(redis.store, sample.run.id.text, &loaded, NULL), 0);
    cr_assert_eq(loaded.record.status, RUN_DELAYED);
    loaded_run_done(&loaded);
}

Test(untold, the_sweep_finds_one_that_was_begun_anew)
{
    struct sample sample;
    struct script_call sweeps;

    open_with(HISTORY_NONE);
    park_cancel_retry(&sample);
    (void)redis_says(redis.store, "DEL t{0}:untold");
    struct incarnation self = store_incarnation(redis.store);
    struct sweep sweep;
    sweep_init(&sweep);
    do {
        script_begin(&sweeps, "sweep", 0);
        sweep_ask(&sweep, store_lineage(redis.store, 0), &sweeps);
        script_add_owner(&sweeps, &self);
        script_add_number(&sweeps, 5000);
        AUTO_REPLY reply = call(&sweeps);
        sweep_hear(&sweep, reply);
    } while (strcmp(sweep.cursor, "0") != 0);
    sweep_done(&sweep);
    cr_assert_eq(given(&sample.run), 1);
}

/* ---- cancelled twice ------------------------------------------------------------------------------------- */

Test(untold, what_is_told_late_of_the_first_time_says_nothing_of_the_second)
{
    struct sample sample;

    open_with(HISTORY_NONE);
    park_cancel_retry(&sample);
    struct run given_then = sample.run;
    cr_assert_eq(give(&given_then), 1);
    cr_assert_eq(cancel(&sample.run), RUNS_CHANGED);
    tell(&given_then);
    cr_assert_eq(given(&sample.run), 1);
    cr_assert(is_kept(&sample.run));
}

Test(untold, nor_where_it_was_begun_anew_after_the_second_time_too)
{
    struct sample sample;

    open_with(HISTORY_NONE);
    park_cancel_retry(&sample);
    struct run given_then = sample.run;
    cr_assert_eq(give(&given_then), 1);
    cr_assert_eq(cancel(&sample.run), RUNS_CHANGED);
    retry(&sample.run);
    tell(&given_then);
    cr_assert_eq(given(&sample.run), 1);
}

Test(untold, the_same_of_one_that_a_worker_executes)
{
    struct sample sample;

    open_with(HISTORY_NONE);
    park_cancel_retry(&sample);
    struct run given_then = sample.run;
    cr_assert_eq(give(&given_then), 1);
    claim(&sample.run);
    cr_assert_eq(cancel(&sample.run), RUNS_ASKED);
    cr_assert_eq(advance(&sample.run, &CHECKPOINT), STORE_CANCELLED);
    cr_assert_eq(advance(&sample.run, &CHECKPOINT), STORE_CANCELLED, "sent twice");
    tell(&given_then);
    cr_assert_str_eq(redis_says(redis.store, "ZCARD t{0}:untold"), "1");
    tell(&sample.run);
    cr_assert_eq(given(&sample.run), 0);
    cr_assert_not(is_kept(&sample.run));
}
