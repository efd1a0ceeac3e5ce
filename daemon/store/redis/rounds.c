/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/rounds.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/clock.h"
#include "store/redis/rounds_internal.h"

#define REFUSED_MS 1000 /* before asking again what Redis refused */
#define PROMISE_MS 250  /* how long workers are kept free for a claim that is not answered */
#define HEARTBEAT 0     /* its place in ERRANDS */

/* One runs at a time. A daemon that leaves goes by this order; else they take turns (turn_of()). */
static const struct errand *const ERRANDS[] = {
    &ERRAND_BEAT,   &ERRAND_LEAVE,  &ERRAND_CONDEMN, &ERRAND_REAP,    &ERRAND_TICK,     &ERRAND_OVERDUE,
    &ERRAND_UNTOLD, &ERRAND_RIPEN,  &ERRAND_EXPIRE,  &ERRAND_DELIVER, &ERRAND_OUTBOX,   &ERRAND_CLAIM,
    &ERRAND_TRIM,   &ERRAND_FORGET, &ERRAND_REJOIN,  &ERRAND_SWEEP,   &ERRAND_ANNOUNCE,
};

struct rounds *rounds_create(struct rounds_common *common, int shard)
{
    struct rounds *rounds = xcalloc(1, sizeof(*rounds));

    assert(shard >= 0);
    rounds->common = common;
    rounds->shard = shard;
    rounds->ripe_ms = rounds->deadline_ms = rounds->next_expire_ms = NEVER;
    msgpack_sbuffer_init(&rounds->states);
    rounds->answered_ms = clock_monotonic_ms();
    lock_init(&rounds->queued_lock);
    sweep_init(&rounds->sweep);
    rounds->ticks = ticks_create();
    rounds->post = post_create();
    for (size_t i = 0; i < PLACES_MOST; i++)
        msgpack_sbuffer_init(&rounds->rules[i]);
    return rounds;
}

void rounds_destroy(struct rounds *rounds)
{
    if (rounds == NULL)
        return;
    assert(rounds->errand == NULL);
    rounds_hand_over(rounds, INT64_MAX);
    while (rounds->condemned != NULL)
        rounds_drop_condemned(rounds);
    while (rounds->trims != NULL)
        trims_drop_first(&rounds->trims);
    free(rounds->queued);
    lock_done(&rounds->queued_lock);
    sweep_done(&rounds->sweep);
    ticks_destroy(rounds->ticks);
    rounds_deadlines_done(rounds);
    post_destroy(rounds->post);
    for (size_t i = 0; i < PLACES_MOST; i++)
        msgpack_sbuffer_destroy(&rounds->rules[i]);
    free(rounds);
}

/* Any thread. */
static void answered(struct request *request)
{
    struct rounds *rounds = (struct rounds *)((char *)request - offsetof(struct rounds, request));

    rounds->common->answered(rounds->common->answered_context, rounds);
}

static void begin(struct rounds *rounds, const struct errand *errand, int64_t now_ms)
{
    assert(rounds->errand == NULL && rounds->promised == 0);
    rounds->errand = errand;
    rounds->asked_ms = now_ms;
    script_begin(&rounds->call, errand->script, rounds->shard);
    errand->ask(rounds, &rounds->call);
    store_call_later(rounds_store(rounds), &rounds->call, &rounds->request, answered);
}

static void take_promise_back(struct rounds *rounds)
{
    assert(rounds->common->promised >= rounds->promised);
    rounds->common->promised -= rounds->promised;
    rounds->promised = 0;
}

/* A shard that is away must not keep all free workers from the others. What it claims after all waits for one. */
static int64_t wait_for_answer(struct rounds *rounds, int64_t now_ms)
{
    if (rounds->promised == 0)
        return NEVER;
    if (now_ms < rounds->asked_ms + PROMISE_MS)
        return rounds->asked_ms + PROMISE_MS;
    take_promise_back(rounds);
    rounds_give_places_back(rounds);
    return NEVER;
}

/*
 * The errand to be looked at as the nth. The heartbeat is first, as the lease hangs on it, but last if it had the last turn. Before or behind it
 * come the others, beginning after the one of them that had the last turn: were the order fixed, upkeep would keep due runs waiting wherever a
 * round trip takes longer than upkeep's own interval.
 */
static size_t turn_of(const struct rounds *rounds, size_t nth)
{
    size_t others = COUNT_OF(ERRANDS) - 1;
    size_t beat_nth = rounds->was_beat && rounds->is_known ? others : 0;

    assert(nth < COUNT_OF(ERRANDS));
    if (rounds->common->is_leaving)
        return nth;
    if (nth == beat_nth)
        return HEARTBEAT;
    return 1 + (rounds->next_turn + nth - (nth > beat_nth ? 1 : 0)) % others;
}

static void take_turn(struct rounds *rounds, size_t errand)
{
    assert(errand < COUNT_OF(ERRANDS));
    rounds->was_beat = errand == HEARTBEAT;
    if (!rounds->was_beat)
        rounds->next_turn = errand % (COUNT_OF(ERRANDS) - 1);
}

/* NULL: none is due before *next_ms (monotonic; NEVER: as things are). Else *next_ms is NEVER. */
static const struct errand *next_errand(struct rounds *rounds, int64_t now_ms, int64_t *next_ms)
{
    *next_ms = NEVER;
    for (size_t nth = 0; nth < COUNT_OF(ERRANDS); nth++) {
        size_t at = turn_of(rounds, nth);
        int64_t when_ms = ERRANDS[at]->when(rounds, now_ms);
        if (when_ms <= now_ms) {
            take_turn(rounds, at);
            *next_ms = NEVER;
            return ERRANDS[at];
        }
        *next_ms = when_ms < *next_ms ? when_ms : *next_ms;
    }
    return NULL;
}

/* When to come again, monotonic ms. */
static int64_t ask_next(struct rounds *rounds)
{
    int64_t now_ms = clock_monotonic_ms();
    int64_t next_ms = NEVER;
    const struct errand *errand = NULL;

    if (rounds->errand != NULL)
        return wait_for_answer(rounds, now_ms);
    if (rounds->is_over)
        return NEVER;
    if (now_ms < rounds->not_before_ms)
        return rounds->not_before_ms;
    if (rounds->common->is_leaving && !store_shard_is_up(rounds_store(rounds), rounds->shard)) {
        rounds->is_over = true;
        return NEVER;
    }
    if (rounds->common->is_leaving && !rounds->has_said_last)
        rounds->next_beat_ms = 0;
    errand = next_errand(rounds, now_ms, &next_ms);
    if (errand != NULL)
        begin(rounds, errand, now_ms);
    return next_ms;
}

int64_t rounds_go(struct rounds *rounds)
{
    rounds_hand_over(rounds, clock_monotonic_ns() / 1000);
    int64_t next_ms = ask_next(rounds);
    int64_t turn_us = coming_first_us(&rounds->coming);

    return turn_us / 1000 < next_ms ? turn_us / 1000 + 1 : next_ms;
}

void rounds_hear(struct rounds *rounds)
{
    const struct errand *errand = rounds->errand;
    int status = rounds->request.status;

    assert(errand != NULL);
    rounds->errand = NULL;
    take_promise_back(rounds);
    free(rounds->place);
    rounds->place = NULL;
    if (status == 0) {
        AUTO_REPLY reply = rounds->request.reply;
        rounds->answered_ms = clock_monotonic_ms();
        errand->hear(rounds, reply);
    } else {
        rounds->is_over = status == -ESHUTDOWN;
        if (!rounds->is_over && errand->give_up != NULL)
            errand->give_up(rounds);
        rounds->not_before_ms = clock_monotonic_ms() + REFUSED_MS;
    }
    rounds_give_places_back(rounds);
}

bool rounds_are_over(const struct rounds *rounds)
{
    return rounds->is_over && rounds->errand == NULL;
}

int rounds_shard(const struct rounds *rounds)
{
    return rounds->shard;
}

void rounds_add_counts(const struct rounds *rounds, struct timers_counts *counts)
{
    counts->delayed += rounds->delayed;
    counts->owned += rounds->owned;
    counts->dead += rounds->dead;
}

uint64_t rounds_queued(struct rounds *rounds, const struct function *function)
{
    uint64_t count = 0;

    lock_take(&rounds->queued_lock);
    for (size_t i = 0; i < rounds->queued_count; i++)
        count += rounds->queued[i].function->index == function->index ? rounds->queued[i].count : 0;
    lock_give(&rounds->queued_lock);
    return count;
}

int64_t rounds_answered_ms(const struct rounds *rounds)
{
    return rounds->answered_ms;
}
