/* SPDX-License-Identifier: Apache-2.0 */
/* The schedules of functions: each daemon asks at each tick, and the store records it once. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "run/flow_ask.h"
#include "run/flow_settings.h"
#include "run/schedule.h"
#include "store/redis/port_flow.h"
#include "store/redis/record.h"
#include "store/redis/rounds_internal.h"

#define MISSED_AFTER_MS 10000 /* a tick that nobody could record for so long was missed */
#define PATIENCE_MS 2000      /* before a tick is said to be missed: another daemon may be about to record it */
#define LOOK_EVERY_MS 1000
#define EARLY_MS 20 /* until it is asked again, where the clocks differ */

enum tick_answer { TICK_RECORDED, TICK_KNOWN, TICK_EARLY };

/* A function with a schedule whose ticks are recorded in this shard. */
struct scheduled {
    const struct function *function;  /* any of its id */
    const struct flow_settings *flow; /* by which `next` was worked out */
    bool is_known;                    /* what was recorded last is: */
    int64_t last_ms;
    bool has_next;
    struct tick next;
    bool is_paused; /* then none is recorded: they are missed */
};

struct ticks {
    struct scheduled *items;
    size_t count;
    int64_t since_ms; /* the store's time from which on this daemon looks; 0: it does not yet */
    int64_t next_ms;  /* monotonic: when to ask; NEVER: there is nothing to ask */
    int64_t look_ms;  /* monotonic: when to see again which functions have a schedule: apps and programs come and go */
    /* Of what is asked: */
    struct scheduled *asked;
    bool runs;
    struct run_id id;
    msgpack_sbuffer body;
    int64_t ahead_us;
    msgpack_sbuffer flow; /* what its run waits for; empty: nothing */
};

static const struct flow_settings *settings_of(const struct scheduled *scheduled)
{
    return function_newest(scheduled->function)->flow;
}

static int shard_of(const struct rounds *rounds, const struct function *function)
{
    struct run_id id = run_id_of_tick(function_newest(function), 0);

    return (int)(run_id_placement(id.text) % (unsigned)store_shards(rounds_store(rounds)));
}

struct ticks *ticks_create(void)
{
    struct ticks *ticks = xcalloc(1, sizeof(*ticks));

    msgpack_sbuffer_init(&ticks->body);
    msgpack_sbuffer_init(&ticks->flow);
    return ticks;
}

void ticks_destroy(struct ticks *ticks)
{
    msgpack_sbuffer_destroy(&ticks->body);
    msgpack_sbuffer_destroy(&ticks->flow);
    free(ticks->items);
    free(ticks);
}

/* ---- which, and when ------------------------------------------------------------------------------ */

static int64_t shard_now_ms(const struct rounds *rounds)
{
    return store_shard_now_ms(rounds_store(rounds), rounds->shard);
}

/* Up to then, what is not recorded was missed. */
static int64_t missed_until_ms(const struct ticks *ticks, int64_t now_ms)
{
    int64_t late_ms = now_ms - MISSED_AFTER_MS;

    return late_ms > ticks->since_ms - 1 ? late_ms : ticks->since_ms - 1;
}

static int64_t ask_at_ms(const struct ticks *ticks, const struct scheduled *scheduled)
{
    int64_t at_ms = scheduled->next.at_ms;

    return at_ms < ticks->since_ms ? ticks->since_ms + PATIENCE_MS : at_ms;
}

/* The store's time; INT64_MAX: never. */
static int64_t due_ms(const struct ticks *ticks, const struct scheduled *scheduled)
{
    if (!scheduled->is_known)
        return 0;
    if (scheduled->is_paused)
        return INT64_MAX;
    return scheduled->has_next ? ask_at_ms(ticks, scheduled) : INT64_MAX;
}

static struct scheduled *first_due(const struct ticks *ticks)
{
    struct scheduled *first = &ticks->items[0];

    assert(ticks->count > 0);
    for (size_t i = 1; i < ticks->count; i++) {
        if (due_ms(ticks, &ticks->items[i]) < due_ms(ticks, first))
            first = &ticks->items[i];
    }
    return first;
}

static void plan(struct rounds *rounds)
{
    struct ticks *ticks = rounds->ticks;
    int64_t store_ms = shard_now_ms(rounds);
    int64_t first_ms = due_ms(ticks, first_due(ticks));

    ticks->next_ms = first_ms == INT64_MAX ? NEVER : clock_monotonic_ms() + (first_ms > store_ms ? first_ms - store_ms : 0);
}

/* Functions that are looked at, one after the other. */
struct look {
    const struct rounds *rounds;
    struct scheduled *items;
    size_t count;
};

static struct scheduled known_of(const struct ticks *ticks, const char *id)
{
    for (size_t i = 0; i < ticks->count; i++) {
        if (strcmp(ticks->items[i].function->id, id) == 0)
            return ticks->items[i];
    }
    return (struct scheduled){ .is_known = false };
}

static void look_at(void *context, const struct function *function)
{
    struct look *look = context;
    struct run_taker *runs = look->rounds->common->runs;
    const struct flow_settings *flow = function_newest(function)->flow;

    if (flow == NULL || flow->schedule == NULL || shard_of(look->rounds, function) != look->rounds->shard)
        return;
    struct scheduled item = known_of(look->rounds->ticks, function->id);
    item.function = function;
    if (item.is_known && item.flow != flow)
        item.has_next = schedule_next(flow->schedule, item.last_ms, &item.next);
    item.flow = flow;
    item.is_paused = runs->ops->is_paused(runs, function);
    look->items = xrealloc(look->items, (look->count + 1) * sizeof(*look->items));
    look->items[look->count++] = item;
}

static void look_again(struct rounds *rounds, int64_t now_ms)
{
    const struct rounds_common *common = rounds->common;
    struct ticks *ticks = rounds->ticks;
    struct look look = { .rounds = rounds };

    ticks->look_ms = now_ms + LOOK_EVERY_MS;
    if (common->each_function == NULL)
        return;
    common->each_function(common->context, look_at, &look);
    free(ticks->items);
    ticks->items = look.items;
    ticks->count = look.count;
    if (ticks->count > 0)
        plan(rounds);
    else
        ticks->next_ms = NEVER;
}

static int64_t tick_when(struct rounds *rounds, int64_t now_ms)
{
    const struct rounds_common *common = rounds->common;
    struct ticks *ticks = rounds->ticks;

    if (common->is_leaving || common->is_paused || !rounds->is_known)
        return NEVER;
    if (ticks->look_ms <= now_ms)
        look_again(rounds, now_ms);
    if (ticks->count == 0)
        return ticks->look_ms;
    return ticks->next_ms < ticks->look_ms ? ticks->next_ms : ticks->look_ms;
}

/* ---- asking --------------------------------------------------------------------------------------- */

/* The tick that is to be recorded now, and whether it runs. */
static struct tick choose(const struct rounds *rounds, const struct scheduled *scheduled, bool *ret_runs)
{
    const struct flow_settings *flow = settings_of(scheduled);
    int64_t until_ms = missed_until_ms(rounds->ticks, shard_now_ms(rounds));
    struct tick tick = scheduled->next;

    assert(scheduled->is_known && scheduled->has_next);
    *ret_runs = true;
    if (tick.at_ms > until_ms || flow->given.catch_up == STEPD_CATCH_UP_ALL)
        return tick;
    (void)schedule_last(flow->schedule, scheduled->last_ms, until_ms, &tick);
    *ret_runs = flow->given.catch_up == STEPD_CATCH_UP_LAST;
    return tick;
}

/* What delays events delays ticks as well; what drops them does not apply. */
static void write_flow(struct ticks *ticks, const struct run *run, int64_t now_ms)
{
    struct flow_ask ask;

    msgpack_sbuffer_clear(&ticks->flow);
    if (!function_is_lined(run->function))
        return;
    flow_ask_init_again(&ask, run->function, run->event, now_ms);
    port_pack_flow(&ticks->flow, run, &ask);
    ticks->ahead_us = ask.priority_ms * 1000;
    flow_ask_done(&ask);
}

static void write_run(const struct rounds *rounds, const struct scheduled *scheduled, const struct tick *tick)
{
    struct ticks *ticks = rounds->ticks;
    struct event event = { 0 };
    struct error error = { 0 };
    msgpack_sbuffer value;
    msgpack_packer packer;

    msgpack_sbuffer_init(&value);
    schedule_write_event(&value, ticks->id.text, tick);
    event_init(&event, rounds->common->tick_topic, -1, -1, tick->at_ms, (struct bytes){ 0 }, (struct bytes){ value.data, value.size }, NULL,
               0);
    (void)event_find_name(&event, &error);
    const struct run run = { .function = function_newest(scheduled->function), .event = &event };
    msgpack_sbuffer_clear(&ticks->body);
    msgpack_packer_init(&packer, &ticks->body, msgpack_sbuffer_write);
    record_pack_body(&packer, &run);
    write_flow(ticks, &run, shard_now_ms(rounds));
    event_done(&event);
    msgpack_sbuffer_destroy(&value);
}

static void tick_ask(struct rounds *rounds, struct script_call *call)
{
    struct ticks *ticks = rounds->ticks;
    struct scheduled *scheduled = first_due(ticks);
    struct tick tick = { 0 };

    ticks->asked = scheduled;
    ticks->runs = false;
    if (scheduled->is_known)
        tick = choose(rounds, scheduled, &ticks->runs);
    ticks->id = run_id_of_tick(function_newest(scheduled->function), tick.at_ms);
    if (ticks->runs)
        write_run(rounds, scheduled, &tick);
    script_add_text(call, scheduled->function->id);
    script_add_number(call, tick.at_ms);
    script_add_text(call, ticks->runs ? "1" : "0");
    script_add_text(call, ticks->id.text);
    script_add_number(call, (clock_monotonic_ns() & 0x3fffffff) | 1); /* no other record's, should a rollback bring it back */
    script_add(call, ticks->runs ? (struct bytes){ ticks->body.data, ticks->body.size } : (struct bytes){ "", 0 });
    script_add(call, ticks->runs ? (struct bytes){ ticks->flow.data, ticks->flow.size } : (struct bytes){ "", 0 });
    script_add_number(call, ticks->ahead_us);
}

static void learn(struct scheduled *scheduled, int64_t last_ms)
{
    scheduled->is_known = true;
    scheduled->last_ms = last_ms;
    scheduled->has_next = schedule_next(settings_of(scheduled)->schedule, last_ms, &scheduled->next);
}

static void tick_hear(struct rounds *rounds, const redisReply *reply)
{
    struct ticks *ticks = rounds->ticks;
    struct scheduled *scheduled = ticks->asked;
    enum tick_answer answer = (enum tick_answer)reply->element[0]->integer;
    int64_t now_ms = reply->element[1]->integer;

    assert(scheduled != NULL);
    if (ticks->since_ms == 0)
        ticks->since_ms = now_ms;
    if (answer == TICK_EARLY) {
        ticks->next_ms = clock_monotonic_ms() + EARLY_MS;
        return;
    }
    bool was_known = scheduled->is_known;
    learn(scheduled, reply->element[2]->integer);
    if (answer == TICK_RECORDED && ticks->runs) {
        rounds_expect(rounds, now_ms);
        if (ticks->flow.size > 0)
            rounds_see_line(rounds, scheduled->function, 0);
    }
    if (answer == TICK_RECORDED && !ticks->runs && was_known)
        log_info("function %s: missed ticks do not run (catch_up: none)", scheduled->function->id);
    plan(rounds);
}

const struct errand ERRAND_TICK = { .script = "tick", .when = tick_when, .ask = tick_ask, .hear = tick_hear };
