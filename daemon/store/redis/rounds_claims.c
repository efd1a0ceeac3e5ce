/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/rounds_parts.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/redis/held.h"
#include "store/redis/record.h"

#define CLAIM_AT_ONCE 10          /* a claim of 100 holds Redis up for 1.7 ms, one of 10 for 0.18 */
#define CLAIM_POLL_MS 250         /* for what other daemons park earlier than what we know of */
#define CLAIM_STARVED_MS 3        /* due, but no worker free */

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
    .script = "condemn", .when = condemn_when, .ask = condemn_ask, .hear = condemn_hear, .give_up = condemn_give_up,
};

static void condemn(struct rounds *rounds, const char *id, const char *why)
{
    struct condemned *condemned = xcalloc(1, sizeof(*condemned));
    AUTO_FREE char *text = xasprintf("can't be read (%s): it goes no further", why);

    rounds_say_lost(id, text);
    memcpy(condemned->id.text, id, RUN_ID_LENGTH + 1);
    condemned->next = rounds->condemned;
    rounds->condemned = condemned;
}

/* ---- what is due -------------------------------------------------------------------------------- */

static size_t free_workers(const struct rounds *rounds)
{
    struct run_taker *runs = rounds->common->runs;
    size_t free_count = runs->ops->free_workers(runs);

    return free_count > rounds->common->promised ? free_count - rounds->common->promised : 0;
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

/* Places for runs that wait in line, no more than `room`; each line in its turn. */
static void reserve_places(struct rounds *rounds, size_t room)
{
    struct run_taker *runs = rounds->common->runs;
    size_t lines = rounds->line_count;

    for (size_t i = 0; i < lines && room > 0 && rounds->place_count < PLACES_MOST; i++) {
        const struct function *function = rounds->lines[(rounds->next_line + i) % lines];
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

/* Where others are due, half of the room is theirs; of a single place every second one. */
static size_t share_of_lines(const struct rounds *rounds)
{
    size_t room = least(free_workers(rounds), CLAIM_AT_ONCE);
    bool is_due = rounds->due_ms <= store_shard_now_ms(rounds_store(rounds), rounds->shard);

    return is_due ? (room + (rounds->serial & 1)) / 2 : room;
}

/* Whether runs in line are to be asked for now: then their places are reserved. */
static bool can_claim_in_line(struct rounds *rounds, int64_t now_ms)
{
    if (rounds->place_count == 0 && rounds->line_count > 0 && rounds->next_claim_ms <= now_ms)
        reserve_places(rounds, share_of_lines(rounds));
    return rounds->place_count > 0;
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
    if (when_ms > now_ms + CLAIM_STARVED_MS && rounds->line_count > 0)
        return now_ms + CLAIM_STARVED_MS; /* for a place */
    return when_ms <= now_ms && free_workers(rounds) == 0 ? now_ms + CLAIM_STARVED_MS : when_ms;
}

static void claim_ask(struct rounds *rounds, struct script_call *call)
{
    size_t room = free_workers(rounds);

    rounds->promised = least(room, CLAIM_AT_ONCE);
    rounds->common->promised += rounds->promised;
    rounds->due_ms = NEVER; /* rounds_expect() may know better meanwhile */
    script_add_self(rounds_store(rounds), call);
    script_add_number(call, (int64_t)++rounds->serial);
    script_add_number(call, (int64_t)rounds->promised);
    for (size_t i = 0; i < rounds->place_count; i++) {
        script_add_text(call, rounds->places[i].function->id);
        script_add_number(call, (int64_t)rounds->places[i].count);
    }
}

/* What was asked for more than came: the line is empty, until a heartbeat says otherwise. */
static void forget_empty_lines(struct rounds *rounds)
{
    for (size_t i = 0; i < rounds->place_count; i++) {
        for (size_t at = 0; at < rounds->line_count && rounds->places[i].count > 0; at++) {
            if (rounds->lines[at] == rounds->places[i].function)
                rounds->lines[at--] = rounds->lines[--rounds->line_count];
        }
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

static void give(struct rounds *rounds, const redisReply *run, int64_t now_ms)
{
    struct rounds_common *common = rounds->common;
    struct claimed *claimed = NULL;
    struct error error = { 0 };

    if (held_create(run, now_ms, &claimed, &error) != 0) {
        condemn(rounds, run->element[0]->str, error.text);
        return;
    }
    int64_t due_ms = record_changed_ms(run->element[2]->str); /* as it was before the claim */
    histogram_add(&common->lateness, (double)(now_ms - due_ms) * 1000);
    claimed->run.function = common->find_function(common->context, claimed->function_id);
    claimed->has_place = take_place(rounds, claimed->run.function);
    common->runs->ops->take_run(common->runs, claimed);
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
    forget_empty_lines(rounds);
    /* Our clock may be a little ahead of Redis's. */
    rounds->next_claim_ms = next_ms >= 0 && next_ms <= now_ms ? 0 : clock_monotonic_ms() + 1;
    rounds_expect(rounds, next_ms >= 0 && next_ms < now_ms + CLAIM_POLL_MS ? next_ms : now_ms + CLAIM_POLL_MS);
}

const struct errand ERRAND_CLAIM = { .script = "claim", .when = claim_when, .ask = claim_ask, .hear = claim_hear };

void rounds_expect(struct rounds *rounds, int64_t due_ms)
{
    if (due_ms < rounds->due_ms)
        rounds->due_ms = due_ms;
}
