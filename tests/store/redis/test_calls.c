/* SPDX-License-Identifier: Apache-2.0 */
/* Runs that call each other, from shard to shard: what is written when, and what becomes of it when it is told twice. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "redis_fixture.h"
#include "run/checkpoints.h"
#include "run/invoke.h"
#include "store/calls.h"
#include "store/redis/sweep.h"
#include "store/redis/timers.h"
#include "store/runs.h"

#define TAKEN_MOST 64

static struct redis_fixture redis;
static struct timers *timers;
static struct claimed *taken[TAKEN_MOST];
static atomic_int taken_count;
static struct function known = { .id = "g", .event = "app/x" };
static struct function caller_function = { .id = "f", .event = "app/x" };

static size_t room(struct run_taker *taker)
{
    (void)taker;
    return 4;
}

static void take_run(struct run_taker *taker, struct claimed *claimed)
{
    (void)taker;
    cr_assert(taken_count < TAKEN_MOST);
    taken[taken_count] = claimed;
    taken_count++;
}

static size_t reserve(struct run_taker *taker, const struct function *function, size_t max)
{
    (void)taker;
    (void)function;
    return max;
}

static void give_back(struct run_taker *taker, const struct function *function, size_t count)
{
    (void)taker;
    (void)function;
    (void)count;
}

static void see_line(struct run_taker *taker, const struct function *function)
{
    (void)taker;
    (void)function;
}

static void cancel(struct run_taker *taker, const char *id)
{
    (void)taker;
    (void)id;
}

static void see_breakers(struct run_taker *taker, int shard, const struct bytes *keys, size_t key_count, bool is_all)
{
    (void)taker;
    (void)shard;
    (void)keys;
    (void)key_count;
    (void)is_all;
}

static void see_queued(struct run_taker *taker, const struct function *function, int64_t change)
{
    (void)taker;
    (void)function;
    (void)change;
}

static void refused(struct run_taker *taker, const struct function *function, enum flow_answer why)
{
    (void)taker;
    (void)function;
    (void)why;
}

static const struct run_taker_ops OPS = {
    .free_workers = room,
    .take_run = take_run,
    .reserve = reserve,
    .give_back = give_back,
    .see_line = see_line,
    .see_queued = see_queued,
    .refused = refused,
    .see_breakers = see_breakers,
    .cancel = cancel,
    .end_first = cancel,
    .hear = cancel,
};
static struct run_taker taker = { &OPS };

static const struct function *find_function(void *context, const char *id)
{
    (void)context;
    return strcmp(id, "g") == 0 ? &known : strcmp(id, "f") == 0 ? &caller_function : NULL;
}

static void count(void *context, struct worker_counts *ret_counts)
{
    (void)context;
    *ret_counts = (struct worker_counts){ 0 };
}

static void each_function(void *context, void (*each)(void *each_context, const struct function *function), void *each_context)
{
    (void)context;
    each(each_context, &known);
}

static void start_timers(void)
{
    struct error error = { 0 };

    timers = timers_create(&(struct timers_settings){ .store = redis.store,
                                                      .runs = &taker,
                                                      .find_function = find_function,
                                                      .count = count,
                                                      .each_function = each_function,
                                                      .durability_lag_ms = 300 });
    cr_assert_eq(timers_start(timers, &error), 0, "%s", error.text);
}

static void setup(void)
{
    redis_fixture_start(&redis);
    struct store_settings settings = redis_fixture_settings(&redis);
    settings.shards = 3;
    redis.store = redis_fixture_open_with(&settings);
    start_timers();
}

static void teardown(void)
{
    timers_destroy(timers);
    redis_fixture_stop(&redis);
}

TestSuite(calls, .init = setup, .fini = teardown, .timeout = 180);

static struct claimed *next_taken(int number)
{
    for (int i = 0; i < 6000 && taken_count <= number; i++)
        (void)usleep(10000);
    cr_assert_gt(taken_count, number, "run number %d never came", number);
    return taken[number];
}

static enum store_answer change_run(struct run *run, struct transition change)
{
    struct store *port = store_port(redis.store);
    struct transition_reply reply;

    cr_assert_eq(port->ops->advance(port, run, &change, &reply), 0);
    if (reply.answer == STORE_OK) {
        run->epoch = reply.epoch;
        run->owner = reply.owner;
    }
    return reply.answer;
}

/* A run of "f" that calls "g" in its step "ask", as stepd_invoke() has it. */
struct calling {
    struct sample sample;
    struct called called;
    struct callee callee;
    struct run_id id;
    msgpack_sbuffer waiting, head, middle;
    struct transition park;
};

/* As invoke_read() has it. */
static void pack_value(msgpack_sbuffer *value, const struct run_id *id)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, value, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, 3);
    msgpack_pack_str_with_body(&packer, "invoke", 6);
    msgpack_pack_str_with_body(&packer, id->text, RUN_ID_LENGTH);
    msgpack_pack_str_with_body(&packer, "g", 1);
}

static void calling_init(struct calling *calling, int number)
{
    msgpack_sbuffer value;

    sample_init(&calling->sample, number);
    calling->id = run_id_of_invoke(&calling->sample.run.id, RUN_IN_FUNCTION, "ask", "g", PLACED_BY_ID);
    called_init(&calling->called, "g", &calling->id, "events", (struct bytes){ "\x07", 1 }, 1700000000000, &calling->callee);
    calling->called.run.first_epoch = 7;
    msgpack_sbuffer_init(&value);
    pack_value(&value, &calling->id);
    const struct checkpoint waiting = {
        .id = "ask",
        .kind = CHECKPOINT_WAITING,
        .executions = 1,
        .until_ms = WAIT_FOREVER_MS,
        .value = { value.data, value.size },
    };
    msgpack_sbuffer_init(&calling->waiting);
    msgpack_sbuffer_init(&calling->head);
    msgpack_sbuffer_init(&calling->middle);
    checkpoint_pack(&calling->waiting, &waiting);
    checkpoint_pack_around(&calling->head, &calling->middle, &waiting);
    msgpack_sbuffer_destroy(&value);
    calling->callee.head = (struct bytes){ calling->head.data, calling->head.size };
    calling->callee.middle = (struct bytes){ calling->middle.data, calling->middle.size };
    calling->park = (struct transition){
        .kind = TRANSITION_PARK,
        .status = RUN_WAITING,
        .due_ms = WAIT_FOREVER_MS,
        .checkpoint = { calling->waiting.data, calling->waiting.size },
        .callee = &calling->callee,
    };
}

static void calling_done(struct calling *calling)
{
    called_done(&calling->called);
    msgpack_sbuffer_destroy(&calling->waiting);
    msgpack_sbuffer_destroy(&calling->head);
    msgpack_sbuffer_destroy(&calling->middle);
}

#define AUTO_DONE __attribute__((cleanup(calling_done)))

static void finish_called(struct claimed *called)
{
    const struct transition finish = { .kind = TRANSITION_FINISH, .told = { "\x2a", 1 } };

    cr_assert(called->run.is_invoked);
    cr_assert_eq(change_run(&called->run, finish), STORE_OK);
    called->release(called);
}

static void assert_answered(struct claimed *caller, enum checkpoint_kind kind)
{
    size_t position;
    const struct checkpoint *answer = checkpoints_find(caller->run.steps, RUN_IN_FUNCTION, "ask", &position);

    cr_assert_eq(position, 1);
    cr_assert_eq(answer->kind, kind);
    cr_assert_eq(checkpoints_count(caller->run.steps), 2);
    if (kind == CHECKPOINT_COMPLETED)
        cr_assert_arr_eq(answer->value.data, "\x2a", 1);
}

static int letters(void)
{
    int sum = 0;

    for (int shard = 0; shard < 3; shard++)
        sum += atoi(redis_says(redis.store, "ZCARD t{%d}:outbox", shard)) + atoi(redis_says(redis.store, "HLEN t{%d}:letters", shard));
    return sum;
}

Test(calls, a_run_that_is_called_begins_and_its_result_comes_back_once)
{
    for (int i = 0; i < 12; i++) {
        AUTO_DONE struct calling calling;
        calling_init(&calling, i);
        cr_assert_eq(change_run(&calling.sample.run, calling.park), STORE_OK);
        struct claimed *called = next_taken(2 * i);
        cr_assert_str_eq(called->run.id.text, calling.id.text);
        cr_assert_eq(called->run.function, &known);
        cr_assert_eq(called->run.event->view.partition, -1);
        finish_called(called);
        struct claimed *caller = next_taken(2 * i + 1);
        cr_assert_str_eq(caller->run.id.text, calling.sample.run.id.text);
        assert_answered(caller, CHECKPOINT_COMPLETED);
        cr_assert_eq(change_run(&caller->run, (struct transition){ .kind = TRANSITION_FINISH }), STORE_OK);
    }
    for (int i = 0; i < 1000 && letters() > 0; i++)
        (void)usleep(10000);
    cr_assert_eq(letters(), 0, "letters that were delivered go");
    cr_assert_eq(taken_count, 24, "nothing begins a second time");
}

Test(calls, a_call_that_is_made_again_starts_nothing_and_a_late_answer_ends_nothing_twice)
{
    AUTO_DONE struct calling calling;
    calling_init(&calling, 1);
    cr_assert_eq(change_run(&calling.sample.run, calling.park), STORE_OK);
    struct claimed *called = next_taken(0);
    cr_assert_eq(calls_start(redis.store, &calling.callee), 0); /* as a rollback of the caller's shard would repeat it */
    finish_called(called);
    struct claimed *caller = next_taken(1);
    cr_assert_eq(calls_start(redis.store, &calling.callee), 0);
    (void)usleep(1500000);
    cr_assert_eq(taken_count, 2);
    assert_answered(caller, CHECKPOINT_COMPLETED);
    /* The answer came again while a worker held the caller: it is not there when it parks once more. */
    cr_assert_eq(change_run(&caller->run, (struct transition){ .kind = TRANSITION_PARK, .status = RUN_DELAYED, .delay_ms = 1 }), STORE_OK);
    assert_answered(next_taken(2), CHECKPOINT_COMPLETED);
}

Test(calls, an_answer_that_comes_while_a_worker_holds_the_caller_is_there_once_it_waits)
{
    AUTO_DONE struct calling calling;
    calling_init(&calling, 1);
    struct transition record = calling.park;
    record.kind = TRANSITION_CHECKPOINT;
    cr_assert_eq(change_run(&calling.sample.run, record), STORE_OK);
    finish_called(next_taken(0));
    for (int i = 0; i < 1000; i++)
        (void)usleep(1000);
    cr_assert_eq(taken_count, 1);
    struct transition wait = { .kind = TRANSITION_PARK, .status = RUN_WAITING, .due_ms = WAIT_FOREVER_MS };
    cr_assert_eq(change_run(&calling.sample.run, wait), STORE_OK);
    assert_answered(next_taken(1), CHECKPOINT_COMPLETED);
}

Test(calls, an_answer_that_nobody_waits_for_any_more_changes_nothing)
{
    AUTO_DONE struct calling calling;
    calling_init(&calling, 1);
    struct transition record = calling.park;
    record.kind = TRANSITION_CHECKPOINT;
    cr_assert_eq(change_run(&calling.sample.run, record), STORE_OK);
    struct claimed *called = next_taken(0);
    const struct transition over = { .kind = TRANSITION_CHECKPOINT, .position = 1, .checkpoint = { "\x01", 1 }, .call_off = &calling.id };
    cr_assert_eq(change_run(&calling.sample.run, over), STORE_OK);
    finish_called(called);
    (void)usleep(1000000);
    struct transition wait = { .kind = TRANSITION_PARK, .status = RUN_WAITING, .due_ms = WAIT_FOREVER_MS };
    cr_assert_eq(change_run(&calling.sample.run, wait), STORE_OK);
    (void)usleep(500000);
    cr_assert_eq(taken_count, 1);
}

Test(calls, a_caller_hears_that_the_run_was_cancelled)
{
    AUTO_DONE struct calling calling;
    enum runs_change answer;
    struct error error;

    calling_init(&calling, 1);
    cr_assert_eq(change_run(&calling.sample.run, calling.park), STORE_OK);
    struct claimed *called = next_taken(0);
    cr_assert_eq(change_run(&called->run, (struct transition){ .kind = TRANSITION_PARK, .status = RUN_DELAYED, .delay_ms = 60000 }),
                 STORE_OK);
    cr_assert_eq(runs_cancel(redis.store, calling.id.text, &answer, &error), 0);
    cr_assert_eq(answer, RUNS_CHANGED);
    struct claimed *caller = next_taken(1);
    if (caller->run.is_cancelled) /* the one that is to be told */
        caller = next_taken(2);
    assert_answered(caller, CHECKPOINT_FAILED);
    cr_assert_str_eq(checkpoints_at(caller->run.steps, 1)->failure->name, "InvokeCancelled");
}

/* ---- keys that are lost ------------------------------------------------------------------------- */

/* Two walks over all keys: the first sees a call that is open, the second asks after it. */
static void sweep_all(void)
{
    struct incarnation self = store_incarnation(redis.store);

    for (int i = 0; i < 6; i++) {
        struct sweep sweep;
        sweep_init(&sweep);
        do {
            struct script_call call;
            AUTO_REPLY reply = NULL;
            script_begin(&call, "sweep", i % 3);
            sweep_ask(&sweep, store_lineage(redis.store, i % 3), &call);
            script_add_owner(&call, &self);
            script_add_number(&call, 5000);
            script_add_number(&call, 3600000);
            script_add_number(&call, 0);
            cr_assert_eq(store_call(redis.store, &call, &reply), 0);
            sweep_hear(&sweep, reply);
        } while (strcmp(sweep.cursor, "0") != 0);
        sweep_done(&sweep);
    }
}

static void lose(const char *kind, const struct run_id *id)
{
    (void)redis_says(redis.store, "DEL t{%d}:%s:%s", store_shard_of(redis.store, id->text), kind, id->text);
}

static void assert_lost(struct claimed *caller)
{
    assert_answered(caller, CHECKPOINT_FAILED);
    cr_assert_str_eq(checkpoints_at(caller->run.steps, 1)->failure->name, "InvokeLost");
}

/* Until nothing is on its way any more. */
static void wait_for_letters(void)
{
    for (int i = 0; i < 1000 && letters() > 0; i++)
        (void)usleep(10000);
    cr_assert_eq(letters(), 0);
}

Test(calls, a_caller_hears_the_result_though_who_called_was_lost)
{
    AUTO_DONE struct calling calling;
    calling_init(&calling, 1);
    cr_assert_eq(change_run(&calling.sample.run, calling.park), STORE_OK);
    struct claimed *called = next_taken(0);
    wait_for_letters();
    lose("called", &calling.id);
    sweep_all();
    wait_for_letters();
    finish_called(called);
    assert_answered(next_taken(1), CHECKPOINT_COMPLETED);
}

Test(calls, a_caller_hears_the_result_though_its_calls_were_lost)
{
    AUTO_DONE struct calling calling;
    calling_init(&calling, 1);
    cr_assert_eq(change_run(&calling.sample.run, calling.park), STORE_OK);
    struct claimed *called = next_taken(0);
    wait_for_letters();
    lose("calls", &calling.sample.run.id);
    finish_called(called);
    struct claimed *caller = next_taken(1);
    assert_answered(caller, CHECKPOINT_COMPLETED);
    /* Of a call that has been answered they say that it was. */
    lose("calls", &calling.sample.run.id);
    cr_assert_eq(calls_start(redis.store, &calling.callee), 0);
    wait_for_letters();
    cr_assert_eq(change_run(&caller->run, (struct transition){ .kind = TRANSITION_PARK, .status = RUN_DELAYED, .delay_ms = 1 }), STORE_OK);
    assert_answered(next_taken(2), CHECKPOINT_COMPLETED);
}

Test(calls, a_caller_of_which_nobody_knows_what_it_waits_for_calls_anew)
{
    AUTO_DONE struct calling calling;
    calling_init(&calling, 1);
    cr_assert_eq(change_run(&calling.sample.run, calling.park), STORE_OK);
    struct claimed *called = next_taken(0);
    wait_for_letters();
    lose("calls", &calling.sample.run.id);
    lose("called", &calling.id);
    sweep_all();
    struct claimed *woken = next_taken(1);
    cr_assert_eq(change_run(&woken->run, calling.park), STORE_OK);
    wait_for_letters();
    finish_called(called);
    assert_answered(next_taken(2), CHECKPOINT_COMPLETED);
    cr_assert_eq(taken_count, 3, "nothing begins a second time");
}

Test(calls, a_caller_hears_that_the_run_was_lost)
{
    AUTO_DONE struct calling calling;
    calling_init(&calling, 1);
    cr_assert_eq(change_run(&calling.sample.run, calling.park), STORE_OK);
    (void)next_taken(0);
    wait_for_letters();
    lose("run", &calling.id);
    sweep_all();
    assert_lost(next_taken(1));
}

Test(calls, a_caller_hears_that_the_run_was_lost_with_who_called_it)
{
    AUTO_DONE struct calling calling;
    calling_init(&calling, 1);
    cr_assert_eq(change_run(&calling.sample.run, calling.park), STORE_OK);
    (void)next_taken(0);
    wait_for_letters();
    lose("run", &calling.id);
    lose("called", &calling.id);
    sweep_all();
    assert_lost(next_taken(1));
}

Test(calls, a_caller_whose_letter_is_lost_hears_of_it)
{
    AUTO_DONE struct calling calling;
    calling_init(&calling, 1);
    int shard = store_shard_of(redis.store, calling.sample.run.id.text);
    timers_destroy(timers);
    cr_assert_eq(change_run(&calling.sample.run, calling.park), STORE_OK);
    (void)redis_says(redis.store, "DEL t{%d}:letters", shard);
    start_timers();
    sweep_all();
    assert_lost(next_taken(0));
}

Test(calls, letters_go_out_though_the_list_of_those_that_are_to_is_lost)
{
    AUTO_DONE struct calling calling;
    calling_init(&calling, 1);
    int shard = store_shard_of(redis.store, calling.sample.run.id.text);
    timers_destroy(timers);
    cr_assert_eq(change_run(&calling.sample.run, calling.park), STORE_OK);
    (void)redis_says(redis.store, "DEL t{%d}:outbox", shard);
    start_timers();
    sweep_all();
    finish_called(next_taken(0));
    assert_answered(next_taken(1), CHECKPOINT_COMPLETED);
}

Test(calls, a_caller_whose_mail_is_lost_is_answered_once_more)
{
    AUTO_DONE struct calling calling;
    calling_init(&calling, 1);
    struct transition record = calling.park;
    record.kind = TRANSITION_CHECKPOINT;
    cr_assert_eq(change_run(&calling.sample.run, record), STORE_OK);
    finish_called(next_taken(0));
    wait_for_letters();
    lose("mail", &calling.sample.run.id);
    struct transition wait = { .kind = TRANSITION_PARK, .status = RUN_WAITING, .due_ms = WAIT_FOREVER_MS };
    cr_assert_eq(change_run(&calling.sample.run, wait), STORE_OK);
    struct claimed *woken = next_taken(1); /* for its mail, which is empty */
    cr_assert_eq(checkpoints_count(woken->run.steps), 1);
    cr_assert_eq(change_run(&woken->run, wait), STORE_OK);
    sweep_all();
    assert_answered(next_taken(2), CHECKPOINT_COMPLETED);
}

Test(calls, a_caller_whose_checkpoints_are_lost_calls_anew_and_is_answered)
{
    AUTO_DONE struct calling calling;
    calling_init(&calling, 1);
    cr_assert_eq(change_run(&calling.sample.run, calling.park), STORE_OK);
    finish_called(next_taken(0));
    struct claimed *caller = next_taken(1);
    wait_for_letters();
    cr_assert_eq(change_run(&caller->run, calling.park), STORE_OK);
    assert_answered(next_taken(2), CHECKPOINT_COMPLETED);
    cr_assert_eq(taken_count, 3, "nothing begins a second time");
}

static void note(void *context, size_t position, struct bytes checkpoint)
{
    struct error error;

    cr_assert_eq(checkpoints_load(context, position, checkpoint, &error), 0);
}

static bool lacks_calls;

static void lack(void *context)
{
    (void)context;
    lacks_calls = true;
}

/* As run/awaited.c asks; with `made` it tells of the run that it has called. */
static void look(struct claimed *caller, const struct call_made *made)
{
    const struct wait_look look = {
        .known = checkpoints_count(caller->run.steps),
        .called = 1,
        .calls = made,
        .call_count = made != NULL,
        .add = note,
        .lack = lack,
        .context = caller->run.steps,
    };

    lacks_calls = false;
    cr_assert_eq(change_run(&caller->run, (struct transition){ .kind = TRANSITION_PHASE, .look = &look }), STORE_OK);
}

Test(calls, a_caller_beside_other_steps_whose_calls_are_lost_says_what_it_waits_for)
{
    AUTO_DONE struct calling calling;
    calling_init(&calling, 1);
    struct transition record = calling.park;
    record.kind = TRANSITION_CHECKPOINT;
    const struct run_id *id = &calling.sample.run.id;
    struct transition wait = { .kind = TRANSITION_PARK, .status = RUN_WAITING, .due_ms = WAIT_FOREVER_MS };
    cr_assert_eq(change_run(&calling.sample.run, record), STORE_OK);
    cr_assert_eq(change_run(&calling.sample.run, wait), STORE_OK);
    (void)next_taken(0);
    wait_for_letters();
    /* It waits for an event, too. */
    (void)redis_says(redis.store, "SET t{%d}:await:%s:1000 -", store_shard_of(redis.store, id->text), id->text);
    lose("calls", id);
    lose("called", &calling.id);
    lose("run", &calling.id);
    sweep_all();
    struct claimed *woken = next_taken(1);
    const struct call_made made = { { calling.id.text, RUN_ID_LENGTH }, calling.callee.head, calling.callee.middle };
    look(woken, NULL);
    cr_assert(lacks_calls);
    look(woken, &made);
    cr_assert_not(lacks_calls);
    cr_assert_eq(change_run(&woken->run, wait), STORE_OK);
    sweep_all();
    assert_lost(next_taken(2));
}

Test(calls, a_run_that_waits_for_an_event_alone_is_not_woken)
{
    struct sample sample;
    sample_init(&sample, 1);
    const struct run_id *id = &sample.run.id;
    struct transition wait = { .kind = TRANSITION_PARK, .status = RUN_WAITING, .due_ms = WAIT_FOREVER_MS, .checkpoint = { "a", 1 } };
    cr_assert_eq(change_run(&sample.run, wait), STORE_OK);
    (void)redis_says(redis.store, "SET t{%d}:await:%s:1000 -", store_shard_of(redis.store, id->text), id->text);
    sweep_all();
    (void)usleep(500000);
    cr_assert_eq(taken_count, 0);
}

/* ---- from outside ------------------------------------------------------------------------------- */

Test(calls, a_call_from_outside_keeps_its_answer)
{
    struct run_id id = { "00aabbccddeeff00112233445566778a" };
    struct checkpoints *steps = checkpoints_create();
    struct called called;
    struct callee callee;
    bool is_answered = true;

    called_init(&called, "g", &id, "events", (struct bytes){ "\x07", 1 }, 1700000000000, &callee);
    called.run.first_epoch = 3;
    cr_assert_eq(calls_start(redis.store, &callee), 0);
    struct claimed *begun = next_taken(0);
    cr_assert_eq(calls_answer(redis.store, id.text, steps, &is_answered), 0);
    cr_assert_not(is_answered);
    finish_called(begun);
    cr_assert_eq(calls_answer(redis.store, id.text, steps, &is_answered), 0);
    cr_assert(is_answered);
    cr_assert_arr_eq(checkpoints_at(steps, 0)->value.data, "\x2a", 1);
    called_done(&called);
    checkpoints_destroy(steps);
}

Test(calls, functions_of_a_daemon_are_known_to_all)
{
    struct store *port = store_port(redis.store);
    enum run_placement placement = PLACED_BY_SCOPE;
    bool is_known = false;

    for (int i = 0; i < 500 && !is_known; i++) {
        cr_assert_eq(port->ops->find_function(port, "g", &is_known, &placement), 0);
        (void)usleep(10000);
    }
    cr_assert(is_known);
    cr_assert_eq(placement, PLACED_BY_ID);
    cr_assert_eq(port->ops->find_function(port, "h", &is_known, &placement), 0);
    cr_assert_not(is_known);
}
