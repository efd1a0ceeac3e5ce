/* SPDX-License-Identifier: Apache-2.0 */
/* Changes that nobody waits for, which go out in groups: each has the effect and the answer that it has alone. */
#include "store/redis/group.h"

#include <criterion/criterion.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "redis_fixture.h"
#include "store/runs.h"

#define RUNS 200

static struct redis_fixture redis;
static sem_t answered;

static void setup(void)
{
    redis_fixture_start(&redis);
    (void)redis_fixture_open(&redis);
    (void)sem_init(&answered, 0, 0);
}

static void teardown(void)
{
    redis_fixture_stop(&redis);
}

TestSuite(group, .init = setup, .fini = teardown, .timeout = 180);

static const struct transition PARK = {
    .kind = TRANSITION_PARK, .status = RUN_DELAYED, .attempt = 1, .delay_ms = 15000, .tail = { "TAIL", 4 }
};
static const struct transition FINISH = { .kind = TRANSITION_FINISH, .tail = { "DONE", 4 } };

struct changing {
    struct pending_change pending; /* first */
    struct sample sample;
};
static struct changing runs[RUNS];

static void on_answer(struct pending_change *pending)
{
    (void)pending;
    (void)sem_post(&answered);
}

static void make_runs(void)
{
    for (int i = 0; i < RUNS; i++)
        sample_init(&runs[i].sample, i);
}

static void ask_all(const struct transition *change)
{
    struct store *port = store_port(redis.store);

    for (int i = 0; i < RUNS; i++) {
        runs[i].pending = (struct pending_change){ .run = &runs[i].sample.run, .change = change, .done = on_answer };
        cr_assert(port->ops->advance_later(port, &runs[i].pending));
    }
}

/* Each run follows its answer, as a worker's does. */
static void hear_all(void)
{
    for (int i = 0; i < RUNS; i++)
        (void)sem_wait(&answered);
    for (int i = 0; i < RUNS; i++) {
        cr_assert_eq(runs[i].pending.status, 0);
        runs[i].sample.run.epoch = runs[i].pending.reply.epoch;
        runs[i].sample.run.owner = runs[i].pending.reply.owner;
    }
}

/* While the server stands still they gather. */
static void change_all(const struct transition *change)
{
    cr_assert_eq(kill(redis.server, SIGSTOP), 0);
    ask_all(change);
    cr_assert_eq(kill(redis.server, SIGCONT), 0);
    hear_all();
}

static int answers_of(enum store_answer answer)
{
    int count = 0;

    for (int i = 0; i < RUNS; i++)
        count += runs[i].pending.reply.answer == answer;
    return count;
}

static int number(const char *command, const char *key)
{
    return atoi(redis_says(redis.store, "%s t{0}:%s", command, key));
}

static int scripts_called(void)
{
    const char *calls = strstr(redis_says(redis.store, "INFO commandstats"), "cmdstat_evalsha:calls=");

    return calls != NULL ? atoi(calls + strlen("cmdstat_evalsha:calls=")) : 0;
}

static void expect_record(const struct run *run, enum run_status status, int attempt, const char *tail)
{
    struct loaded_run loaded;
    struct error error = { 0 };

    cr_assert_eq(runs_load(redis.store, run->id.text, &loaded, &error), 0, "%s", error.text);
    cr_expect_eq(loaded.record.status, status);
    cr_expect_eq(loaded.record.attempt, attempt);
    cr_expect_eq(loaded.record.offset, run->event->view.offset);
    cr_expect_eq(loaded.record.created_ms, run->created_ms);
    cr_expect_eq(loaded.record.value.size, 16);
    cr_expect(loaded.record.tail.size == strlen(tail) && memcmp(loaded.record.tail.data, tail, strlen(tail)) == 0);
    loaded_run_done(&loaded);
}

static void claim_all(void)
{
    static int serial;
    struct script_call call;
    AUTO_REPLY reply = NULL;

    redis_fixture_beat(&redis);
    for (int i = 0; i < RUNS; i++)
        (void)redis_says(redis.store, "ZADD t{0}:delayed 0 %s", runs[i].sample.run.id.text);
    script_begin(&call, "claim", 0);
    script_add_self(redis.store, &call);
    script_add_number(&call, ++serial);
    script_add_number(&call, RUNS);
    cr_assert_eq(store_call(redis.store, &call, &reply), 0);
    cr_assert_eq(reply->element[3]->elements, RUNS);
    for (int i = 0; i < RUNS; i++) {
        runs[i].sample.run.epoch++;
        runs[i].sample.run.owner = store_incarnation(redis.store);
    }
}

Test(group, many_runs_are_parked_and_ended_by_few_calls)
{
    make_runs();
    int before = scripts_called();
    change_all(&PARK);
    cr_expect_eq(answers_of(STORE_OK), RUNS);
    cr_expect_lt(scripts_called() - before, RUNS / 2);
    cr_expect_eq(number("ZCARD", "delayed"), RUNS);
    cr_expect_eq(number("ZCARD", "newest"), RUNS);
    cr_expect_eq(number("ZCARD", "taken:events:3"), RUNS);
    expect_record(&runs[RUNS - 1].sample.run, RUN_DELAYED, 1, "TAIL");

    claim_all();
    before = scripts_called();
    change_all(&PARK);
    cr_expect_eq(answers_of(STORE_OK), RUNS);
    cr_expect_lt(scripts_called() - before, RUNS / 2);
    cr_expect_eq(number("ZCARD", "delayed"), RUNS);

    claim_all();
    before = scripts_called();
    change_all(&FINISH);
    cr_expect_eq(answers_of(STORE_OK), RUNS);
    cr_expect_lt(scripts_called() - before, RUNS / 2);
    cr_expect_eq(number("ZCARD", "delayed"), 0);
    cr_expect_eq(number("ZCARD", "history"), RUNS);
    cr_expect_str_eq(redis_says(redis.store, "EVAL return(#redis.call('KEYS',KEYS[1])) 1 t{0}:owned:*"), "0");
    expect_record(&runs[RUNS - 1].sample.run, RUN_COMPLETED, 0, "DONE");
}

Test(group, what_is_sent_again_has_the_same_answer_and_no_second_effect)
{
    make_runs();
    change_all(&PARK);
    int64_t due_ms = runs[0].pending.reply.due_ms;
    make_runs();
    change_all(&PARK);
    cr_expect_eq(answers_of(STORE_OK), RUNS);
    cr_expect_eq(runs[0].pending.reply.due_ms, due_ms);
    cr_expect_eq(number("ZCARD", "delayed"), RUNS);
}

Test(group, each_has_its_own_answer)
{
    struct error error = { 0 };
    enum runs_change change;

    make_runs();
    (void)redis_says(redis.store, "ZADD t{0}:taken:events:3 7 %s", runs[7].sample.run.id.text);
    change_all(&PARK);
    cr_expect_eq(answers_of(STORE_MOVED), 1);
    cr_expect_eq(runs[7].pending.reply.answer, STORE_MOVED, "it was taken over, and has ended");
    cr_expect_eq(number("ZCARD", "delayed"), RUNS - 1);

    make_runs();
    (void)redis_says(redis.store, "FLUSHALL");
    change_all(&PARK);
    claim_all();
    cr_assert_eq(runs_cancel(redis.store, runs[50].sample.run.id.text, &change, &error), 0);
    runs[60].sample.run.epoch--;
    change_all(&FINISH);
    cr_expect_eq(answers_of(STORE_OK), RUNS - 2);
    cr_expect_eq(runs[50].pending.reply.answer, STORE_CANCELLED);
    cr_expect_eq(runs[60].pending.reply.answer, STORE_MOVED, "its epoch is of before");
    expect_record(&runs[61].sample.run, RUN_COMPLETED, 0, "DONE");
    cr_expect_eq(number("ZCARD", "history"), RUNS - 1);
}

static void take_all_with_a_checkpoint(void)
{
    static const struct transition first = { .kind = TRANSITION_CHECKPOINT, .checkpoint = { "a", 1 } };
    struct store *port = store_port(redis.store);

    for (int i = 0; i < RUNS; i++) {
        struct run *run = &runs[i].sample.run;
        struct transition_reply reply;
        cr_assert_eq(port->ops->advance(port, run, &first, &reply), 0);
        cr_assert_eq(reply.answer, STORE_OK);
        run->epoch = reply.epoch;
        run->owner = reply.owner;
        run->notes = reply.notes;
    }
}

Test(group, runs_with_a_list_of_their_owners_end_by_few_calls_and_keep_it)
{
    make_runs();
    take_all_with_a_checkpoint();
    int before = scripts_called();
    change_all(&FINISH);
    cr_expect_eq(answers_of(STORE_OK), RUNS);
    cr_expect_lt(scripts_called() - before, RUNS / 2);
    expect_record(&runs[3].sample.run, RUN_COMPLETED, 0, "DONE");
    cr_expect_str_eq(redis_says(redis.store, "LRANGE t{0}:added:%s:1 0 -1", runs[3].sample.run.id.text), "a");
    cr_expect_str_eq(redis_says(redis.store, "EVAL return(#redis.call('KEYS',KEYS[1])) 1 t{0}:held:*"), "0");
}

Test(group, runs_with_a_list_of_their_owners_are_parked_as_they_are_alone)
{
    make_runs();
    take_all_with_a_checkpoint();
    change_all(&PARK);
    cr_expect_eq(answers_of(STORE_OK), RUNS);
    cr_expect_eq(number("ZCARD", "delayed"), RUNS);
    cr_expect_str_eq(redis_says(redis.store, "ZRANGE t{0}:steps:%s 0 -1", runs[3].sample.run.id.text), "a");
}

Test(group, finish_without_history_leaves_nothing_behind)
{
    struct store_settings settings = redis_fixture_settings(&redis);

    store_destroy(redis.store);
    settings.history = HISTORY_NONE;
    redis.store = redis_fixture_open_with(&settings);
    make_runs();
    change_all(&PARK);
    claim_all();
    change_all(&FINISH);
    cr_expect_eq(answers_of(STORE_OK), RUNS);
    cr_expect_eq(number("ZCARD", "newest"), 0);
    cr_expect_str_eq(redis_says(redis.store, "EVAL return(#redis.call('KEYS',KEYS[1])) 1 t{0}:run:*"), "0");

    make_runs();
    (void)redis_says(redis.store, "FLUSHALL");
    take_all_with_a_checkpoint();
    change_all(&FINISH);
    cr_expect_eq(answers_of(STORE_OK), RUNS);
    cr_expect_str_eq(redis_says(redis.store, "EVAL return(#redis.call('KEYS',KEYS[1])) 1 t{0}:added:*"), "0");
}

Test(group, scripts_that_redis_forgot_are_loaded_again)
{
    make_runs();
    (void)redis_says(redis.store, "SCRIPT FLUSH");
    change_all(&PARK);
    cr_expect_eq(answers_of(STORE_OK), RUNS);
    cr_expect_eq(number("ZCARD", "delayed"), RUNS);
}

Test(group, what_a_lost_link_leaves_open_is_asked_again)
{
    make_runs();
    cr_assert_eq(kill(redis.server, SIGSTOP), 0);
    ask_all(&PARK);
    redis_fixture_kill(&redis);
    redis_fixture_restart(&redis);
    hear_all();
    cr_expect_eq(answers_of(STORE_OK), RUNS);
    cr_expect_eq(number("ZCARD", "delayed"), RUNS);
    struct incarnation self = store_incarnation(redis.store);
    cr_expect_eq(memcmp(&runs[RUNS - 1].sample.run.owner, &self, sizeof(self)), 0, "in the name of now");
}

static int ended_badly(void)
{
    int count = 0;

    for (int i = 0; i < RUNS; i++)
        count += runs[i].pending.status != 0;
    return count;
}

Test(group, what_waits_when_the_store_stops_ends_with_it)
{
    make_runs();
    cr_assert_eq(kill(redis.server, SIGSTOP), 0);
    ask_all(&PARK);
    store_stop(redis.store);
    for (int i = 0; i < RUNS; i++)
        (void)sem_wait(&answered);
    cr_expect_eq(ended_badly(), RUNS);
    cr_assert_eq(kill(redis.server, SIGCONT), 0);
}

/* ---- events that end waits --------------------------------------------------------------------------- */

#define EVENTS (RUNS + 50) /* the last of which nobody waits for */

struct matching_event {
    struct pending_match pending; /* first */
    char value[24];
};
static struct matching_event events[EVENTS];

static void on_match(struct pending_match *pending)
{
    (void)pending;
    (void)sem_post(&answered);
}

/* Each run waits for the event of its number; `when`: if that is true of it, too. */
static void wait_all(const char *when)
{
    struct store *port = store_port(redis.store);

    for (int i = 0; i < RUNS; i++) {
        char value[24];
        struct wait_ask ask = {
            .event = "go",
            .later = { "async.data.id", 13 },
            .value = { value, (size_t)snprintf(value, sizeof(value), "%d", i) },
            .when = { when, strlen(when) },
            .head = { "\x97HEAD", 5 },
            .until_ms = WAIT_FOREVER_MS,
            .most = 10,
        };
        const struct transition park = {
            .kind = TRANSITION_PARK, .status = RUN_WAITING, .due_ms = WAIT_FOREVER_MS, .checkpoint = { "BEGIN", 5 }, .wait = &ask
        };
        struct transition_reply reply;
        cr_assert_eq(port->ops->advance(port, &runs[i].sample.run, &park, &reply), 0);
        cr_assert_eq(reply.answer, STORE_OK);
    }
}

static size_t match_all(void)
{
    struct store *port = store_port(redis.store);
    size_t ended = 0;

    cr_assert_eq(kill(redis.server, SIGSTOP), 0);
    for (int i = 0; i < EVENTS; i++) {
        struct matching_event *event = &events[i];
        event->pending = (struct pending_match){
            .match = { .event = "go",
                       .later = { "async.data.id", 13 },
                       .value = { event->value, (size_t)snprintf(event->value, sizeof(event->value), "%d", i) },
                       .topic = "events",
                       .offset = 1000 + i,
                       .timestamp_ms = 1700000000000,
                       .outcome = { "\xa3"
                                    "got",
                                    4 } },
            .done = on_match,
        };
        port->ops->match_later(port, &event->pending);
    }
    cr_assert_eq(kill(redis.server, SIGCONT), 0);
    for (int i = 0; i < EVENTS; i++)
        (void)sem_wait(&answered);
    for (int i = 0; i < EVENTS; i++) {
        cr_assert_eq(events[i].pending.status, 0);
        ended += events[i].pending.counts.ended;
    }
    return ended;
}

static int whole_answers(void)
{
    int count = 0;

    for (int i = 0; i < EVENTS; i++)
        count += events[i].pending.is_whole;
    return count;
}

Test(group, many_events_end_the_waits_of_many_runs_by_few_calls)
{
    make_runs();
    wait_all("");
    int before = scripts_called();
    cr_expect_eq(match_all(), RUNS);
    cr_expect_lt(scripts_called() - before, RUNS / 2);
    cr_expect_eq(whole_answers(), EVENTS);
    cr_expect_eq(events[RUNS - 1].pending.counts.ended, 1);
    cr_expect_eq(events[RUNS].pending.counts.ended, 0);
    cr_expect_eq(number("ZCARD", "delayed"), RUNS);
    cr_expect_eq(number("ZCARD", "waiting"), 0);
    cr_expect_str_eq(redis_says(redis.store, "EVAL return(#redis.call('KEYS',KEYS[1])) 1 t{0}:await*"), "0");
    cr_expect_str_eq(redis_says(redis.store, "EVAL return(#redis.call('KEYS',KEYS[1])) 1 t{0}:wait:*"), "0");
    const char *steps =
        redis_says(redis.store, "EVAL return(#redis.call('ZRANGE',KEYS[1],1,1)[1]) 1 t{0}:steps:%s", runs[3].sample.run.id.text);
    cr_expect_str_eq(steps, "18", "head, time, and the event");
    cr_expect_eq(match_all(), 0, "nobody waits any more");
}

Test(group, an_event_that_more_than_one_waits_for_or_whose_condition_is_to_be_tried_is_asked_about_by_itself)
{
    make_runs();
    wait_all("");
    (void)redis_says(redis.store, "EVAL return(redis.call('ZADD','t{0}:wait:go\\0async.data.id\\0'..'5',0,'%s')) 0",
                     runs[4].sample.run.id.text);
    (void)redis_says(redis.store, "EVAL return(redis.call('UNLINK','t{0}:await:%s')) 0", runs[6].sample.run.id.text);
    cr_expect_eq(match_all(), RUNS - 1);
    cr_expect_eq(whole_answers(), EVENTS);
    cr_expect_eq(number("ZCARD", "delayed"), RUNS - 1);

    make_runs();
    (void)redis_says(redis.store, "FLUSHALL");
    wait_all("async.data.n == 1");
    cr_expect_eq(match_all(), 0);
    cr_expect_eq(whole_answers(), EVENTS - RUNS, "the conditions are the worker's to try");
    cr_expect_eq(number("ZCARD", "waiting"), RUNS);
}
