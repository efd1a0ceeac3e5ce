/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/rounds_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/redis/held.h"
#include "store/redis/record.h"

#define CLAIM_AT_ONCE 32  /* a claim of 100 held Redis up for 1.7 ms, one of 10 for 0.18 */
#define CLAIM_LEAST_MS 2  /* from one that leaves nothing due to the next: what becomes due meanwhile is claimed together */
#define LINES_AT_ONCE 32  /* the same out of lines, where nothing else is due */
#define LEAD_MS 10        /* lines are asked for turns so long before these are there: throttle.lua gives those of twice as long */
#define CLAIM_POLL_MS 250 /* for what other daemons park earlier than what we know of */
#define OVERDUE_POLL_MS 250
#define CLAIM_STARVED_MS 3 /* due, but no worker free … */
#define CLAIM_BUSY_MS 1    /* … where runs were claimed a moment ago: their workers may be free soon */
#define JUST_NOW_MS 10

/* ---- runs that can't be read --------------------------------------------------------------------- */

static int64_t condemn_when(struct rounds *rounds, int64_t now_ms)
{
    return rounds->condemned != NULL ? now_ms : NEVER;
}

static void condemn_ask(struct rounds *rounds, struct script_call *call)
{
    script_add_text(call, rounds->condemned->id.text);
    script_add_self(rounds_store(rounds), call);
}

void rounds_drop_condemned(struct rounds *rounds)
{
    struct condemned *first = rounds->condemned;

    rounds->condemned = first->next;
    free(first);
}

static void condemn_hear(struct rounds *rounds, const redisReply *reply)
{
    (void)reply;
    rounds_drop_condemned(rounds);
}

/* Others must not wait for it. */
static void condemn_give_up(struct rounds *rounds)
{
    rounds_say_lost(rounds->condemned->id.text, "can't even be put among the dead: it stays as it is");
    rounds_drop_condemned(rounds);
}

const struct errand ERRAND_CONDEMN = {
    .script = "condemn",
    .when = condemn_when,
    .ask = condemn_ask,
    .hear = condemn_hear,
    .give_up = condemn_give_up,
};

void rounds_condemn(struct rounds *rounds, const char *id, const char *why)
{
    struct condemned *condemned = xcalloc(1, sizeof(*condemned));
    AUTO_FREE char *text = xasprintf("can't be read (%s): it goes no further", why);

    rounds_say_lost(id, text);
    memcpy(condemned->id.text, id, RUN_ID_LENGTH + 1);
    condemned->next = rounds->condemned;
    rounds->condemned = condemned;
}

/* ---- what is due -------------------------------------------------------------------------------- */

size_t rounds_free_workers(const struct rounds *rounds)
{
    struct run_taker *runs = rounds->common->runs;
    size_t free_count = runs->ops->free_workers(runs);

    return free_count > rounds->common->promised ? free_count - rounds->common->promised : 0;
}

void rounds_promise(struct rounds *rounds, size_t count)
{
    rounds->promised = count;
    rounds->common->promised += count;
}

void rounds_give_places_back(struct rounds *rounds)
{
    struct run_taker *runs = rounds->common->runs;

    for (; rounds->place_count > 0; rounds->place_count--) {
        const struct place *place = &rounds->places[rounds->place_count - 1];
        if (place->count > 0)
            runs->ops->give_back(runs, place->function, place->count);
    }
}

/* ---- lines ---------------------------------------------------------------------------------------- */

static struct line *line_find(struct rounds *rounds, const struct function *function)
{
    for (size_t i = 0; i < rounds->line_count; i++) {
        if (rounds->lines[i].function->index == function->index)
            return &rounds->lines[i];
    }
    return NULL;
}

bool rounds_knows_line(const struct rounds *rounds, const struct function *function)
{
    return line_find((struct rounds *)(uintptr_t)rounds, function) != NULL;
}

void rounds_see_line(struct rounds *rounds, const struct function *function, int64_t due_ms)
{
    struct line *line = line_find(rounds, function);

    if (line == NULL && rounds->line_count < LINES_MOST)
        rounds->lines[rounds->line_count++] = (struct line){ function, due_ms };
    else if (line != NULL && due_ms < line->due_ms)
        line->due_ms = due_ms;
}

bool lines_due_add(struct lines_due *lines, const struct function *function, int64_t due_ms)
{
    bool is_earlier = lines->count == 0 || due_ms < lines->due_ms;

    if (is_earlier)
        lines->due_ms = due_ms;
    for (size_t i = 0; i < lines->count; i++) {
        if (lines->functions[i]->index == function->index)
            return is_earlier;
    }
    if (lines->count == LINES_DUE_MOST)
        return is_earlier;
    lines->functions[lines->count++] = function;
    return true;
}

/* A place that one gives back may be what another's line waits for. */
void rounds_expect_in_lines(struct rounds *rounds, const struct lines_due *due)
{
    for (size_t i = 0; i < due->count; i++) {
        const struct function *function = due->functions[i];
        rounds_see_line(rounds, function, due->due_ms);
        if (function->flow != NULL && flow_has_debounce(function->flow))
            rounds_expect_ripe(rounds, due->due_ms);
    }
    for (size_t i = 0; due->count > 0 && i < rounds->line_count; i++)
        rounds_see_line(rounds, rounds->lines[i].function, due->due_ms);
}

static bool is_line_due(const struct rounds *rounds, const struct line *line)
{
    return line->due_ms <= store_shard_now_ms(rounds_store(rounds), rounds->shard);
}

/* Monotonic ms. */
static int64_t next_line_ms(const struct rounds *rounds, int64_t now_ms)
{
    int64_t next_ms = NEVER;

    for (size_t i = 0; i < rounds->line_count; i++) {
        int64_t wait_ms = rounds->lines[i].due_ms - store_shard_now_ms(rounds_store(rounds), rounds->shard);
        int64_t at_ms = wait_ms > 0 ? now_ms + wait_ms : now_ms;
        next_ms = at_ms < next_ms ? at_ms : next_ms;
    }
    return next_ms;
}

/* Places for runs that wait in line, no more than `room`; each line in its turn. */
static void reserve_places(struct rounds *rounds, size_t room)
{
    struct run_taker *runs = rounds->common->runs;
    size_t lines = rounds->line_count;

    for (size_t i = 0; i < lines && room > 0 && rounds->place_count < PLACES_MOST; i++) {
        const struct line *line = &rounds->lines[(rounds->next_line + i) % lines];
        const struct function *function = function_newest(line->function);
        if (!is_line_due(rounds, line))
            continue;
        size_t count = runs->ops->reserve(runs, function, room);
        if (count == 0)
            continue;
        rounds->places[rounds->place_count++] = (struct place){ function, count };
        room -= count;
    }
    rounds->next_line = lines > 0 ? (rounds->next_line + 1) % lines : 0;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool are_others_due(const struct rounds *rounds)
{
    return rounds->due_ms <= store_shard_now_ms(rounds_store(rounds), rounds->shard);
}

/* Where others are due, half of the room is theirs; of a single place every second one. */
static size_t share_of_lines(const struct rounds *rounds)
{
    size_t room = rounds_free_workers(rounds);

    return are_others_due(rounds) ? (least(room, CLAIM_AT_ONCE) + (rounds->serial & 1)) / 2 : least(room, LINES_AT_ONCE);
}

/* Whether runs in line are to be asked for now: then their places are reserved. */
static bool can_claim_in_line(struct rounds *rounds, int64_t now_ms)
{
    if (rounds->place_count == 0 && rounds->line_count > 0 && rounds->next_claim_ms <= now_ms)
        reserve_places(rounds, share_of_lines(rounds));
    return rounds->place_count > 0;
}

static int64_t starved_until_ms(const struct rounds *rounds, int64_t now_ms)
{
    return now_ms + (now_ms - rounds->claimed_ms < JUST_NOW_MS ? CLAIM_BUSY_MS : CLAIM_STARVED_MS);
}

static int64_t claim_when(struct rounds *rounds, int64_t now_ms)
{
    if (rounds->common->is_paused || rounds->common->is_leaving || !rounds->is_known)
        return NEVER;
    if (can_claim_in_line(rounds, now_ms))
        return now_ms;
    int64_t wait_ms = rounds->due_ms - store_shard_now_ms(rounds_store(rounds), rounds->shard);
    int64_t when_ms = wait_ms < CLAIM_POLL_MS ? now_ms + wait_ms : now_ms + CLAIM_POLL_MS;
    if (when_ms < rounds->next_claim_ms)
        when_ms = rounds->next_claim_ms;
    int64_t line_ms = next_line_ms(rounds, now_ms);
    if (line_ms <= now_ms && when_ms > starved_until_ms(rounds, now_ms))
        return starved_until_ms(rounds, now_ms); /* for a place */
    if (line_ms > now_ms && line_ms < when_ms)
        when_ms = line_ms;
    return when_ms <= now_ms && rounds_free_workers(rounds) == 0 ? starved_until_ms(rounds, now_ms) : when_ms;
}

static bool waits_for_turns_alone(const struct function *function)
{
    const struct flow_settings *flow = function->flow;

    return flow != NULL && flow->given.throttle.limit > 0 && flow->given.concurrency_limits.count == 0 && !flow_has_breaker(flow) &&
           !flow->has_tried_cancels && function->concurrency == 0;
}

/* No more than half of the workers that are free are kept for turns that are still to come: each line's share of them. */
static size_t early_turns(const struct rounds *rounds)
{
    size_t free_count = rounds_free_workers(rounds), kept = rounds->common->coming;

    assert(rounds->place_count > 0);
    return free_count > kept ? (free_count - kept) / 2 / rounds->place_count : 0;
}

/* As turns.lua reads them. */
static void pack_rules(const struct function *function, size_t lives, size_t early, msgpack_sbuffer *rules)
{
    static const struct stepd_function nothing = { .id = NULL };
    const struct stepd_function *given = function->flow != NULL ? &function->flow->given : &nothing;
    const struct stepd_throttle *throttle = &given->throttle;
    int64_t interval_us = throttle->limit > 0 ? flow_interval_us(throttle->period_ms, throttle->limit) : 0;
    bool counts_lives = lives > 0 && function->flow != NULL && function->flow->has_tried_cancels;
    bool may_be_early = early > 0 && waits_for_turns_alone(function);
    msgpack_packer packer;

    msgpack_sbuffer_clear(rules);
    msgpack_packer_init(&packer, rules, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 2U + 2U * (throttle->limit > 0) + counts_lives + may_be_early);
    if (may_be_early) {
        msgpack_pack_str_with_body(&packer, "early", 5);
        msgpack_pack_uint64(&packer, early);
    }
    if (counts_lives) {
        msgpack_pack_str_with_body(&packer, "lives", 5);
        msgpack_pack_uint64(&packer, lives);
    }
    msgpack_pack_str_with_body(&packer, "breaker", 7);
    given->breaker.failures > 0 ? msgpack_pack_true(&packer) : msgpack_pack_false(&packer);
    if (throttle->limit > 0) {
        msgpack_pack_str_with_body(&packer, "interval", 8);
        msgpack_pack_int64(&packer, interval_us);
        msgpack_pack_str_with_body(&packer, "tolerance", 9);
        msgpack_pack_int64(&packer, flow_tolerance_us(interval_us, throttle->limit + throttle->burst));
    }
    msgpack_pack_str_with_body(&packer, "limits", 6);
    msgpack_pack_array(&packer, given->concurrency_limits.count);
    for (size_t i = 0; i < given->concurrency_limits.count; i++)
        msgpack_pack_int64(&packer, given->concurrency_limits.items[i].limit);
}

static void claim_ask(struct rounds *rounds, struct script_call *call)
{
    size_t most = rounds->place_count > 0 && !are_others_due(rounds) ? LINES_AT_ONCE : CLAIM_AT_ONCE;

    rounds->early = rounds->place_count > 0 ? early_turns(rounds) : 0;
    rounds_promise(rounds, least(rounds_free_workers(rounds), most));
    rounds->due_ms = NEVER; /* rounds_expect() may know better meanwhile */
    script_add_self(rounds_store(rounds), call);
    script_add_number(call, (int64_t)++rounds->serial);
    script_add_number(call, (int64_t)rounds->promised);
    for (size_t i = 0; i < rounds->place_count; i++) {
        script_add_text(call, rounds->places[i].function->id);
        script_add_number(call, (int64_t)rounds->places[i].count);
        pack_rules(rounds->places[i].function, store_settings(rounds_store(rounds))->waits, rounds->early, &rounds->rules[i]);
        script_add(call, (struct bytes){ rounds->rules[i].data, rounds->rules[i].size });
    }
}

/* When to ask for a turn that is there at `at_ms`: before, and later again where it was not given; both the store's time. */
static int64_t ask_at(const struct rounds *rounds, const struct function *function, int64_t at_ms, int64_t now_ms)
{
    int64_t wait_ms = at_ms - now_ms;

    if (wait_ms <= 0 || rounds->early == 0 || !waits_for_turns_alone(function_newest(function)))
        return at_ms;
    return at_ms - (wait_ms / 2 < LEAD_MS ? wait_ms / 2 : LEAD_MS);
}

/* A line that gave less than was asked for is empty, until a heartbeat says otherwise, or is to be tried later. Whether one is to be
 * tried now. */
static bool settle_lines(struct rounds *rounds, const redisReply *again, int64_t now_ms)
{
    bool is_due = false;

    for (size_t i = 0; i < rounds->place_count; i++) {
        const struct place *place = &rounds->places[i];
        struct line *line = line_find(rounds, place->function);
        int64_t again_ms = i < again->elements ? again->element[i]->integer : -1;
        if (line == NULL)
            continue;
        is_due = is_due || (again_ms >= 0 && again_ms <= now_ms);
        if (again_ms >= 0)
            line->due_ms = ask_at(rounds, line->function, again_ms, now_ms);
        else if (place->count > 0)
            *line = rounds->lines[--rounds->line_count];
    }
    return is_due;
}

static void hear_joined(struct rounds *rounds, const redisReply *joined)
{
    const struct rounds_common *common = rounds->common;

    for (size_t i = 0; i < joined->elements; i++) {
        const struct function *function = common->find_function(common->context, joined->element[i]->str);
        if (function != NULL)
            rounds_see_line(rounds, function, 0);
    }
}

/* A run that comes where a place was kept for one of its function gets it. */
static bool take_place(struct rounds *rounds, const struct function *function)
{
    for (size_t i = 0; i < rounds->place_count; i++) {
        struct place *place = &rounds->places[i];
        if (function == NULL || place->function->index != function->index || place->count == 0)
            continue;
        place->count--;
        return true;
    }
    return false;
}

/* A worker is kept free for it. */
static void keep_until_turn(struct rounds *rounds, struct claimed *claimed, int64_t turn_us)
{
    struct rounds_common *common = rounds->common;

    common->coming++;
    common->promised++;
    coming_add(&rounds->coming, claimed, turn_us - store_shard_clock_us(common->store, rounds->shard));
}

void rounds_hand_over(struct rounds *rounds, int64_t now_us)
{
    struct rounds_common *common = rounds->common;
    struct claimed *claimed;

    while ((claimed = coming_take(&rounds->coming, now_us)) != NULL) {
        assert(common->coming > 0 && common->promised >= common->coming);
        common->coming--;
        common->promised--;
        common->runs->ops->take_run(common->runs, claimed);
    }
}

static void give(struct rounds *rounds, const redisReply *run, int64_t now_ms)
{
    struct rounds_common *common = rounds->common;
    struct claimed *claimed = NULL;
    struct error error = { 0 };

    if (held_create(run, now_ms, &claimed, &error) != 0) {
        rounds_condemn(rounds, run->element[0]->str, error.text);
        return;
    }
    int64_t due_ms = record_changed_ms(run->element[2]->str); /* as it was before the claim */
    histogram_add(&common->lateness, (double)(now_ms - due_ms) * 1000);
    claimed->run.function = common->find_function(common->context, claimed->function_id);
    claimed->has_place = take_place(rounds, claimed->run.function);
    int64_t turn_us = run->element[5]->integer;
    if (turn_us == 0)
        common->runs->ops->take_run(common->runs, claimed);
    else
        keep_until_turn(rounds, claimed, turn_us);
}

static void claim_hear(struct rounds *rounds, const redisReply *reply)
{
    int64_t now_ms = reply->element[1]->integer;
    int64_t next_ms = reply->element[2]->integer;
    const redisReply *runs = reply->element[3];

    if (reply->element[0]->integer != 0) {
        rounds->next_beat_ms = 0; /* which settles it */
        rounds->next_claim_ms = clock_monotonic_ms() + CLAIM_STARVED_MS;
        rounds_expect(rounds, 0);
        return;
    }
    for (size_t i = 0; i < runs->elements; i++)
        give(rounds, runs->element[i], now_ms);
    if (runs->elements > 0)
        rounds->claimed_ms = clock_monotonic_ms();
    bool is_more = settle_lines(rounds, reply->element[4], now_ms) || (next_ms >= 0 && next_ms <= now_ms);
    hear_joined(rounds, reply->element[5]);
    rounds->next_claim_ms = is_more ? 0 : clock_monotonic_ms() + CLAIM_LEAST_MS; /* our clock may be a little ahead of Redis's, too */
    rounds_expect(rounds, next_ms >= 0 && next_ms < now_ms + CLAIM_POLL_MS ? next_ms : now_ms + CLAIM_POLL_MS);
}

const struct errand ERRAND_CLAIM = { .script = "claim", .when = claim_when, .ask = claim_ask, .hear = claim_hear };

/* ---- what has waited for long enough -------------------------------------------------------------- */

static int64_t overdue_when(struct rounds *rounds, int64_t now_ms)
{
    (void)now_ms;
    return rounds->common->is_paused || rounds->common->is_leaving || !rounds->is_known ? NEVER : rounds->next_overdue_ms;
}

static void overdue_ask(struct rounds *rounds, struct script_call *call)
{
    (void)rounds;
    (void)call;
}

static void overdue_hear(struct rounds *rounds, const redisReply *reply)
{
    int64_t now_ms = reply->element[1]->integer;
    int64_t next_ms = reply->element[2]->integer;
    bool is_soon = next_ms >= 0 && next_ms < now_ms + OVERDUE_POLL_MS;

    if (reply->element[0]->integer > 0)
        rounds_expect(rounds, now_ms);
    rounds->next_overdue_ms = clock_monotonic_ms() + (!is_soon ? OVERDUE_POLL_MS : next_ms > now_ms ? next_ms - now_ms : 0);
}

const struct errand ERRAND_OVERDUE = { .script = "overdue", .when = overdue_when, .ask = overdue_ask, .hear = overdue_hear };

void rounds_expect(struct rounds *rounds, int64_t due_ms)
{
    if (due_ms < rounds->due_ms)
        rounds->due_ms = due_ms;
}
