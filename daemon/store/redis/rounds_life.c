/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/rounds_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

#define BEAT_EVERY_MS 250 /* how old stepctl's counts may be; a fifth of a shorter lease */

static bool is_same(const struct incarnation *a, const struct incarnation *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

/* ---- proof of life ------------------------------------------------------------------------------ */

int64_t rounds_lease_ms(const struct rounds *rounds)
{
    return store_settings(rounds_store(rounds))->lease_ms;
}

static bool is_known_now(struct rounds *rounds)
{
    struct incarnation self = store_incarnation(rounds_store(rounds));

    return rounds->is_known && is_same(&rounds->known_as, &self);
}

static int64_t beat_when(struct rounds *rounds, int64_t now_ms)
{
    return is_known_now(rounds) ? rounds->next_beat_ms : now_ms;
}

/* Those of all shards stand in the first. */
static void add_counts(struct rounds *rounds, struct script_call *call)
{
    struct rounds_common *common = rounds->common;
    struct worker_counts now;

    if (rounds->shard != 0) {
        script_add_text(call, "runs_started");
        script_add_number(call, 0);
        return;
    }
    common->count(common->context, &now);
    counters_tell(&common->counters, &rounds->meant, &now, call);
}

static void beat_ask(struct rounds *rounds, struct script_call *call)
{
    script_add_self(rounds_store(rounds), call);
    rounds->meant = call->owner;
    script_add_text(call, rounds->is_known && is_same(&rounds->known_as, &rounds->meant) ? "0" : "1");
    script_add_number(call, rounds_lease_ms(rounds));
    script_add_text(call, rounds->breakers_at);
    add_counts(rounds, call);
}

/* The store lets go of what it had given to us: Redis, or a lease that ran out, gave it to others. */
static void begin_anew(struct rounds *rounds)
{
    log_warn("this daemon's lease ran out: other daemons take its runs over, and it goes on under a new name");
    store_renew(rounds_store(rounds));
    rounds->common->runs->ops->cancel(rounds->common->runs, NULL);
}

void rounds_spare_others(struct rounds *rounds, int64_t now_ms)
{
    if (now_ms - rounds->asked_ms > rounds_lease_ms(rounds) / 2)
        rounds->next_reap_ms = now_ms + rounds_lease_ms(rounds);
}

void rounds_say_lost(const char *id, const char *why)
{
    struct log_fields fields = LOG_FIELDS_NONE;

    fields.run_id = id;
    log_event(LOG_LEVEL_ERROR, &fields, "the run's record in Redis %s", why);
}

/* Those that no module here has wait for a daemon that does. */
static void hear_lines(struct rounds *rounds, const redisReply *lines, const redisReply *plain)
{
    const struct rounds_common *common = rounds->common;

    for (size_t i = 0; i < lines->elements; i++) {
        const struct function *function = common->find_function(common->context, lines->element[i]->str);
        if (function == NULL)
            continue;
        if (!rounds_knows_line(rounds, function))
            rounds_see_line(rounds, function, 0);
        if (!function_is_lined(function) && i < plain->elements && plain->element[i]->integer > 0)
            common->runs->ops->see_line(common->runs, function);
    }
}

/* Mostly it stands where it stood (`near`). */
static uint64_t length_of(const struct queued *queued, size_t count, const struct function *function, size_t near)
{
    if (near < count && queued[near].function->index == function->index)
        return queued[near].count;
    for (size_t i = 0; i < count; i++)
        if (queued[i].function->index == function->index)
            return queued[i].count;
    return 0;
}

/* Of lines that are there, and of those that were. */
static void tell_changes(struct rounds *rounds, const struct queued *now, size_t count)
{
    struct run_taker *runs = rounds->common->runs;

    for (size_t i = 0; i < count; i++)
        runs->ops->see_queued(runs, now[i].function,
                              (int64_t)now[i].count - (int64_t)length_of(rounds->queued, rounds->queued_count, now[i].function, i));
    for (size_t i = 0; i < rounds->queued_count; i++) {
        const struct queued *before = &rounds->queued[i];
        if (length_of(now, count, before->function, i) == 0)
            runs->ops->see_queued(runs, before->function, -(int64_t)before->count);
    }
}

static void hear_lengths(struct rounds *rounds, const redisReply *lines, const redisReply *lengths)
{
    const struct rounds_common *common = rounds->common;
    struct queued *queued = xcalloc(lines->elements + 1, sizeof(*queued));
    size_t count = 0;

    for (size_t i = 0; i < lines->elements && i < lengths->elements; i++) {
        const struct function *function = common->find_function(common->context, lines->element[i]->str);
        if (function != NULL)
            queued[count++] = (struct queued){ function, (uint64_t)lengths->element[i]->integer };
    }
    tell_changes(rounds, queued, count);
    lock_take(&rounds->queued_lock);
    free(rounds->queued);
    rounds->queued = queued;
    rounds->queued_count = count;
    lock_give(&rounds->queued_lock);
}

/* What one that has closed held is tried now. */
static void try_held_lines(struct rounds *rounds)
{
    for (size_t i = 0; i < rounds->line_count; i++) {
        if (function_has_breaker(function_newest(rounds->lines[i].function)))
            rounds_see_line(rounds, rounds->lines[i].function, 0);
    }
}

static void hear_breakers(struct rounds *rounds, const redisReply *at, const redisReply *names, size_t open_count)
{
    struct run_taker *runs = rounds->common->runs;
    AUTO_FREE struct bytes *open = NULL;

    if (at->type != REDIS_REPLY_STRING || strcmp(at->str, rounds->breakers_at) == 0)
        return;
    (void)snprintf(rounds->breakers_at, sizeof(rounds->breakers_at), "%s", at->str);
    open = xcalloc(names->elements + 1, sizeof(*open));
    for (size_t i = 0; i < names->elements; i++)
        open[i] = (struct bytes){ names->element[i]->str, (size_t)names->element[i]->len };
    runs->ops->see_breakers(runs, rounds->shard, open, names->elements, open_count > names->elements);
    try_held_lines(rounds);
}

static void beat_hear(struct rounds *rounds, const redisReply *reply)
{
    int64_t now_ms = clock_monotonic_ms();
    int64_t every_ms = rounds_lease_ms(rounds) / 5 < BEAT_EVERY_MS ? rounds_lease_ms(rounds) / 5 : BEAT_EVERY_MS;

    rounds_spare_others(rounds, now_ms);
    if (reply->element[0]->integer != 0) {
        struct incarnation self = store_incarnation(rounds_store(rounds));
        rounds->is_known = false;
        /* Else the name is a new one meanwhile, and the next is its first. */
        if (is_same(&rounds->meant, &rounds->call.owner) && is_same(&rounds->meant, &self))
            begin_anew(rounds);
        return;
    }
    rounds->known_as = rounds->call.owner;
    rounds->is_known = true;
    if (rounds->shard == 0)
        counters_heard(&rounds->common->counters, &rounds->known_as);
    rounds->has_said_last = rounds->common->is_leaving && is_same(&rounds->meant, &rounds->known_as);
    rounds->next_beat_ms = now_ms + every_ms;
    const redisReply *asked = reply->element[2];
    for (size_t i = 0; i < asked->elements; i++)
        rounds->common->runs->ops->cancel(rounds->common->runs, asked->element[i]->str);
    rounds->delayed = (uint64_t)reply->element[3]->integer;
    rounds->owned = (uint64_t)reply->element[4]->integer;
    rounds->dead = (uint64_t)reply->element[5]->integer;
    const redisReply *lost = reply->element[6];
    for (size_t i = 0; i < lost->elements; i++)
        rounds_say_lost(lost->element[i]->str, "is lost: it goes no further");
    hear_lines(rounds, reply->element[7], reply->element[10]);
    const redisReply *unwanted = reply->element[8];
    for (size_t i = 0; i < unwanted->elements; i++)
        rounds->common->runs->ops->end_first(rounds->common->runs, unwanted->element[i]->str);
    hear_lengths(rounds, reply->element[7], reply->element[9]);
    hear_breakers(rounds, reply->element[11], reply->element[12], (size_t)reply->element[13]->integer);
    rounds->has_untold = reply->element[14]->integer > 0;
    rounds_expect_ripe(rounds, reply->element[15]->integer);
    rounds_see_deadline(rounds, reply->element[16]->integer);
    const redisReply *mailed = reply->element[17];
    for (size_t i = 0; i < mailed->elements; i++)
        rounds->common->runs->ops->hear(rounds->common->runs, mailed->element[i]->str);
}

const struct errand ERRAND_BEAT = { .script = "heartbeat", .when = beat_when, .ask = beat_ask, .hear = beat_hear };

/* ---- the end ------------------------------------------------------------------------------------ */

/* What is given back is due at once: not before its turn. */
static int64_t leave_when(struct rounds *rounds, int64_t now_ms)
{
    int64_t turns_ms = rounds->coming.last_us / 1000 + 1;

    if (!rounds->common->is_leaving || !rounds->has_said_last || rounds->has_left)
        return NEVER;
    return turns_ms > now_ms ? turns_ms : now_ms;
}

static void leave_ask(struct rounds *rounds, struct script_call *call)
{
    script_add_self(rounds_store(rounds), call);
}

static void leave_hear(struct rounds *rounds, const redisReply *reply)
{
    rounds->has_left = reply->element[2]->integer == 0;
    rounds->is_over = rounds->has_left;
}

const struct errand ERRAND_LEAVE = { .script = "leave", .when = leave_when, .ask = leave_ask, .hear = leave_hear };
