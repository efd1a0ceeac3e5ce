/* SPDX-License-Identifier: Apache-2.0 */
/* The transitions of a run: what they do, who may do them, and what they do when sent twice. */
#include "store/redis/store_internal.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "redis_fixture.h"
#include "store/orphans.h"
#include "store/redis/keys.h"
#include "store/redis/record.h"
#include "store/runs.h"

static struct redis_fixture redis;

static void setup(void)
{
    redis_fixture_start(&redis);
    (void)redis_fixture_open(&redis);
}

static void teardown(void)
{
    redis_fixture_stop(&redis);
}

TestSuite(store, .init = setup, .fini = teardown, .timeout = 180);

#define BYTES(text) ((struct bytes){ text, sizeof(text) - 1 })
static const struct transition PARK = {
    .kind = TRANSITION_PARK, .status = RUN_DELAYED, .attempt = 1, .delay_ms = 15000, .tail = { "TAIL", 4 }
};
static const struct transition FINISH = { .kind = TRANSITION_FINISH, .tail = { "DONE", 4 } };
static const struct transition BURY = { .kind = TRANSITION_BURY, .phase = RUN_FAILING };
static const struct transition FAILING = { .kind = TRANSITION_PHASE, .phase = RUN_FAILING, .tail = { "WHY", 3 } };

static struct transition checkpoint_at(size_t position, struct bytes bytes)
{
    return (struct transition){ .kind = TRANSITION_CHECKPOINT, .position = position, .checkpoint = bytes };
}

/* Sends it; on STORE_OK the run follows, as a worker's does. */
static struct transition_reply send_change(struct run *run, struct transition change)
{
    struct store *port = store_port(redis.store);
    struct transition_reply reply;

    cr_assert_eq(port->ops->advance(port, run, &change, &reply), 0);
    if (reply.answer == STORE_OK) {
        run->epoch = reply.epoch;
        run->owner = reply.owner;
        run->notes = reply.notes;
    }
    return reply;
}

static enum store_answer advance(struct run *run, struct transition change)
{
    return send_change(run, change).answer;
}

/* With room for `places` runs out of the line of function "f". */
static redisReply *claim_in_line(struct redis_store *store, int serial, int max, int places)
{
    struct script_call call;
    redisReply *reply = NULL;

    script_begin(&call, "claim", 0);
    script_add_self(store, &call);
    script_add_number(&call, serial);
    script_add_number(&call, max);
    script_add_text(&call, "f");
    script_add_number(&call, places);
    script_add_text(&call, "\x81\xa6limits\x90"); /* no limits of all daemons */
    cr_assert_eq(store_call(store, &call, &reply), 0);
    return reply;
}

static redisReply *claim(struct redis_store *store, int serial, int max)
{
    return claim_in_line(store, serial, max, 0);
}

static int beat(struct redis_store *store, bool is_first, int64_t lease_ms, int64_t started)
{
    struct script_call call;
    AUTO_REPLY reply = NULL;

    script_begin(&call, "heartbeat", 0);
    script_add_self(store, &call);
    script_add_text(&call, is_first ? "1" : "0");
    script_add_number(&call, lease_ms);
    script_add_text(&call, "");
    script_add_text(&call, "runs_started");
    script_add_number(&call, started);
    cr_assert_eq(store_call(store, &call, &reply), 0);
    return (int)reply->element[0]->integer;
}

static int reap(struct redis_store *store)
{
    struct script_call call;
    AUTO_REPLY reply = NULL;

    script_begin(&call, "reap", 0);
    script_add_number(&call, store_now_ms(store));
    script_add_number(&call, 2500);
    cr_assert_eq(store_call(store, &call, &reply), 0);
    return (int)reply->element[0]->integer;
}

static int64_t trim(const char *place, int64_t committed)
{
    struct script_call call;
    AUTO_REPLY reply = NULL;

    script_begin(&call, "trim_taken", 0);
    script_add_text(&call, place);
    script_add_number(&call, committed);
    cr_assert_eq(store_call(redis.store, &call, &reply), 0);
    return reply->element[0]->integer;
}

static int forget(struct redis_store *store, int64_t age_ms, int64_t count)
{
    struct script_call call;
    AUTO_REPLY reply = NULL;

    script_begin(&call, "forget", 0);
    script_add_number(&call, age_ms);
    script_add_number(&call, count);
    cr_assert_eq(store_call(store, &call, &reply), 0);
    return (int)reply->element[0]->integer;
}

static void hold(struct run *run)
{
    struct incarnation self = store_incarnation(redis.store);

    run->epoch++;
    run->owner = self;
}

static void make_due(const struct run *run)
{
    (void)redis_says(redis.store, "ZADD t{0}:delayed 0 %s", run->id.text);
}

static const char *list_of(const char *name)
{
    return redis_says(redis.store, "ZRANGE t{0}:%s 0 -1", name);
}

static struct loaded_run load(const struct run *run)
{
    struct loaded_run loaded;
    struct error error = { 0 };

    cr_assert_eq(runs_load(redis.store, run->id.text, &loaded, &error), 0, "%s", error.text);
    return loaded;
}

Test(store, park_takes_a_run_over_once)
{
    struct sample sample;
    sample_init(&sample, 7);
    struct run copy = sample.run;

    struct transition_reply reply = send_change(&sample.run, PARK);
    cr_assert_eq(reply.answer, STORE_OK);
    cr_assert_eq(reply.epoch, 1);
    cr_assert_eq(reply.due_ms, reply.now_ms + 15000);
    cr_assert_str_eq(list_of("delayed"), sample.run.id.text);
    cr_assert_str_eq(redis_says(redis.store, "ZRANGE t{0}:taken:events:3 0 -1 WITHSCORES") + 33, "7");

    struct transition_reply again = send_change(&copy, PARK);
    cr_assert_eq(again.answer, STORE_OK);
    cr_assert_eq(again.due_ms, reply.due_ms, "sent twice: same answer, no second effect");

    struct loaded_run loaded = load(&sample.run);
    cr_assert_eq(loaded.record.status, RUN_DELAYED);
    cr_assert_eq(loaded.record.attempt, 1);
    cr_assert_eq(loaded.record.changed_ms, reply.due_ms);
    cr_assert_str_eq(loaded.record.function, "f");
    cr_assert_str_eq(loaded.record.topic, "events");
    cr_assert_eq(loaded.record.offset, 7);
    cr_assert_eq(loaded.record.value.size, 16);
    cr_assert_null(loaded.record.key.data);
    cr_assert(loaded.record.tail.size == 4 && memcmp(loaded.record.tail.data, "TAIL", 4) == 0);
    loaded_run_done(&loaded);
}

Test(store, a_run_exists_for_one_owner_alone)
{
    struct sample sample;
    sample_init(&sample, 7);
    struct run copy = sample.run;

    cr_assert_eq(advance(&sample.run, PARK), STORE_OK);
    store_renew(redis.store);
    cr_assert_eq(advance(&copy, PARK), STORE_MOVED);
    cr_assert_eq(advance(&copy, checkpoint_at(0, BYTES("s"))), STORE_MOVED);
}

Test(store, a_second_copy_cannot_add_its_own_checkpoint)
{
    struct sample sample;
    sample_init(&sample, 7);
    struct run again = sample.run;
    struct run copy = sample.run;

    cr_assert_eq(advance(&sample.run, checkpoint_at(0, BYTES("mine"))), STORE_OK);
    cr_assert_eq(advance(&again, checkpoint_at(0, BYTES("mine"))), STORE_OK, "sent twice");
    cr_assert_eq(advance(&copy, checkpoint_at(0, BYTES("other"))), STORE_MOVED);
    cr_assert_str_eq(redis_says(redis.store, "LRANGE t{0}:added:%s:1 0 -1", copy.id.text), "mine");
}

Test(store, two_attempts_that_say_the_same_are_told_from_one_call_sent_twice)
{
    struct sample sample;
    sample_init(&sample, 7);
    struct run other = sample.run;
    other.first_epoch = 2;

    cr_assert_eq(advance(&sample.run, checkpoint_at(0, BYTES("same"))), STORE_OK);
    cr_assert_eq(advance(&other, checkpoint_at(0, BYTES("same"))), STORE_MOVED);
    cr_assert_eq(advance(&other, PARK), STORE_MOVED);
    cr_assert_eq(advance(&sample.run, checkpoint_at(1, BYTES("next"))), STORE_OK);
}

/* A message that comes late may make an ended run's record anew; then Redis loses that. */
Test(store, who_held_a_record_made_anew_does_not_hold_the_one_before)
{
    struct sample sample, late;
    sample_init(&sample, 7);
    sample_init(&late, 7);
    late.run.first_epoch = 1000;

    cr_assert_eq(advance(&sample.run, checkpoint_at(0, BYTES("done"))), STORE_OK);
    const char *id = sample.run.id.text;
    (void)redis_says(redis.store, "COPY t{0}:run:%s before", id);
    cr_assert_eq(advance(&sample.run, FINISH), STORE_OK);
    (void)redis_says(redis.store, "DEL t{0}:run:%s t{0}:steps:%s t{0}:taken:events:3", id, id);
    cr_assert_eq(advance(&late.run, checkpoint_at(0, BYTES("again"))), STORE_OK);
    (void)redis_says(redis.store, "COPY before t{0}:run:%s REPLACE", id);
    cr_assert_eq(advance(&late.run, checkpoint_at(0, BYTES("other"))), STORE_MOVED);
    cr_assert_eq(advance(&late.run, FINISH), STORE_MOVED);
}

Test(store, checkpoints_stand_in_order_and_replace_from_their_position_on)
{
    struct sample sample;
    sample_init(&sample, 1);

    cr_assert_eq(advance(&sample.run, checkpoint_at(0, BYTES("a"))), STORE_OK);
    cr_assert_eq(advance(&sample.run, checkpoint_at(1, BYTES("started"))), STORE_OK);
    cr_assert_eq(advance(&sample.run, checkpoint_at(1, BYTES("b"))), STORE_OK);
    cr_assert_eq(advance(&sample.run, checkpoint_at(1, BYTES("b"))), STORE_OK);
    cr_assert_str_eq(redis_says(redis.store, "ZRANGE t{0}:steps:%s 0 -1 WITHSCORES", sample.run.id.text), "a 0 b 1");
    struct loaded_run loaded = load(&sample.run);
    cr_assert_eq(loaded.record.checkpoints, 2);
    cr_assert_eq(loaded.record.state_bytes, 2);
    cr_assert_eq(loaded.record.status, RUN_OWNED);
    loaded_run_done(&loaded);
}

/* ---- checkpoints that their owner adds by himself ------------------------------------------------------ */

static const char *added_of(const struct run *run)
{
    return redis_says(redis.store, "EVAL return(table.concat(redis.call('LRANGE',KEYS[1],0,-1),'+')) 1 t{0}:added:%s:%s", run->id.text,
                      run->epoch == 1 ? "1" : "2");
}

static const char *steps_of(const struct run *run)
{
    return redis_says(redis.store, "ZRANGE t{0}:steps:%s 0 -1 WITHSCORES", run->id.text);
}

static void take_with_three(struct sample *sample)
{
    sample_init(sample, 1);
    cr_assert_eq(advance(&sample->run, checkpoint_at(0, BYTES("a"))), STORE_OK);
    cr_assert_eq(advance(&sample->run, checkpoint_at(1, BYTES("b"))), STORE_OK);
    cr_assert_eq(advance(&sample->run, checkpoint_at(2, BYTES("c"))), STORE_OK);
}

Test(store, a_run_that_was_taken_over_adds_its_checkpoints_by_one_command)
{
    struct sample sample;

    take_with_three(&sample);
    cr_assert_str_eq(added_of(&sample.run), "a+b+c");
    cr_assert_eq(sample.run.notes.added, 3);
    cr_assert_not_null(strstr(redis_says(redis.store, "INFO commandstats"), "cmdstat_rpushx:calls=2"));
    struct loaded_run loaded = load(&sample.run);
    cr_assert_eq(loaded.checkpoint_count, 3);
    loaded_run_done(&loaded);
}

/* Requests that a lane's thread has sent, or (of answers) that anybody has. */
static uint64_t sum_of(const struct histogram_counts *counts)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        sum += counts->buckets[i];
    return sum;
}

Test(store, a_checkpoint_at_low_load_goes_over_the_lane_s_link_without_its_thread)
{
    struct store_counts before, after;
    struct sample sample;

    take_with_three(&sample);
    (void)usleep(50000); /* until the lane sleeps */
    store_counts(redis.store, &before);
    cr_assert_eq(advance(&sample.run, checkpoint_at(3, BYTES("d"))), STORE_OK);
    cr_assert_eq(advance(&sample.run, checkpoint_at(4, BYTES("e"))), STORE_OK);
    store_counts(redis.store, &after);
    cr_assert_eq(sum_of(&after.batches), sum_of(&before.batches));
    cr_assert_eq(sum_of(&after.round_trips), sum_of(&before.round_trips) + 2);
    cr_assert_eq(sample.run.notes.added, 5);
    cr_assert_eq(advance(&sample.run, FINISH), STORE_OK);
}

Test(store, park_folds_what_its_owner_added)
{
    struct sample sample;

    take_with_three(&sample);
    cr_assert_eq(advance(&sample.run, PARK), STORE_OK);
    cr_assert_str_eq(steps_of(&sample.run), "a 0 b 1 c 2");
    cr_assert_str_eq(added_of(&sample.run), "");
    cr_assert_str_eq(redis_says(redis.store, "GETRANGE t{0}:run:%s 0 1", sample.run.id.text), "\1d", "as an older daemon reads it");
    struct loaded_run loaded = load(&sample.run);
    cr_assert_eq(loaded.record.checkpoints, 3);
    cr_assert_eq(loaded.record.state_bytes, 3);
    cr_assert_eq(loaded.record.attempt, 1);
    loaded_run_done(&loaded);
}

Test(store, a_run_with_a_list_that_waits_for_an_event_is_listed_among_those_that_do)
{
    struct sample sample;
    struct transition wait = PARK;

    wait.status = RUN_WAITING;
    take_with_three(&sample);
    cr_assert_eq(advance(&sample.run, wait), STORE_OK);
    cr_assert_str_eq(list_of("waiting"), sample.run.id.text);
    cr_assert_str_eq(list_of("delayed"), "");
    cr_assert_str_eq(steps_of(&sample.run), "a 0 b 1 c 2");
}

Test(store, a_run_that_is_taken_over_to_wait_is_listed_among_those_that_do)
{
    struct sample sample;
    struct transition wait = PARK;

    wait.status = RUN_WAITING;
    sample_init(&sample, 1);
    cr_assert_eq(advance(&sample.run, wait), STORE_OK);
    cr_assert_str_eq(list_of("waiting"), sample.run.id.text);
}

Test(store, the_second_checkpoint_in_a_row_of_a_claimed_run_begins_a_list)
{
    struct sample sample;

    take_with_three(&sample);
    beat(redis.store, true, 5000, 0);
    cr_assert_eq(advance(&sample.run, PARK), STORE_OK);
    make_due(&sample.run);
    AUTO_REPLY reply = claim(redis.store, 1, 10);
    cr_assert_eq(reply->element[3]->elements, 1);
    hold(&sample.run);
    sample.run.notes = (struct run_notes){ .next = 3, .state_bytes = 3 };
    cr_assert_eq(advance(&sample.run, checkpoint_at(3, BYTES("d"))), STORE_OK);
    cr_assert_str_eq(steps_of(&sample.run), "a 0 b 1 c 2 d 3");
    cr_assert_eq(advance(&sample.run, checkpoint_at(4, BYTES("e"))), STORE_OK);
    cr_assert_eq(advance(&sample.run, checkpoint_at(5, BYTES("f"))), STORE_OK);
    cr_assert_str_eq(steps_of(&sample.run), "a 0 b 1 c 2 d 3");
    cr_assert_str_eq(added_of(&sample.run), "e+f");
    struct loaded_run loaded = load(&sample.run);
    cr_assert_eq(loaded.checkpoint_count, 6);
    loaded_run_done(&loaded);
    cr_assert_eq(advance(&sample.run, FINISH), STORE_OK);
}

Test(store, a_push_whose_answer_was_lost_is_not_made_twice)
{
    struct sample sample;

    take_with_three(&sample);
    (void)redis_says(redis.store, "RPUSHX t{0}:added:%s:1 d", sample.run.id.text);
    sample.run.notes.added = 0; /* a script is asked */
    cr_assert_eq(advance(&sample.run, checkpoint_at(3, BYTES("d"))), STORE_OK);
    cr_assert_str_eq(steps_of(&sample.run), "a 0 b 1 c 2 d 3");
    cr_assert_eq(advance(&sample.run, checkpoint_at(4, BYTES("e"))), STORE_OK);
    struct loaded_run loaded = load(&sample.run);
    cr_assert_eq(loaded.checkpoint_count, 5);
    cr_assert_eq(loaded.record.state_bytes, 5);
    loaded_run_done(&loaded);
}

Test(store, who_lost_a_run_adds_nothing_to_it)
{
    struct sample sample;

    cr_assert_eq(beat(redis.store, true, 1, 0), 0);
    take_with_three(&sample);
    (void)usleep(5000);
    cr_assert_eq(reap(redis.store), 1);
    cr_assert_eq(advance(&sample.run, checkpoint_at(3, BYTES("d"))), STORE_MOVED);
    cr_assert_str_eq(steps_of(&sample.run), "a 0 b 1 c 2");
    cr_assert_str_eq(added_of(&sample.run), "");
    cr_assert_str_eq(list_of("holders"), "");
    struct loaded_run loaded = load(&sample.run);
    cr_assert_eq(loaded.record.unclean, 1);
    loaded_run_done(&loaded);
}

Test(store, a_worker_under_another_name_pushes_nothing)
{
    struct sample sample;

    take_with_three(&sample);
    store_renew(redis.store);
    cr_assert_eq(advance(&sample.run, checkpoint_at(3, BYTES("d"))), STORE_OK, "it holds it as yet");
    cr_assert_not_null(strstr(redis_says(redis.store, "INFO commandstats"), "cmdstat_rpushx:calls=2"));
    cr_assert_str_eq(steps_of(&sample.run), "a 0 b 1 c 2 d 3");
}

/* As after a fall back of Redis to what it had on disk. */
Test(store, a_run_whose_added_checkpoints_were_lost_is_due_again)
{
    struct sample sample;

    take_with_three(&sample);
    (void)redis_says(redis.store, "RPOP t{0}:added:%s:1", sample.run.id.text);
    (void)redis_says(redis.store, "RPOP t{0}:added:%s:1", sample.run.id.text);
    store_renew(redis.store);
    cr_assert_eq(advance(&sample.run, checkpoint_at(3, BYTES("d"))), STORE_MOVED);
    cr_assert_str_eq(steps_of(&sample.run), "a 0");
    cr_assert_str_eq(list_of("delayed"), sample.run.id.text);
    cr_assert_eq(advance(&sample.run, PARK), STORE_MOVED);
}

Test(store, a_cancelled_run_hears_of_it_with_its_next_checkpoint)
{
    struct sample sample;
    struct error error = { 0 };
    enum runs_change change;

    take_with_three(&sample);
    cr_assert_eq(runs_cancel(redis.store, sample.run.id.text, &change, &error), 0);
    cr_assert_eq(change, RUNS_ASKED);
    cr_assert_eq(advance(&sample.run, checkpoint_at(3, BYTES("d"))), STORE_CANCELLED);
    cr_assert_str_eq(redis_says(redis.store, "EVAL return(#redis.call('KEYS',KEYS[1])) 1 t{0}:held:*"), "0");
    struct loaded_run loaded = load(&sample.run);
    cr_assert_eq(loaded.record.status, RUN_ENDING);
    cr_assert_eq(loaded.checkpoint_count, 3);
    loaded_run_done(&loaded);
}

Test(store, what_was_added_is_replaced_from_its_position_on)
{
    struct sample sample;

    take_with_three(&sample);
    cr_assert_eq(advance(&sample.run, checkpoint_at(1, BYTES("other"))), STORE_OK);
    cr_assert_str_eq(steps_of(&sample.run), "a 0 other 1");
    cr_assert_eq(advance(&sample.run, checkpoint_at(2, BYTES("d"))), STORE_OK);
    struct loaded_run loaded = load(&sample.run);
    cr_assert_eq(loaded.checkpoint_count, 3);
    cr_assert_eq(loaded.record.state_bytes, 7);
    loaded_run_done(&loaded);
}

Test(store, what_was_added_counts_against_the_limit_of_state)
{
    struct sample sample;
    size_t size = 400000;
    AUTO_FREE char *large = xcalloc(size, 1);

    sample_init(&sample, 1);
    cr_assert_eq(advance(&sample.run, checkpoint_at(0, BYTES("a"))), STORE_OK);
    cr_assert_eq(advance(&sample.run, checkpoint_at(1, (struct bytes){ large, size })), STORE_OK);
    large[0] = 1;
    cr_assert_eq(advance(&sample.run, checkpoint_at(2, (struct bytes){ large, size })), STORE_OK);
    large[0] = 2;
    cr_assert_eq(advance(&sample.run, checkpoint_at(3, (struct bytes){ large, size })), STORE_LIMIT);
    cr_assert_eq(advance(&sample.run, FAILING), STORE_OK);
    cr_assert_eq(advance(&sample.run, BURY), STORE_OK);
    struct loaded_run loaded = load(&sample.run);
    cr_assert_eq(loaded.checkpoint_count, 3);
    loaded_run_done(&loaded);
}

Test(store, a_completed_run_keeps_its_list_until_it_is_forgotten)
{
    struct sample sample;

    take_with_three(&sample);
    cr_assert_eq(advance(&sample.run, FINISH), STORE_OK);
    cr_assert_eq(advance(&sample.run, FINISH), STORE_OK, "sent twice");
    struct loaded_run loaded = load(&sample.run);
    cr_assert_eq(loaded.record.status, RUN_COMPLETED);
    cr_assert_eq(loaded.checkpoint_count, 3);
    cr_assert(loaded.record.tail.size == 4 && memcmp(loaded.record.tail.data, "DONE", 4) == 0);
    loaded_run_done(&loaded);
    (void)usleep(2000);
    cr_assert_eq(forget(redis.store, 1, 0), 1);
    cr_assert_str_eq(redis_says(redis.store, "EVAL return(#redis.call('KEYS',KEYS[1])) 1 t{0}:*%s*", sample.run.id.text), "0");
}

Test(store, park_clears_a_step_that_began)
{
    struct sample sample;
    sample_init(&sample, 1);
    struct transition park = PARK;
    park.position = 1;
    park.clears_started = true;

    cr_assert_eq(advance(&sample.run, checkpoint_at(0, BYTES("a"))), STORE_OK);
    cr_assert_eq(advance(&sample.run, checkpoint_at(1, BYTES("started"))), STORE_OK);
    cr_assert_eq(advance(&sample.run, park), STORE_OK);
    cr_assert_str_eq(redis_says(redis.store, "ZRANGE t{0}:steps:%s 0 -1", sample.run.id.text), "a");
    cr_assert_str_eq(redis_says(redis.store, "ZCARD t{0}:owned:%s", "x"), "0");
}

Test(store, state_past_its_limit_is_refused_and_nothing_changes)
{
    struct sample sample;
    sample_init(&sample, 1);
    size_t size = 700000;
    AUTO_FREE char *large = xcalloc(size, 1);

    cr_assert_eq(advance(&sample.run, checkpoint_at(0, (struct bytes){ large, size })), STORE_OK);
    large[0] = 1;
    cr_assert_eq(advance(&sample.run, checkpoint_at(1, (struct bytes){ large, size })), STORE_LIMIT);
    cr_assert_eq(advance(&sample.run, checkpoint_at(0, (struct bytes){ large, size })), STORE_OK, "in its place");
    cr_assert_eq(advance(&sample.run, PARK), STORE_OK);
}

Test(store, a_lost_record_is_gone_but_a_finish_is_done)
{
    struct sample sample;
    sample_init(&sample, 1);

    cr_assert_eq(advance(&sample.run, checkpoint_at(0, BYTES("a"))), STORE_OK);
    (void)redis_says(redis.store, "FLUSHALL");
    cr_assert_eq(advance(&sample.run, checkpoint_at(1, BYTES("b"))), STORE_GONE);
    cr_assert_eq(advance(&sample.run, PARK), STORE_GONE);
    cr_assert_eq(advance(&sample.run, FINISH), STORE_OK);
}

Test(store, finish_keeps_history_of_runs_that_were_in_the_store)
{
    struct sample sample, never;
    sample_init(&sample, 1);
    sample_init(&never, 2);

    cr_assert_eq(advance(&sample.run, checkpoint_at(0, BYTES("a"))), STORE_OK);
    cr_assert_eq(advance(&sample.run, FINISH), STORE_OK);
    cr_assert_eq(advance(&sample.run, FINISH), STORE_OK, "sent twice");
    cr_assert_eq(advance(&never.run, FINISH), STORE_OK);
    cr_assert_str_eq(list_of("history"), sample.run.id.text);
    struct loaded_run loaded = load(&sample.run);
    cr_assert_eq(loaded.record.status, RUN_COMPLETED);
    cr_assert_eq(loaded.checkpoint_count, 1);
    loaded_run_done(&loaded);
}

Test(store, finish_without_history_leaves_nothing_behind)
{
    struct store_settings settings = redis_fixture_settings(&redis);
    settings.history = HISTORY_NONE;
    store_destroy(redis.store);
    redis.store = redis_fixture_open_with(&settings);
    struct sample sample;
    sample_init(&sample, 1);
    struct run copy = sample.run;

    cr_assert_eq(advance(&sample.run, checkpoint_at(0, BYTES("a"))), STORE_OK);
    cr_assert_eq(advance(&sample.run, FINISH), STORE_OK);
    cr_assert_eq(advance(&sample.run, FINISH), STORE_OK, "sent twice");
    cr_assert_str_eq(redis_says(redis.store, "EXISTS t{0}:run:%s t{0}:steps:%s", copy.id.text, copy.id.text), "0");
    cr_assert_eq(advance(&copy, checkpoint_at(0, BYTES("a"))), STORE_MOVED, "taken, and over");
}

Test(store, history_of_all_holds_runs_that_needed_no_store)
{
    struct store_settings settings = redis_fixture_settings(&redis);
    settings.history = HISTORY_ALL;
    store_destroy(redis.store);
    redis.store = redis_fixture_open_with(&settings);

    for (int i = 0; i < 6; i++) {
        struct sample sample;
        sample_init(&sample, i);
        struct run copy = sample.run;
        cr_assert_eq(advance(&sample.run, FINISH), STORE_OK);
        cr_assert_eq(advance(&copy, FINISH), STORE_OK, "sent twice");
    }
    cr_assert_str_eq(redis_says(redis.store, "ZCARD t{0}:history"), "6");
    cr_assert_eq(forget(redis.store, 86400000, 3), 3);
    cr_assert_eq(forget(redis.store, 86400000, 3), 0);
    cr_assert_str_eq(redis_says(redis.store, "DBSIZE"), "6", "3 runs, history, newest, shards");
    (void)usleep(2000);
    cr_assert_eq(forget(redis.store, 1, 3), 3, "past their age");
    cr_assert_str_eq(redis_says(redis.store, "DBSIZE"), "1");
}

Test(store, bury_puts_a_run_among_the_dead)
{
    struct sample sample;
    sample_init(&sample, 1);
    struct run copy = sample.run;

    cr_assert_eq(advance(&sample.run, FAILING), STORE_OK);
    cr_assert_eq(advance(&copy, FAILING), STORE_OK, "sent twice");
    cr_assert_eq(advance(&sample.run, BURY), STORE_OK);
    cr_assert_eq(advance(&sample.run, BURY), STORE_OK, "sent twice");
    cr_assert_str_eq(list_of("dead"), sample.run.id.text);
    struct loaded_run loaded = load(&sample.run);
    cr_assert_eq(loaded.record.status, RUN_FAILED);
    cr_assert(loaded.record.tail.size == 3 && memcmp(loaded.record.tail.data, "WHY", 3) == 0);
    loaded_run_done(&loaded);
}

Test(store, a_condemned_run_ends_among_the_dead_and_is_nobodys)
{
    struct sample sample;
    struct transition_reply reply;
    struct store *port = store_port(redis.store);
    struct transition failing = { .kind = TRANSITION_PHASE, .phase = RUN_FAILING };
    struct incarnation self = store_incarnation(redis.store);
    char hex[KEYS_WORKER_SIZE];

    keys_worker(&self, hex);
    sample_init(&sample, 1);
    cr_assert_eq(port->ops->advance(port, &sample.run, &failing, &reply), 0);
    sample.run.epoch = reply.epoch;
    sample.run.owner = reply.owner;
    cr_assert_eq(port->ops->condemn(port, &sample.run), 0);
    cr_assert_str_eq(redis_says(redis.store, "ZCARD t{0}:owned:%s", hex), "0");
    cr_assert_str_eq(redis_says(redis.store, "ZRANGE t{0}:dead 0 -1"), sample.run.id.text);
    cr_assert_eq(port->ops->condemn(port, &sample.run), 0, "sent twice");
    cr_assert_str_eq(redis_says(redis.store, "ZCARD t{0}:dead"), "1");
}

Test(store, who_does_not_own_a_run_any_more_condemns_nothing)
{
    struct sample sample;
    struct transition_reply reply;
    struct store *port = store_port(redis.store);
    struct transition failing = { .kind = TRANSITION_PHASE, .phase = RUN_FAILING };

    sample_init(&sample, 1);
    cr_assert_eq(port->ops->advance(port, &sample.run, &failing, &reply), 0);
    sample.run.epoch = reply.epoch; /* of an owner that nobody has heard of */
    cr_assert_eq(port->ops->condemn(port, &sample.run), 0);
    cr_assert_str_eq(redis_says(redis.store, "ZCARD t{0}:dead"), "0");
    cr_assert_str_eq(redis_says(redis.store, "GETRANGE t{0}:run:%s 1 1", sample.run.id.text), "o");
}

Test(store, claim_gives_what_is_due_with_its_checkpoints)
{
    struct sample sample, later;
    sample_init(&sample, 1);
    sample_init(&later, 2);
    beat(redis.store, true, 5000, 0);

    cr_assert_eq(advance(&sample.run, checkpoint_at(0, BYTES("a"))), STORE_OK);
    cr_assert_eq(advance(&sample.run, PARK), STORE_OK);
    int64_t due_ms = send_change(&later.run, PARK).due_ms;
    make_due(&sample.run);
    AUTO_REPLY reply = claim(redis.store, 1, 10);
    cr_assert_eq(reply->element[2]->integer, due_ms);
    cr_assert_eq(reply->element[3]->elements, 1);
    const redisReply *run = reply->element[3]->element[0];
    cr_assert_str_eq(run->element[0]->str, sample.run.id.text);
    cr_assert_eq(run->element[3]->elements, 1);
    struct loaded_run loaded = load(&sample.run);
    cr_assert_eq(loaded.record.status, RUN_OWNED);
    cr_assert_eq(loaded.record.epoch, 2);
    loaded_run_done(&loaded);

    cr_assert_eq(advance(&sample.run, PARK), STORE_MOVED, "with the epoch of before");
    hold(&sample.run);
    cr_assert_eq(advance(&sample.run, FINISH), STORE_OK);
}

Test(store, a_claim_whose_reply_was_lost_gives_the_same_again)
{
    struct sample sample;
    sample_init(&sample, 1);
    beat(redis.store, true, 5000, 0);
    cr_assert_eq(advance(&sample.run, PARK), STORE_OK);
    make_due(&sample.run);

    AUTO_REPLY first = claim(redis.store, 4, 10);
    AUTO_REPLY again = claim(redis.store, 4, 10);
    AUTO_REPLY next = claim(redis.store, 5, 10);
    cr_assert_eq(first->element[3]->elements, 1);
    cr_assert_eq(again->element[3]->elements, 1);
    cr_assert_eq(next->element[3]->elements, 0);
    cr_assert_arr_eq(first->element[3]->element[0]->element[1]->str, again->element[3]->element[0]->element[1]->str, 64);
}

Test(store, who_was_never_heard_of_claims_nothing)
{
    struct sample sample;
    sample_init(&sample, 1);
    cr_assert_eq(advance(&sample.run, PARK), STORE_OK);
    make_due(&sample.run);
    AUTO_REPLY reply = claim(redis.store, 1, 10);
    cr_assert_eq(reply->element[0]->integer, 1);
    cr_assert_eq(reply->element[3]->elements, 0);
}

Test(store, claims_are_bounded_and_a_lost_record_is_told)
{
    beat(redis.store, true, 5000, 0);
    for (int i = 0; i < 25; i++) {
        struct sample sample;
        sample_init(&sample, i);
        cr_assert_eq(advance(&sample.run, PARK), STORE_OK);
        make_due(&sample.run);
    }
    (void)redis_says(redis.store, "ZADD t{0}:delayed -1 00000000000000000000000000000000");
    AUTO_REPLY reply = claim(redis.store, 1, 10);
    cr_assert_eq(reply->element[3]->elements, 10);
    cr_assert_eq(reply->element[3]->element[0]->elements, 1, "the lost one");
    cr_assert_str_eq(redis_says(redis.store, "ZCARD t{0}:delayed"), "16");
}

Test(store, runs_of_a_worker_that_died_are_due_and_its_words_count_no_more)
{
    struct sample sample;
    sample_init(&sample, 1);
    cr_assert_eq(beat(redis.store, true, 1, 42), 0);
    cr_assert_eq(advance(&sample.run, checkpoint_at(0, BYTES("a"))), STORE_OK);
    (void)usleep(5000);

    cr_assert_eq(reap(redis.store), 1);
    cr_assert_eq(reap(redis.store), 0);
    cr_assert_str_eq(list_of("delayed"), sample.run.id.text);
    cr_assert_str_eq(list_of("workers"), "");
    cr_assert_str_eq(redis_says(redis.store, "HGET t{0}:stats runs_started"), "42");
    cr_assert_eq(advance(&sample.run, checkpoint_at(1, BYTES("b"))), STORE_MOVED);
    cr_assert_eq(advance(&sample.run, PARK), STORE_MOVED);
    cr_assert_eq(advance(&sample.run, FINISH), STORE_MOVED);
    cr_assert_eq(beat(redis.store, false, 5000, 43), 1, "it is told that it was given up");
    struct loaded_run loaded = load(&sample.run);
    cr_assert_eq(loaded.record.takeovers, 1);
    cr_assert_eq(loaded.record.unclean, 1);
    cr_assert_eq(loaded.record.attempt, 0, "no attempt is lost");
    loaded_run_done(&loaded);
}

Test(store, a_worker_unheard_of_that_takes_runs_is_reaped_too)
{
    struct store_settings settings = redis_fixture_settings(&redis);
    settings.lease_ms = 1;
    store_destroy(redis.store);
    redis.store = redis_fixture_open_with(&settings);
    struct sample sample;
    sample_init(&sample, 1);

    cr_assert_eq(advance(&sample.run, checkpoint_at(0, BYTES("a"))), STORE_OK);
    (void)usleep(5000);
    cr_assert_eq(reap(redis.store), 1);
}

Test(store, reaping_is_bounded)
{
    cr_assert_eq(beat(redis.store, true, 1, 1), 0);
    for (int i = 0; i < 130; i++) {
        struct sample sample;
        sample_init(&sample, i);
        cr_assert_eq(advance(&sample.run, checkpoint_at(0, BYTES("a"))), STORE_OK);
    }
    (void)usleep(5000);
    cr_assert_eq(reap(redis.store), 100);
    cr_assert_eq(reap(redis.store), 30);
    cr_assert_str_eq(list_of("workers"), "");
    cr_assert_str_eq(redis_says(redis.store, "HGET t{0}:stats runs_started"), "1");
}

/* ---- order ------------------------------------------------------------------------------------- */

static enum order_answer queue_behind(struct run *run)
{
    struct store *port = store_port(redis.store);
    enum order_answer answer = ORDER_FREE;

    cr_assert_eq(port->ops->queue_behind(port, run, &answer), 0);
    return answer;
}

Test(store, later_events_of_a_key_wait_behind_its_run)
{
    struct sample first, second, third, other;
    sample_init_ordered(&first, 1, "k");
    sample_init_ordered(&second, 2, "k");
    sample_init_ordered(&third, 3, "k");
    sample_init_ordered(&other, 4, "other");
    beat(redis.store, true, 5000, 0);

    cr_assert_eq(queue_behind(&second.run), ORDER_FREE, "nothing of the key is in the store");
    cr_assert_eq(advance(&first.run, PARK), STORE_OK);
    cr_assert_eq(queue_behind(&third.run), ORDER_QUEUED);
    cr_assert_eq(queue_behind(&second.run), ORDER_QUEUED);
    cr_assert_eq(queue_behind(&second.run), ORDER_QUEUED, "sent twice");
    cr_assert_eq(queue_behind(&other.run), ORDER_FREE);
    cr_assert_str_eq(redis_says(redis.store, "ZCARD t{0}:behind:events:3:f:k"), "2");

    make_due(&first.run);
    AUTO_REPLY reply = claim(redis.store, 1, 10);
    cr_assert_eq(reply->element[3]->elements, 1, "those behind are not due");
    hold(&first.run);
    cr_assert_eq(advance(&first.run, FINISH), STORE_OK);
    cr_assert_eq(advance(&first.run, FINISH), STORE_OK, "sent twice");
    cr_assert_str_eq(list_of("delayed"), second.run.id.text, "in offset order");

    AUTO_REPLY next = claim(redis.store, 2, 10);
    cr_assert_eq(next->element[3]->elements, 1);
    second.run.epoch = 1;
    hold(&second.run);
    cr_assert_eq(advance(&second.run, BURY), STORE_OK, "failed for good: the next goes");
    cr_assert_str_eq(list_of("delayed"), third.run.id.text);
    AUTO_REPLY last = claim(redis.store, 3, 10);
    cr_assert_eq(last->element[3]->elements, 1);
    third.run.epoch = 1;
    hold(&third.run);
    cr_assert_eq(advance(&third.run, FINISH), STORE_OK);
    cr_assert_str_eq(redis_says(redis.store, "EXISTS t{0}:busy:events:3"), "0");
    cr_assert_eq(queue_behind(&other.run), ORDER_FREE);
}

Test(store, a_run_that_is_parked_while_another_of_its_key_is_in_the_store_waits_behind_it)
{
    struct sample first, second;
    sample_init_ordered(&first, 1, "k");
    sample_init_ordered(&second, 2, "k");

    cr_assert_eq(advance(&first.run, PARK), STORE_OK);
    cr_assert_eq(advance(&second.run, PARK), STORE_OK);
    cr_assert_str_eq(list_of("delayed"), first.run.id.text);
    cr_assert_str_eq(list_of("behind:events:3:f:k"), second.run.id.text);
}

Test(store, a_key_whose_run_was_lost_is_free_again)
{
    struct sample first, second, third;
    sample_init_ordered(&first, 1, "k");
    sample_init_ordered(&second, 2, "k");
    sample_init_ordered(&third, 3, "k");

    cr_assert_eq(advance(&first.run, PARK), STORE_OK);
    cr_assert_eq(queue_behind(&second.run), ORDER_QUEUED);
    (void)redis_says(redis.store, "DEL t{0}:run:%s", first.run.id.text);
    cr_assert_eq(queue_behind(&third.run), ORDER_QUEUED);
    cr_assert_str_eq(redis_says(redis.store, "HVALS t{0}:busy:events:3"), second.run.id.text);
}

/* ---- lines ------------------------------------------------------------------------------------------ */

static const struct transition LINE_UP = { .kind = TRANSITION_PARK, .status = RUN_DELAYED, .waits_in_line = true };

static void line_up(struct sample *sample, int number)
{
    sample_init(sample, number);
    cr_assert_eq(advance(&sample->run, LINE_UP), STORE_OK);
}

Test(store, a_claim_takes_out_of_a_line_as_many_as_there_is_room_for)
{
    struct sample samples[3];

    beat(redis.store, true, 5000, 0);
    for (int i = 0; i < 3; i++)
        line_up(&samples[i], i);
    AUTO_REPLY none = claim(redis.store, 1, 10);
    cr_assert_eq(none->element[3]->elements, 0);
    cr_assert_eq(none->element[2]->integer, -1, "what is in line is not due by the clock");
    AUTO_REPLY first = claim_in_line(redis.store, 2, 10, 2);
    cr_assert_eq(first->element[3]->elements, 2);
    AUTO_REPLY again = claim_in_line(redis.store, 2, 10, 2);
    cr_assert_eq(again->element[3]->elements, 2, "its reply was lost");
    AUTO_REPLY second = claim_in_line(redis.store, 3, 10, 2);
    cr_assert_eq(second->element[3]->elements, 1);
    cr_assert_str_eq(redis_says(redis.store, "ZCARD t{0}:line:f"), "0");
    hold(&samples[0].run);
    cr_assert_eq(advance(&samples[0].run, LINE_UP), STORE_OK, "it may stand in line again");
    cr_assert_eq(advance(&samples[0].run, LINE_UP), STORE_OK, "sent twice");
    cr_assert_str_eq(redis_says(redis.store, "ZCARD t{0}:line:f"), "1");
}

Test(store, what_an_older_daemon_took_past_its_line_is_not_claimed_out_of_it_before_its_time)
{
    struct sample sample;

    beat(redis.store, true, 5000, 0);
    line_up(&sample, 0);
    (void)redis_says(redis.store, "ZADD t{0}:delayed 0 %s", sample.run.id.text);
    AUTO_REPLY past = claim(redis.store, 1, 10);
    cr_assert_eq(past->element[3]->elements, 1);
    hold(&sample.run);
    cr_assert_eq(advance(&sample.run, PARK), STORE_OK);
    AUTO_REPLY reply = claim_in_line(redis.store, 2, 10, 5);
    cr_assert_eq(reply->element[3]->elements, 0);
    cr_assert_str_eq(redis_says(redis.store, "ZCARD t{0}:line:f"), "0");
    cr_assert_str_eq(redis_says(redis.store, "ZCARD t{0}:delayed"), "1");
}

Test(store, what_waits_in_line_is_counted_listed_and_can_be_cancelled)
{
    struct runs_place place = { 0 };
    struct sample samples[5];
    struct runs_standing standing;
    enum runs_change change;
    struct error error;
    uint64_t count = 0;
    size_t seen = 0;

    for (int i = 0; i < 5; i++) {
        sample_init(&samples[i], i);
        cr_assert_eq(advance(&samples[i].run, i < 3 ? LINE_UP : PARK), STORE_OK);
    }
    cr_assert_eq(runs_count(redis.store, RUNS_DELAYED, 0, &count), 0);
    cr_assert_eq(count, 5);
    for (size_t got = 2; got == 2; seen += got) {
        AUTO_FREE struct listed_run *runs = NULL;
        cr_assert_eq(runs_list_on(redis.store, RUNS_DELAYED, 0, place, INT64_MAX, 2, &runs, &got), 0);
        for (size_t i = 0; i < got; i++) {
            cr_assert_geq(runs[i].after.at_ms, place.at_ms);
            place = runs[i].after;
        }
    }
    cr_assert_eq(seen, 5);
    for (size_t first = 0; first < 5; first++) {
        AUTO_FREE struct run_id *ids = NULL;
        size_t listed = 0;
        cr_assert_eq(runs_list(redis.store, RUNS_DELAYED, 0, first, 10, &ids, &listed), 0);
        cr_assert_eq(listed, 5 - first);
    }
    struct loaded_run loaded = load(&samples[0].run);
    cr_assert_eq(runs_standing(redis.store, &loaded, &standing), 0);
    cr_assert(standing.is_in_line);
    loaded_run_done(&loaded);
    cr_assert_eq(runs_cancel(redis.store, samples[0].run.id.text, &change, &error), 0);
    cr_assert_eq(change, RUNS_CHANGED);
    cr_assert_str_eq(redis_says(redis.store, "ZCARD t{0}:line:f"), "2");
}

/* ---- partitions, people ------------------------------------------------------------------ */

struct key_set *key_set_create(void);

/* As many of "newest" as `limit`, from `place` on, which moves: when they began, as sample_init() counts. */
static const char *newest_on(struct runs_place *place, size_t limit)
{
    static char text[200];
    AUTO_FREE struct listed_run *runs = NULL;
    size_t count = 0, length = 0;

    cr_assert_eq(runs_list_on(redis.store, RUNS_NEWEST, 0, *place, INT64_MIN, limit, &runs, &count), 0);
    text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        *place = runs[i].after;
        length +=
            (size_t)snprintf(text + length, sizeof(text) - length, "%s%lld", i > 0 ? " " : "", (long long)(place->at_ms - 1700000000000));
    }
    return text;
}

Test(store, the_newest_runs_are_listed_whatever_became_of_them)
{
    const struct transition ends[] = { PARK, BURY, PARK, PARK };
    struct runs_place place = { .at_ms = INT64_MAX };
    struct sample samples[4];

    for (int i = 0; i < 4; i++) {
        sample_init(&samples[i], i);
        cr_assert_eq(advance(&samples[i].run, checkpoint_at(0, BYTES("a"))), STORE_OK);
        cr_assert_eq(advance(&samples[i].run, ends[i]), STORE_OK);
    }
    cr_assert_str_eq(newest_on(&place, 2), "3 2");
    struct sample late;
    sample_init(&late, 9);
    cr_assert_eq(advance(&late.run, PARK), STORE_OK);
    cr_assert_str_eq(newest_on(&place, 10), "1 0", "what came meanwhile moves nothing");
    place = (struct runs_place){ .at_ms = INT64_MAX };
    cr_assert_str_eq(newest_on(&place, 10), "9 3 2 1 0");
    (void)usleep(2000);
    cr_assert_eq(forget(redis.store, 1, 100), 1, "the failed one");
    place = (struct runs_place){ .at_ms = INT64_MAX };
    cr_assert_str_eq(newest_on(&place, 10), "9 3 2 0");
}

Test(store, a_list_goes_on_among_runs_of_one_time)
{
    struct runs_place place = { .at_ms = INT64_MAX };
    struct sample samples[5];

    for (int i = 0; i < 5; i++) {
        sample_init(&samples[i], i);
        samples[i].run.created_ms = 1700000000000 + (i < 4);
        cr_assert_eq(advance(&samples[i].run, PARK), STORE_OK);
    }
    cr_assert_str_eq(newest_on(&place, 1), "1");
    cr_assert_str_eq(newest_on(&place, 2), "1 1");
    cr_assert_str_eq(newest_on(&place, 5), "1 0");
    cr_assert_str_eq(newest_on(&place, 5), "");
}

Test(store, of_the_newest_runs_no_more_than_ten_thousand_are_listed)
{
    uint64_t count = 0;

    /* redis_says() splits at blanks. */
    (void)redis_says(redis.store, "EVAL for\ti=1,12500\tdo\tredis.call('ZADD',KEYS[1],i,i)\tend 1 t{0}:newest");
    for (int i = 0; i < 3; i++)
        cr_assert_eq(forget(redis.store, 86400000, 100), 0);
    cr_assert_eq(runs_count(redis.store, RUNS_NEWEST, 0, &count), 0);
    cr_assert_eq(count, 10000);
    cr_assert_str_eq(redis_says(redis.store, "ZRANGE t{0}:newest 0 0"), "2501", "the oldest are left out");
}

Test(store, an_assignment_reads_what_was_taken_over)
{
    struct known_runs known;
    struct key_set *keys = key_set_create();

    for (int i = 0; i < 1500; i++) {
        struct sample sample;
        sample_init(&sample, i);
        cr_assert_eq(advance(&sample.run, PARK), STORE_OK);
    }
    struct sample ordered;
    sample_init_ordered(&ordered, 1500, "k");
    cr_assert_eq(advance(&ordered.run, PARK), STORE_OK);
    cr_assert_eq(store_load_partition(redis.store, "events", 3, keys, &known), 0);
    cr_assert_eq(known.count, 1501);
    const struct known_run *found = known_runs_find(&known, KNOWN_TAKEN, &ordered.run.id);
    cr_assert_not_null(found);
    cr_assert_eq(found->offset, 1500);
    cr_assert_null(known_runs_find(&known, KNOWN_ADMITTED, &ordered.run.id));
    cr_assert(key_set_has(keys, "f", BYTES("k")));
    known_runs_done(&known);

    while (trim("events:3", 1490) != 0)
        ;
    cr_assert_str_eq(redis_says(redis.store, "ZCARD t{0}:taken:events:3"), "11");
    cr_assert_eq(store_load_partition(redis.store, "events", 4, keys, &known), 0);
    cr_assert_eq(known.count, 0);
    key_set_destroy(keys);
}

/* ---- dedupe -------------------------------------------------------------------------------------- */

static enum dedupe_answer remember(const struct sample *sample, int64_t window_ms)
{
    struct store *port = store_port(redis.store);
    enum dedupe_answer answer;

    const struct dedupe_id id = dedupe_id_of(sample->run.function, sample->run.event);
    cr_assert_eq(port->ops->remember(port, &sample->run, &id, window_ms, &answer), 0);
    return answer;
}

/* Another event with the same id. */
static void sample_init_again(struct sample *sample, int64_t offset, const struct sample *first)
{
    sample_init(sample, offset);
    sample->function.dedupe_ms = 60000;
    sample->event.view.id = first->event.view.id;
}

static void count_kept(void *context, const char *name, struct bytes outcome)
{
    (void)name;
    (void)outcome;
    (*(size_t *)context)++;
}

/* Retries, leases and waits hang on it. */
Test(store, its_clock_is_the_servers_whatever_it_has_been_asked)
{
    struct store *port = store_port(redis.store);
    struct orphans orphans;
    struct sample sample;
    size_t kept = 0;

    sample_init(&sample, 1);
    cr_assert_eq(advance(&sample.run, PARK), STORE_OK);
    cr_assert_eq(port->ops->list_kept(port, &sample.run, "order/paid", count_kept, &kept), 0);
    cr_expect_eq(kept, 0);
    cr_expect_lt(llabs(store_now_ms(redis.store) - clock_wall_ms()), 60000, "after events that are kept were listed");
    cr_assert_eq(orphans_find(redis.store, &orphans), 0);
    cr_expect_lt(llabs(store_now_ms(redis.store) - clock_wall_ms()), 60000, "after orphans were looked for");
}

Test(store, an_event_id_is_first_for_its_own_message_only)
{
    struct sample first, second;

    sample_init(&first, 1);
    sample_init_again(&second, 2, &first);
    cr_assert_eq(remember(&first, 60000), DEDUPE_FIRST);
    cr_assert_eq(remember(&second, 60000), DEDUPE_DUPLICATE);
    cr_assert_eq(remember(&first, 60000), DEDUPE_FIRST, "a redelivery");
}

Test(store, what_a_window_let_in_is_known_until_its_offset_is_committed)
{
    struct known_runs known;
    struct key_set *keys = key_set_create();
    struct sample first, second, later;

    sample_init(&first, 1);
    sample_init_again(&second, 2, &first);
    sample_init_again(&later, 3, &first);
    cr_assert_eq(remember(&first, 1), DEDUPE_FIRST);
    (void)usleep(5000);
    cr_assert_eq(remember(&later, 60000), DEDUPE_FIRST, "its window is over");
    cr_assert_eq(remember(&second, 60000), DEDUPE_DUPLICATE);
    cr_assert_eq(store_load_partition(redis.store, "events", 3, keys, &known), 0);
    cr_assert_not_null(known_runs_find(&known, KNOWN_ADMITTED, &first.run.id));
    cr_assert_not_null(known_runs_find(&known, KNOWN_ADMITTED, &later.run.id));
    cr_assert_eq(known.count, 2);
    known_runs_done(&known);

    cr_assert_eq(trim("events:3", 3), 0);
    cr_assert_str_eq(redis_says(redis.store, "ZRANGE t{0}:admitted:events:3 0 -1"), later.run.id.text);
    key_set_destroy(keys);
}

Test(store, an_id_that_comes_again_after_its_window_has_a_record_of_its_own)
{
    struct sample first, second;

    sample_init(&first, 1);
    sample_init_again(&second, 2, &first);
    first.function.dedupe_ms = 60000;
    cr_assert_eq(advance(&first.run, checkpoint_at(0, BYTES("a"))), STORE_OK);
    cr_assert_eq(advance(&first.run, BURY), STORE_OK);
    cr_assert_eq(advance(&second.run, PARK), STORE_OK);
    cr_assert_str_eq(list_of("dead"), first.run.id.text);
    cr_assert_str_eq(list_of("delayed"), second.run.id.text);
}

Test(store, cancel_ends_what_waits_and_asks_for_what_runs)
{
    struct sample waits, runs;
    enum runs_change change;
    struct error error;

    sample_init(&waits, 1);
    sample_init(&runs, 2);
    beat(redis.store, true, 5000, 0);
    cr_assert_eq(advance(&waits.run, PARK), STORE_OK);
    cr_assert_eq(advance(&runs.run, checkpoint_at(0, BYTES("a"))), STORE_OK);

    cr_assert_eq(runs_cancel(redis.store, waits.run.id.text, &change, &error), 0);
    cr_assert_eq(change, RUNS_CHANGED);
    cr_assert_str_eq(list_of("history"), waits.run.id.text);
    cr_assert_str_eq(list_of("delayed"), "");
    cr_assert_eq(runs_cancel(redis.store, runs.run.id.text, &change, &error), 0);
    cr_assert_eq(change, RUNS_ASKED);
    cr_assert_eq(advance(&runs.run, PARK), STORE_CANCELLED);
    cr_assert_eq(advance(&runs.run, PARK), STORE_CANCELLED, "sent twice");
    struct loaded_run loaded = load(&runs.run);
    cr_assert_eq(loaded.record.status, RUN_ENDING);
    loaded_run_done(&loaded);
    cr_assert_str_eq(redis_says(redis.store, "KEYS t{0}:asked:*"), "");
}

Test(store, a_cancelled_run_counts_as_ended_once_that_is_out)
{
    const struct store_ops *ops = store_port(redis.store)->ops;
    struct sample sample;
    enum runs_change change;
    struct error error;

    sample_init(&sample, 1);
    cr_assert_eq(advance(&sample.run, PARK), STORE_OK);
    cr_assert_eq(runs_cancel(redis.store, sample.run.id.text, &change, &error), 0);
    cr_assert_str_eq(list_of("untold"), sample.run.id.text);
    sample.run.tell_by_ms = atoll(redis_says(redis.store, "ZSCORE t{0}:untold %s", sample.run.id.text));
    cr_assert_eq(ops->told(store_port(redis.store), &sample.run), 0);
    cr_assert_eq(ops->told(store_port(redis.store), &sample.run), 0, "sent twice");
    cr_assert_str_eq(list_of("untold"), "");
    struct loaded_run loaded = load(&sample.run);
    cr_assert_eq(loaded.record.status, RUN_CANCELLED);
    loaded_run_done(&loaded);
}

Test(store, retry_begins_anew_with_a_clean_counter)
{
    struct sample sample;
    enum runs_change change;
    struct error error;

    sample_init(&sample, 1);
    cr_assert_eq(advance(&sample.run, FAILING), STORE_OK);
    cr_assert_eq(runs_retry(redis.store, sample.run.id.text, &change, &error), 0);
    cr_assert_eq(change, RUNS_IN_VAIN, "it has not ended");
    cr_assert_eq(advance(&sample.run, BURY), STORE_OK);
    cr_assert_eq(runs_retry(redis.store, sample.run.id.text, &change, &error), 0);
    cr_assert_eq(change, RUNS_CHANGED);
    cr_assert_str_eq(list_of("dead"), "");
    cr_assert_str_eq(list_of("delayed"), sample.run.id.text);
    struct loaded_run loaded = load(&sample.run);
    cr_assert_eq(loaded.record.attempt, 0);
    cr_assert_eq(loaded.record.phase, RUN_IN_FUNCTION);
    cr_assert_eq(loaded.record.epoch, 2);
    loaded_run_done(&loaded);
    cr_assert_eq(runs_load(redis.store, "ffffffffffffffffffffffffffffffff", &loaded, &error), -ENOENT);
    cr_assert_eq(runs_load(redis.store, "../../x", &loaded, &error), -ENOENT);
}

Test(store, stats_sum_living_and_dead_workers)
{
    struct runs_stats stats;
    struct sample sample;

    sample_init(&sample, 1);
    beat(redis.store, true, 1, 5);
    (void)usleep(5000);
    reap(redis.store);
    store_renew(redis.store);
    beat(redis.store, true, 5000, 7);
    cr_assert_eq(advance(&sample.run, PARK), STORE_OK);
    cr_assert_eq(runs_stats(redis.store, &stats), 0);
    cr_assert_eq(stats.counts.runs_started, 12);
    cr_assert_eq(stats.delayed, 1);
    cr_assert_eq(stats.workers, 1);
    cr_assert_gt(stats.next_due_ms, 0);
}

/* ---- when Redis fails ---------------------------------------------------------------------------- */

Test(store, scripts_that_redis_forgot_are_loaded_again)
{
    struct sample sample;
    sample_init(&sample, 1);

    (void)redis_says(redis.store, "SCRIPT FLUSH");
    cr_assert_eq(advance(&sample.run, PARK), STORE_OK);
}

static void *advance_later(void *argument)
{
    struct sample *sample = argument;
    return (void *)(intptr_t)advance(&sample->run, PARK);
}

static bool goes_down(void)
{
    for (int i = 0; i < 6000 && store_is_up(redis.store); i++)
        (void)usleep(10000);
    return !store_is_up(redis.store);
}

Test(store, a_restart_is_waited_out_under_a_new_name)
{
    struct sample before, during;
    pthread_t thread;
    void *answer = NULL;

    sample_init(&before, 1);
    sample_init(&during, 2);
    cr_assert_eq(advance(&before.run, checkpoint_at(0, BYTES("a"))), STORE_OK);
    struct incarnation old = store_incarnation(redis.store);
    redis_fixture_kill(&redis);
    cr_assert_eq(pthread_create(&thread, NULL, advance_later, &during), 0);
    cr_assert(goes_down());
    redis_fixture_restart(&redis);
    cr_assert_eq(pthread_join(thread, &answer), 0);
    cr_assert_eq((intptr_t)answer, STORE_OK);
    cr_assert(store_is_up(redis.store));
    cr_assert_eq(redis.rollbacks, 1);
    struct incarnation new = store_incarnation(redis.store);
    cr_assert_neq(memcmp(&old, &new, sizeof(old)), 0);
    cr_assert_eq(memcmp(&during.run.owner, &new, sizeof(new)), 0, "what waited is taken in the new name");
    cr_assert_eq(advance(&before.run, PARK), STORE_OK, "what survived is still held in the old one");
}

Test(store, a_silent_link_is_given_up_and_nothing_of_it_runs_later)
{
    struct sample sample;
    pthread_t thread;
    void *answer = NULL;

    sample_init(&sample, 1);
    cr_assert_eq(kill(redis.server, SIGSTOP), 0);
    cr_assert_eq(pthread_create(&thread, NULL, advance_later, &sample), 0);
    (void)usleep(1500000);
    cr_assert_eq(kill(redis.server, SIGCONT), 0);
    cr_assert_eq(pthread_join(thread, &answer), 0);
    cr_assert_eq((intptr_t)answer, STORE_OK);
    cr_assert_eq(redis.rollbacks, 0, "the same process");
}

static sem_t is_heard;

static void hear_later(struct request *request)
{
    cr_assert_eq(request->status, 0);
    freeReplyObject(request->reply);
    (void)sem_post(&is_heard);
}

Test(store, what_is_asked_for_and_not_waited_for_may_be_forgotten_at_once)
{
    static struct script_call call;
    static struct request request;
    char function[] = "charge";

    (void)sem_init(&is_heard, 0, 0);
    cr_assert_eq(kill(redis.server, SIGSTOP), 0);
    script_begin(&call, "announce", 0);
    script_add_text(&call, function);
    script_add_text(&call, "0");
    store_call_later(redis.store, &call, &request, hear_later);
    memset(function, 'x', sizeof(function) - 1);
    cr_assert_eq(kill(redis.server, SIGCONT), 0);
    (void)sem_wait(&is_heard);
    cr_assert_str_eq(redis_says(redis.store, "HKEYS t{0}:functions"), "charge");
}

static void *push_later(void *argument)
{
    struct sample *sample = argument;
    return (void *)(intptr_t)advance(&sample->run, checkpoint_at(3, BYTES("d")));
}

static void expect_four_checkpoints(const struct sample *sample)
{
    struct loaded_run loaded = load(&sample->run);

    cr_assert_eq(loaded.checkpoint_count, 4);
    for (size_t i = 0; i < 4; i++)
        cr_assert(loaded.checkpoints[i].size == 1 && ((const char *)loaded.checkpoints[i].data)[0] == "abcd"[i]);
    loaded_run_done(&loaded);
}

Test(store, a_push_over_a_link_that_falls_silent_is_made_once)
{
    struct sample sample;
    pthread_t thread;
    void *answer = NULL;

    take_with_three(&sample);
    cr_assert_eq(kill(redis.server, SIGSTOP), 0);
    cr_assert_eq(pthread_create(&thread, NULL, push_later, &sample), 0);
    (void)usleep(1500000);
    cr_assert_eq(kill(redis.server, SIGCONT), 0);
    cr_assert_eq(pthread_join(thread, &answer), 0);
    cr_assert_eq((intptr_t)answer, STORE_OK);
    expect_four_checkpoints(&sample);
    cr_assert_eq(advance(&sample.run, FINISH), STORE_OK);
}

Test(store, a_push_that_waits_out_a_restart_is_made_by_a_script)
{
    struct sample sample;
    pthread_t thread;
    void *answer = NULL;

    take_with_three(&sample);
    redis_fixture_kill(&redis);
    cr_assert_eq(pthread_create(&thread, NULL, push_later, &sample), 0);
    cr_assert(goes_down());
    redis_fixture_restart(&redis);
    cr_assert_eq(pthread_join(thread, &answer), 0);
    cr_assert_eq((intptr_t)answer, STORE_OK);
    cr_assert_eq(sample.run.notes.added, 0, "under its name of before it pushes no more");
    expect_four_checkpoints(&sample);
}

Test(store, an_answer_tells_of_when_it_was_asked_for)
{
    struct store_settings settings = redis_fixture_settings(&redis);
    struct sample sample;
    pthread_t thread;
    void *answer = NULL;

    settings.timeout_ms = 60000; /* the link is not given up meanwhile */
    store_destroy(redis.store);
    redis.store = redis_fixture_open_with(&settings);
    sample_init(&sample, 1);
    cr_assert_eq(kill(redis.server, SIGSTOP), 0);
    cr_assert_eq(pthread_create(&thread, NULL, advance_later, &sample), 0);
    (void)usleep(700000);
    int64_t goes_on_ms = clock_monotonic_ms();
    cr_assert_eq(kill(redis.server, SIGCONT), 0);
    cr_assert_eq(pthread_join(thread, &answer), 0);
    int64_t seen_ms = store_seen_ms(redis.store);
    cr_assert_gt(seen_ms, 0);
    cr_assert_lt(seen_ms, goes_on_ms, "the answer may have waited since before a crash");
}

Test(store, read_only_and_full_are_waited_out)
{
    struct sample first, second;
    pthread_t thread;
    void *answer = NULL;

    sample_init(&first, 1);
    sample_init(&second, 2);
    (void)redis_says(redis.store, "CONFIG SET maxmemory 1");
    cr_assert_eq(pthread_create(&thread, NULL, advance_later, &first), 0);
    cr_assert(goes_down());
    (void)redis_says(redis.store, "CONFIG SET maxmemory 0");
    cr_assert_eq(pthread_join(thread, &answer), 0);
    cr_assert_eq((intptr_t)answer, STORE_OK);

    (void)redis_says(redis.store, "REPLICAOF 127.0.0.1 1");
    cr_assert_eq(pthread_create(&thread, NULL, advance_later, &second), 0);
    (void)usleep(200000);
    redisContext *other = redisConnectUnix(redis.socket);
    freeReplyObject(redisCommand(other, "REPLICAOF NO ONE"));
    redisFree(other);
    cr_assert_eq(pthread_join(thread, &answer), 0);
    cr_assert_eq((intptr_t)answer, STORE_OK);
}

static void *advance_until_stopped(void *argument)
{
    struct sample *sample = argument;
    struct store *port = store_port(redis.store);
    struct transition_reply reply;
    return (void *)(intptr_t)port->ops->advance(port, &sample->run, &PARK, &reply);
}

Test(store, stop_ends_every_wait)
{
    struct sample sample;
    pthread_t thread;
    void *status = NULL;

    sample_init(&sample, 1);
    redis_fixture_kill(&redis);
    cr_assert_eq(pthread_create(&thread, NULL, advance_until_stopped, &sample), 0);
    (void)usleep(100000);
    store_stop(redis.store);
    cr_assert_eq(pthread_join(thread, &status), 0);
    cr_assert_eq((intptr_t)status, -ESHUTDOWN);
    cr_assert_eq((intptr_t)advance_until_stopped(&sample), -ESHUTDOWN);
}

static void *advance_many(void *argument)
{
    int64_t first = (intptr_t)argument;
    for (int64_t i = first; i < first + 2000; i++) {
        struct sample sample;
        sample_init(&sample, i);
        cr_assert_eq(advance(&sample.run, PARK), STORE_OK);
    }
    return NULL;
}

Test(store, many_threads_share_the_link)
{
    pthread_t threads[16];

    for (intptr_t i = 0; i < 16; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, advance_many, (void *)(i * 2000)), 0);
    for (int i = 0; i < 16; i++)
        (void)pthread_join(threads[i], NULL);
    cr_assert_str_eq(redis_says(redis.store, "ZCARD t{0}:delayed"), "32000");
}

Test(store, another_number_of_shards_refuses_to_start)
{
    struct store_settings settings = redis_fixture_settings(&redis);
    struct error error = { 0 };

    settings.shards = 16;
    struct redis_store *store = store_create(&settings);
    cr_assert_eq(store_start(store, &error), -EINVAL);
    cr_assert_not_null(strstr(error.text, "set it to 1"), "%s", error.text);
    store_destroy(store);
}

Test(store, a_redis_that_is_down_at_start_is_waited_for)
{
    struct store_settings settings = redis_fixture_settings(&redis);
    struct error error = { 0 };

    redis_fixture_kill(&redis);
    struct redis_store *store = store_create(&settings);
    cr_assert_eq(store_start(store, &error), -EAGAIN);
    redis_fixture_restart(&redis);
    cr_assert_str_eq(redis_says(store, "PING"), "PONG");
    store_destroy(store);
}

Test(store, a_wrong_password_refuses_to_start)
{
    struct store_settings settings = redis_fixture_settings(&redis);
    AUTO_FREE char *url = xasprintf("unix://me:secret@%s", redis.socket);
    struct error error = { 0 };

    settings.url = url;
    struct redis_store *store = store_create(&settings);
    cr_assert_eq(store_start(store, &error), -EACCES, "%s", error.text);
    store_destroy(store);
}

/* ---- breakers ----------------------------------------------------------------------------------------- */

static const struct flow_settings flow_with_breaker = {
    .given = { .breaker = { .failures = 2, .window_ms = 60000, .pause_ms = 60000 } },
    .shares_shard = true,
};

static void tell_breaker(const struct run *run, bool has_failed, int attempt)
{
    const struct breaker_news news = { .key = BYTES("=a"), .has_failed = has_failed, .attempt = attempt };

    struct store *port = store_port(redis.store);

    cr_assert_eq(port->ops->tell_breaker(port, run, &news), 0);
}

Test(store, a_failed_attempt_that_is_told_twice_counts_once_for_its_breaker)
{
    struct sample sample;

    sample_init(&sample, 1);
    sample.function.flow = &flow_with_breaker;
    tell_breaker(&sample.run, true, 0);
    tell_breaker(&sample.run, true, 0);
    cr_assert_str_eq(redis_says(redis.store, "ZCARD t{0}:breakers"), "0");
    tell_breaker(&sample.run, true, 1);
    cr_assert_str_eq(redis_says(redis.store, "ZCARD t{0}:breakers"), "1");
}

Test(store, an_open_breaker_closes_by_nothing_that_began_before_it_opened)
{
    struct sample sample;

    sample_init(&sample, 1);
    sample.function.flow = &flow_with_breaker;
    tell_breaker(&sample.run, true, 0);
    tell_breaker(&sample.run, true, 1);
    tell_breaker(&sample.run, false, 2);
    cr_assert_str_eq(redis_says(redis.store, "ZCARD t{0}:breakers"), "1");
}

Test(store, a_run_that_an_open_breaker_holds_is_claimed_by_nobody_before_its_pause_is_over)
{
    struct store *port = store_port(redis.store);
    struct flow_ask ask;
    struct sample sample;
    enum flow_answer answer;

    sample_init(&sample, 1);
    sample.function.flow = &flow_with_breaker;
    tell_breaker(&sample.run, true, 0);
    tell_breaker(&sample.run, true, 1);
    flow_ask_init_again(&ask, &sample.function, sample.run.event, 0);
    ask.is_held = true;
    cr_assert_eq(port->ops->admit(port, &sample.run, &ask, &answer), 0);
    flow_ask_done(&ask);
    cr_assert_eq(answer, FLOW_IN_LINE);
    cr_assert_str_eq(redis_says(redis.store, "ZCARD t{0}:queue:f"), "1");
    cr_assert_str_eq(redis_says(redis.store, "ZCARD t{0}:delayed"), "0");
}

/* ---- lines -------------------------------------------------------------------------------------------- */

static void stand_in_line(struct sample *sample, int64_t offset, int64_t timestamp_ms)
{
    struct store *port = store_port(redis.store);
    struct flow_ask ask;
    enum flow_answer answer;

    sample_init(sample, offset);
    sample->event.timestamp_ms = sample->run.created_ms = timestamp_ms;
    sample->function.flow = &flow_with_breaker;
    flow_ask_init_again(&ask, &sample->function, sample->run.event, 0);
    ask.is_held = true;
    cr_assert_eq(port->ops->admit(port, &sample->run, &ask, &answer), 0);
    flow_ask_done(&ask);
    cr_assert_eq(answer, FLOW_IN_LINE);
}

Test(store, runs_of_a_partition_stand_in_line_by_offset_whichever_worker_is_first)
{
    struct sample first, second, third, to_come;
    int64_t now_ms = clock_wall_ms();

    stand_in_line(&to_come, 14, now_ms + 86400000);
    stand_in_line(&third, 13, now_ms - 1000);
    stand_in_line(&first, 11, now_ms - 2000);
    stand_in_line(&second, 12, now_ms - 1000);
    AUTO_FREE char *expected = xasprintf("%s %s %s %s", first.run.id.text, second.run.id.text, third.run.id.text, to_come.run.id.text);
    cr_assert_str_eq(redis_says(redis.store, "ZRANGE t{0}:queue:f 0 -1"), expected);
}

/* ---- runs of several events ----------------------------------------------------------------------------- */

Test(store, a_run_of_several_events_stands_in_no_list_that_older_daemons_read_and_keeps_all_of_them)
{
    struct sample first, second;
    struct event *events[] = { &first.event, &second.event };
    const struct bundle bundle = { events, 2 };
    const struct transition park = { .kind = TRANSITION_PARK, .status = RUN_DELAYED, .attempt = 1, .due_ms = 1 };
    struct loaded_run loaded;
    struct error error;

    sample_init(&first, 1);
    sample_init(&second, 2);
    first.run.bundle = &bundle;
    first.run.id = run_id_of_bundle(&first.function, &bundle);
    cr_assert_eq(advance(&first.run, park), STORE_OK);
    cr_assert_str_eq(redis_says(redis.store, "ZRANGE t{0}:delayed 0 -1"), "");
    cr_assert_str_eq(redis_says(redis.store, "ZRANGE t{0}:delayed-3 0 -1"), first.run.id.text);
    struct run_id alone = run_id_of(&second.function, &second.event);
    cr_assert_str_eq(redis_says(redis.store, "ZSCORE t{0}:taken:events:3 %s", alone.text), "2");

    cr_assert_eq(beat(redis.store, true, 60000, 0), 0);
    AUTO_REPLY claimed = claim(redis.store, 1, 10);
    cr_assert_eq(claimed->element[3]->elements, 1);
    cr_assert_str_eq(redis_says(redis.store, "ZCARD t{0}:delayed-3"), "0");
    cr_assert_str_eq(redis_says(redis.store, "KEYS t{0}:owned:*"), "");
    cr_assert_eq(runs_load(redis.store, first.run.id.text, &loaded, &error), 0);
    cr_assert_eq(loaded.record.status, RUN_OWNED);
    cr_assert_eq(loaded.record.more_count, 1);
    cr_assert_eq(loaded.record.more[0].offset, 2);
    loaded_run_done(&loaded);
}
