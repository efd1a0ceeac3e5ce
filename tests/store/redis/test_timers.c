/* SPDX-License-Identifier: Apache-2.0 */
/* What happens by the clock, with a taker of runs that only notes what it is given. */
#include "store/redis/timers.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "redis_fixture.h"
#include "run/flow_ask.h"
#include "run/flow_settings.h"
#include "store/redis/keys.h"

#define PUSHED_MAX 64

struct pushed {
    char id[RUN_ID_LENGTH + 1];
    struct run run;
    int64_t at_ms;
    int64_t at_us; /* by the wall clock, which is Redis's, too */
    char function_id[32];
    int64_t offset;
    bool has_place;
};

static struct redis_fixture redis;
static struct timers *timers;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct pushed pushed[PUSHED_MAX];
static atomic_int pushed_count, free_workers, cancelled_all, places, lines_seen, asked_to_take_over;
static atomic_bool may_not_take_over;
static char cancelled[RUN_ID_LENGTH + 1];
static struct function known = { .id = "f", .event = "app/x" };
static struct worker_counts counts;

static size_t room(struct run_taker *taker)
{
    (void)taker;
    return (size_t)free_workers;
}

static void take_run(struct run_taker *taker, struct claimed *claimed)
{
    (void)taker;
    struct pushed *at = &pushed[pushed_count % PUSHED_MAX];
    memcpy(at->id, claimed->run.id.text, sizeof(at->id));
    at->run = claimed->run;
    at->at_ms = store_now_ms(redis.store);
    at->at_us = clock_wall_ns() / 1000;
    at->offset = claimed->run.event->view.offset;
    (void)snprintf(at->function_id, sizeof(at->function_id), "%s", claimed->function_id);
    at->has_place = claimed->has_place;
    claimed->release(claimed);
    free_workers--;
    pushed_count++;
}

static size_t reserve(struct run_taker *taker, const struct function *function, size_t max)
{
    size_t count = max < (size_t)places ? max : (size_t)places;

    (void)taker;
    (void)function;
    places -= (int)count;
    return count;
}

static void give_back(struct run_taker *taker, const struct function *function, size_t count)
{
    (void)taker;
    (void)function;
    places += (int)count;
}

static void see_line(struct run_taker *taker, const struct function *function)
{
    (void)taker;
    lines_seen += strcmp(function->id, "f") == 0;
}

static void cancel(struct run_taker *taker, const char *run_id)
{
    (void)taker;
    (void)pthread_mutex_lock(&lock);
    if (run_id != NULL)
        memcpy(cancelled, run_id, sizeof(cancelled));
    else
        cancelled_all++;
    (void)pthread_mutex_unlock(&lock);
}

static void see_queued(struct run_taker *taker, const struct function *function, int64_t change)
{
    (void)taker;
    (void)function;
    (void)change;
}

static const struct run_taker_ops RUN_TAKER_OPS = {
    .free_workers = room,
    .take_run = take_run,
    .reserve = reserve,
    .give_back = give_back,
    .see_line = see_line,
    .see_queued = see_queued,
    .cancel = cancel,
};
static struct run_taker taker = { &RUN_TAKER_OPS };

static const struct function *find_function(void *context, const char *id)
{
    (void)context;
    return strcmp(id, "f") == 0 ? &known : NULL;
}

static void count(void *context, struct worker_counts *ret_counts)
{
    (void)context;
    *ret_counts = counts;
}

static bool may_take_over(void *context)
{
    (void)context;
    asked_to_take_over++;
    return !may_not_take_over;
}

static struct timers_counts counts_now(void)
{
    struct timers_counts now;

    timers_counts(timers, &now);
    return now;
}

static uint64_t lateness_count(const struct timers_counts *now)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        sum += now->lateness.buckets[i];
    return sum;
}

static void start_timers(void)
{
    struct error error = { 0 };

    timers = timers_create(&(struct timers_settings){
        .store = redis.store, .runs = &taker, .find_function = find_function, .count = count, .may_take_over = may_take_over });
    cr_assert_eq(timers_start(timers, &error), 0, "%s", error.text);
}

static void setup(void)
{
    redis_fixture_start(&redis);
    struct store_settings settings = redis_fixture_settings(&redis);
    settings.lease_ms = 500;
    redis.store = redis_fixture_open_with(&settings);
    free_workers = 10;
    start_timers();
}

static void teardown(void)
{
    timers_destroy(timers);
    redis_fixture_stop(&redis);
}

TestSuite(timers, .init = setup, .fini = teardown, .timeout = 180);

static bool comes_to(atomic_int *number, int least)
{
    for (int i = 0; i < 60000 && *number < least; i++)
        (void)usleep(1000);
    return *number >= least;
}

static bool becomes(atomic_int *number, int wanted)
{
    return comes_to(number, wanted) && *number == wanted;
}

/* This worker's name; lives until the next. */
static const char *worker_hex(void)
{
    static char hex[KEYS_WORKER_SIZE];
    struct incarnation self = store_incarnation(redis.store);

    keys_worker(&self, hex);
    return hex;
}

static struct transition_reply park_for(struct sample *sample, int64_t delay_ms)
{
    struct store *port = store_port(redis.store);
    struct transition park = { .kind = TRANSITION_PARK, .status = RUN_DELAYED, .attempt = 1, .delay_ms = delay_ms };
    struct transition_reply reply;

    cr_assert_eq(port->ops->advance(port, &sample->run, &park, &reply), 0);
    cr_assert_eq(reply.answer, STORE_OK);
    return reply;
}

static void take_step(struct sample *sample)
{
    struct store *port = store_port(redis.store);
    const struct transition step = { .kind = TRANSITION_CHECKPOINT, .checkpoint = { "step", 4 } };
    struct transition_reply reply;

    cr_assert_eq(port->ops->advance(port, &sample->run, &step, &reply), 0);
    cr_assert_eq(reply.answer, STORE_OK);
    sample->run.epoch = reply.epoch;
    sample->run.owner = reply.owner;
    sample->run.notes = reply.notes;
}

/* As a worker that died would leave it. */
static void park_as_other(struct sample *sample)
{
    (void)park_for(sample, 86400000);
    (void)redis_says(redis.store, "ZADD t{0}:delayed 0 %s", sample->run.id.text);
}

static void park_in_line(struct sample *sample)
{
    struct store *port = store_port(redis.store);
    struct transition park = { .kind = TRANSITION_PARK, .status = RUN_DELAYED, .waits_in_line = true };
    struct transition_reply reply;

    cr_assert_eq(port->ops->advance(port, &sample->run, &park, &reply), 0);
    cr_assert_eq(reply.answer, STORE_OK);
}

Test(timers, what_waits_in_line_comes_once_there_is_a_place_for_it)
{
    for (int i = 0; i < 5; i++) {
        struct sample sample;
        sample_init(&sample, i);
        park_in_line(&sample);
    }
    cr_assert(comes_to(&lines_seen, 3)); /* several heartbeats */
    cr_assert_eq(pushed_count, 0);
    places = 2;
    cr_assert(comes_to(&pushed_count, 2));
    (void)usleep(300000);
    cr_assert_eq(pushed_count, 2);
    cr_assert(pushed[0].has_place && pushed[1].has_place);
    cr_assert_eq(pushed[0].run.attempt, 0, "to wait is no attempt");
    places = 10;
    cr_assert(becomes(&pushed_count, 5));
    for (int i = 0; i < 10000 && places != 7; i++)
        (void)usleep(1000);
    cr_assert_eq(places, 7, "places that nothing came for are free again");
    int seen = lines_seen;
    (void)usleep(600000);
    cr_assert_leq(lines_seen, seen + 2, "a line that is empty is gone");
}

static int pushed_at_attempt(int attempt)
{
    int count = 0;

    for (int i = 0; i < pushed_count; i++)
        count += pushed[i].run.attempt == attempt;
    return count;
}

Test(timers, lines_leave_room_for_what_is_due_by_the_clock)
{
    free_workers = 0;
    for (int i = 0; i < 40; i++) {
        struct sample sample;
        sample_init(&sample, i);
        if (i % 2 == 0)
            park_in_line(&sample);
        else
            (void)park_for(&sample, 0);
    }
    cr_assert(comes_to(&lines_seen, 2));
    places = 100;
    for (int i = 1; i <= 12; i++) {
        free_workers = 1;
        cr_assert(comes_to(&pushed_count, i));
    }
    cr_assert_geq(pushed_at_attempt(0), 3, "those in line");
    cr_assert_geq(pushed_at_attempt(1), 3, "those that are due");
}

/* ---- turns ----------------------------------------------------------------------------------------------- */

#define TURNS 20
#define TURN_US 7000

static const struct flow_settings throttled = {
    .given = { .throttle = { .limit = 1, .period_ms = TURN_US / 1000 } }, .asks = true, .is_lined = true, .shares_shard = true
};

static void stand_in_line(int64_t offset)
{
    struct store *port = store_port(redis.store);
    enum flow_answer answer = FLOW_BEGINS;
    struct sample sample;
    struct flow_ask ask;

    sample_init(&sample, offset);
    sample.function.flow = &throttled;
    sample.event.timestamp_ms = sample.run.created_ms = clock_wall_ms() - 1000 + offset;
    flow_ask_init(&ask, &sample.function, sample.run.event, 0);
    cr_assert_eq(port->ops->admit(port, &sample.run, &ask, &answer), 0);
    cr_assert_eq(answer, FLOW_IN_LINE);
    flow_ask_done(&ask);
}

/* When the first of their turns is. */
static int64_t queue_until_a_second_from_now(void)
{
    int64_t first_us = clock_wall_ns() / 1000 + 1000000;

    known.flow = &throttled;
    places = free_workers = 2 * TURNS;
    (void)redis_says(redis.store, "EVAL return(redis.call('SET',KEYS[1]..string.char(0)..'-',ARGV[1])) 1 t{0}:turn:f %lld",
                     (long long)first_us);
    for (int i = 0; i < TURNS; i++)
        stand_in_line(i);
    return first_us;
}

Test(timers, turns_are_asked_for_before_they_are_there_and_no_run_begins_before_its_turn)
{
    int64_t first_us = queue_until_a_second_from_now();

    cr_assert(comes_to(&pushed_count, TURNS));
    for (int i = 0; i < TURNS; i++) {
        cr_expect_eq(pushed[i].offset, i);
        cr_expect_geq(pushed[i].at_us, first_us + (int64_t)i * TURN_US, "%lld µs too soon",
                      (long long)(first_us + (int64_t)i * TURN_US - pushed[i].at_us));
        cr_expect(pushed[i].has_place);
    }
    cr_expect_eq(places, TURNS);
    cr_expect_str_eq(redis_says(redis.store, "ZCARD t{0}:queue:f"), "0");
}

Test(timers, a_daemon_that_stops_gives_back_turns_that_are_still_to_come_no_sooner_than_they_are)
{
    int64_t first_us = queue_until_a_second_from_now();

    cr_assert(comes_to(&pushed_count, 1));
    timers_destroy(timers);
    int begun = pushed_count;
    cr_expect_geq(clock_wall_ns() / 1000, pushed[begun - 1].at_us);
    cr_expect_geq(pushed[begun - 1].at_us, first_us + (int64_t)(begun - 1) * TURN_US);
    int in_line = atoi(redis_says(redis.store, "ZCARD t{0}:queue:f"));
    cr_expect_eq(begun + in_line, TURNS, "who had a turn was handed over at it");
    cr_expect_eq(atoi(redis_says(redis.store, "ZCARD t{0}:delayed")), begun, "and is given back, since the taker ended none");
    start_timers();
}

Test(timers, what_is_due_fires_soon_and_not_too_soon)
{
    (void)usleep(100000);
    for (int i = 0; i < 5; i++) {
        struct sample sample;
        sample_init(&sample, i);
        int64_t due_ms = park_for(&sample, 37 + i * 11).due_ms;
        cr_assert(becomes(&pushed_count, i + 1));
        int64_t late_ms = pushed[i].at_ms - due_ms;
        cr_assert(late_ms >= -1 && late_ms <= 10000, "%lld ms late", (long long)late_ms);
        cr_assert_str_eq(pushed[i].id, sample.run.id.text);
        cr_assert_eq(pushed[i].run.attempt, 1);
        cr_assert_eq(pushed[i].run.epoch, 2);
        cr_assert_eq(pushed[i].run.function, &known);
        cr_assert_eq(pushed[i].offset, i);
    }
}

/* Else a sweep finds that nothing says what it waits for, and wakes it. */
static void has_called(const struct sample *sample)
{
    (void)redis_says(redis.store, "HSET t{0}:calls:%s ? 1", sample->run.id.text);
}

Test(timers, what_waits_is_due_once_its_time_is_over_and_no_sooner)
{
    struct store *port = store_port(redis.store);
    struct transition park = { .kind = TRANSITION_PARK, .status = RUN_WAITING, .due_ms = WAIT_FOREVER_MS };
    struct transition_reply reply;
    struct sample forever, sample;

    sample_init(&forever, 1);
    has_called(&forever);
    cr_assert_eq(port->ops->advance(port, &forever.run, &park, &reply), 0);
    sample_init(&sample, 2);
    has_called(&sample);
    park.due_ms = store_now_ms(redis.store) + 600;
    cr_assert_eq(port->ops->advance(port, &sample.run, &park, &reply), 0);
    cr_assert(becomes(&pushed_count, 1));
    cr_assert_str_eq(pushed[0].id, sample.run.id.text);
    cr_assert_geq(pushed[0].at_ms, park.due_ms - 1);
    cr_assert_str_eq(redis_says(redis.store, "ZCARD t{0}:waiting"), "1");
}

Test(timers, what_another_daemon_makes_due_is_found)
{
    struct sample sample;
    sample_init(&sample, 1);
    park_as_other(&sample);
    cr_assert(becomes(&pushed_count, 1));
}

Test(timers, no_more_is_claimed_than_workers_are_free)
{
    free_workers = 3;
    for (int i = 0; i < 8; i++) {
        struct sample sample;
        sample_init(&sample, i);
        (void)park_for(&sample, 0);
    }
    cr_assert(becomes(&pushed_count, 3));
    (void)usleep(100000);
    cr_assert_eq(pushed_count, 3);
    cr_assert_str_eq(redis_says(redis.store, "ZCARD t{0}:delayed"), "5");
    free_workers = 20;
    cr_assert(becomes(&pushed_count, 8));
}

Test(timers, a_function_that_is_not_here_is_named)
{
    struct sample sample;
    sample_init(&sample, 1);
    sample.function.id = "elsewhere";
    (void)park_for(&sample, 0);
    cr_assert(becomes(&pushed_count, 1));
    cr_assert_null(pushed[0].run.function);
    cr_assert_str_eq(pushed[0].function_id, "elsewhere");
}

Test(timers, a_damaged_record_is_put_among_the_dead)
{
    struct sample damaged, lost, good;
    sample_init(&damaged, 1);
    sample_init(&lost, 2);
    sample_init(&good, 3);
    (void)park_for(&damaged, 1500);
    (void)park_for(&lost, 1500);
    (void)redis_says(redis.store, "SETRANGE t{0}:run:%s 64 garbage", damaged.run.id.text);
    (void)redis_says(redis.store, "DEL t{0}:run:%s", lost.run.id.text);
    (void)park_for(&good, 1550);
    cr_assert(becomes(&pushed_count, 1));
    cr_assert_str_eq(pushed[0].id, good.run.id.text);
    cr_assert_str_eq(redis_says(redis.store, "ZRANGE t{0}:dead 0 -1"), damaged.run.id.text);
    cr_assert_str_eq(redis_says(redis.store, "ZCARD t{0}:delayed"), "0");
    cr_assert_str_eq(redis_says(redis.store, "ZRANGE t{0}:owned:%s 0 -1", worker_hex()), good.run.id.text);
}

Test(timers, what_stands_in_the_place_of_a_record_or_of_checkpoints_holds_up_no_other_run)
{
    struct sample no_record, no_checkpoints, good;
    sample_init(&no_record, 1);
    sample_init(&no_checkpoints, 2);
    sample_init(&good, 3);
    (void)park_for(&no_record, 300);
    take_step(&no_checkpoints);
    (void)park_for(&no_checkpoints, 300);
    (void)redis_says(redis.store, "DEL t{0}:run:%s", no_record.run.id.text);
    (void)redis_says(redis.store, "LPUSH t{0}:run:%s x", no_record.run.id.text);
    (void)redis_says(redis.store, "DEL t{0}:steps:%s", no_checkpoints.run.id.text);
    (void)redis_says(redis.store, "SET t{0}:steps:%s x", no_checkpoints.run.id.text);
    (void)park_for(&good, 350);
    cr_assert(becomes(&pushed_count, 1));
    cr_assert_str_eq(pushed[0].id, good.run.id.text);
    for (int i = 0; i < 5000 && strcmp(redis_says(redis.store, "ZCARD t{0}:dead"), "2") != 0; i++)
        (void)usleep(1000);
    cr_assert_str_eq(redis_says(redis.store, "ZCARD t{0}:dead"), "2");
    cr_assert_str_eq(redis_says(redis.store, "ZCARD t{0}:delayed"), "0");
    cr_assert_str_eq(redis_says(redis.store, "ZRANGE t{0}:owned:%s 0 -1", worker_hex()), good.run.id.text);
}

/* With a run of its own, in phase FAILING. */
static void let_a_worker_die(struct sample *sample)
{
    struct store_settings settings = redis_fixture_settings(&redis);
    struct transition failing = { .kind = TRANSITION_PHASE, .phase = RUN_FAILING, .attempt = 4 };
    struct transition_reply reply;

    settings.lease_ms = 50;
    struct redis_store *other = redis_fixture_open_with(&settings);
    struct store *port = store_port(other);
    cr_assert_eq(port->ops->advance(port, &sample->run, &failing, &reply), 0);
    cr_assert_eq(reply.answer, STORE_OK);
    store_destroy(other);
}

Test(timers, runs_of_a_dead_worker_go_on_here)
{
    struct sample sample;

    sample_init(&sample, 1);
    let_a_worker_die(&sample);
    cr_assert(becomes(&pushed_count, 1));
    cr_assert_eq(counts_now().taken_over, 1);
    cr_assert_eq(pushed[0].run.takeovers, 1);
    cr_assert_eq(pushed[0].run.attempt, 4, "a takeover is no attempt");
    cr_assert_eq(pushed[0].run.phase, RUN_FAILING);
}

Test(timers, runs_of_a_dead_worker_stay_where_they_are_until_they_may_be_taken_over)
{
    struct sample sample;

    may_not_take_over = true;
    sample_init(&sample, 1);
    let_a_worker_die(&sample);
    int asked = asked_to_take_over;
    cr_assert(comes_to(&asked_to_take_over, asked + 20));
    cr_assert_eq(pushed_count, 0);
    may_not_take_over = false;
    cr_assert(becomes(&pushed_count, 1));
}

Test(timers, tells_how_many_runs_wait_and_how_late_they_are_claimed)
{
    struct sample late, later;
    sample_init(&late, 1);
    sample_init(&later, 2);
    int64_t began_ms = clock_monotonic_ms();

    (void)park_for(&late, 100);
    (void)park_for(&later, 3600000);
    cr_assert(becomes(&pushed_count, 1));
    while ((counts_now().delayed != 1 || counts_now().owned != 1) && clock_monotonic_ms() - began_ms < 60000)
        (void)usleep(10000);
    struct timers_counts now = counts_now();
    cr_assert_eq(now.delayed, 1);
    cr_assert_eq(now.owned, 1);
    cr_assert_eq(now.dead, 0);
    cr_assert_eq(lateness_count(&now), 1);
    cr_assert_lt(now.lateness.sum, 1000.0 * (double)(clock_monotonic_ms() - began_ms));
}

Test(timers, cancelled_runs_are_told)
{
    struct sample sample;
    struct transition_reply reply;
    struct store *port = store_port(redis.store);
    struct transition failing = { .kind = TRANSITION_PHASE, .phase = RUN_FAILING };
    char hex[KEYS_WORKER_SIZE];

    sample_init(&sample, 1);
    cr_assert_eq(port->ops->advance(port, &sample.run, &failing, &reply), 0);
    struct incarnation self = store_incarnation(redis.store);
    keys_worker(&self, hex);
    (void)redis_says(redis.store, "SADD t{0}:asked:%s %s", hex, sample.run.id.text);
    for (int i = 0; i < 60000 && cancelled[0] == '\0'; i++)
        (void)usleep(1000);
    cr_assert_str_eq(cancelled, sample.run.id.text);
}

Test(timers, a_lease_that_ran_out_is_noticed_and_counters_stay)
{
    char hex[KEYS_WORKER_SIZE];

    counts.runs_started = 5;
    struct incarnation old = store_incarnation(redis.store);
    keys_worker(&old, hex);
    AUTO_FREE char *first_counted = xasprintf("HGET t{0}:stats:%s runs_started", hex);
    cr_assert(redis_comes_to_say(redis.store, "5", first_counted));
    /* What a reaper does to us. */
    (void)redis_says(redis.store, "DEL t{0}:stats:%s", hex);
    (void)redis_says(redis.store, "ZREM t{0}:workers %s", hex);
    (void)redis_says(redis.store, "HINCRBY t{0}:stats runs_started 5");
    cr_assert(becomes(&cancelled_all, 1));
    counts.runs_started = 9;
    struct incarnation new = store_incarnation(redis.store);
    cr_assert_neq(memcmp(&old, &new, sizeof(new)), 0);
    keys_worker(&new, hex);
    AUTO_FREE char *then_counted = xasprintf("HGET t{0}:stats:%s runs_started", hex);
    cr_assert(redis_comes_to_say(redis.store, "4", then_counted));
    cr_assert_eq(redis.new_incarnations, 1);
    cr_assert_eq(redis.rollbacks, 0);
}

Test(timers, after_a_restart_of_redis_all_goes_on)
{
    struct sample sample, later;
    sample_init(&sample, 1);
    sample_init(&later, 2);
    (void)park_for(&sample, 1000);
    redis_fixture_kill(&redis);
    redis_fixture_restart(&redis);
    cr_assert(becomes(&pushed_count, 1));
    struct incarnation self = store_incarnation(redis.store);
    cr_assert_eq(memcmp(&self, &pushed[0].run.owner, sizeof(self)), 0);
    (void)park_for(&later, 20);
    cr_assert(becomes(&pushed_count, 2));
    cr_assert_eq(redis.rollbacks, 1);
}

Test(timers, stopping_gives_back_what_is_owned)
{
    struct sample sample;
    sample_init(&sample, 1);
    counts.events_consumed = 3;
    (void)park_for(&sample, 0);
    cr_assert(becomes(&pushed_count, 1));
    timers_destroy(timers);
    timers = NULL;
    cr_assert_str_eq(redis_says(redis.store, "ZRANGE t{0}:delayed 0 -1"), sample.run.id.text);
    cr_assert_str_eq(redis_says(redis.store, "ZCARD t{0}:workers"), "0");
    cr_assert_str_eq(redis_says(redis.store, "HGET t{0}:stats events_consumed"), "3");
}

Test(timers, stopping_does_not_wait_for_a_redis_that_is_away)
{
    redis_fixture_kill(&redis);
    (void)usleep(300000);
    int64_t start_ms = clock_monotonic_ms();
    timers_destroy(timers);
    timers = NULL;
    cr_assert_lt(clock_monotonic_ms() - start_ms, 30000);
}

Test(timers, what_is_committed_is_forgotten)
{
    struct sample sample;
    sample_init(&sample, 1);
    (void)park_for(&sample, 60000);
    timers_trim(timers, "events", 3, 2);
    cr_assert(redis_comes_to_say(redis.store, "0", "ZCARD t{0}:taken:events:3"));
}

Test(timers, a_pause_claims_nothing)
{
    struct sample sample;
    sample_init(&sample, 1);
    timers_pause(timers);
    (void)park_for(&sample, 0);
    (void)usleep(400000);
    cr_assert_eq(pushed_count, 0);
}
