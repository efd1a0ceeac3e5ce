/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/rounds.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/log.h"
#include "redis/held.h"
#include "redis/record.h"
#include "redis/sweep.h"

#define CLAIM_AT_ONCE 10          /* a claim of 100 holds Redis up for 1.7 ms, one of 10 for 0.18 */
#define CLAIM_POLL_MS 250         /* for what other daemons park earlier than what we know of */
#define CLAIM_STARVED_MS 3        /* due, but no worker free */
#define BEAT_EVERY_MS 250         /* how old stepctl's counts may be; a fifth of a shorter lease */
#define REAP_EVERY_MS 1000
#define FORGET_EVERY_MS 1000
#define REFUSED_MS 1000           /* before asking again what Redis refused */
#define NEVER INT64_MAX

struct trim {
    struct trim *next;
    char *topic;
    int32_t partition;
    int64_t committed;
};

/* A run whose record can't be read. */
struct condemned {
    struct condemned *next;
    struct run_id id;
};

struct errand;

struct rounds {
    struct rounds_common *common;
    int shard;
    _Atomic(int64_t) answered_ms;
    _Atomic(uint64_t) delayed, owned, dead; /* as of the last heartbeat; any thread reads */
    bool is_over;

    const struct errand *errand;      /* under way; NULL: none is. From here on to `place`: the errand's */
    struct script_call call;
    struct request request;
    int64_t asked_ms;
    size_t promised;                  /* CLAIM: of common->promised */
    struct incarnation meant;         /* BEAT: the name it was written for */
    char *place;                      /* TRIM: an argument */

    bool is_known;                    /* the server has heard this worker … */
    struct incarnation known_as;      /* … under this name */
    bool has_left;
    bool has_said_last;               /* leaving: its counters */
    int64_t not_before_ms;            /* anything; monotonic, as the next four */
    int64_t next_beat_ms, next_reap_ms, next_forget_ms, next_claim_ms;
    int64_t due_ms;                   /* when to claim, the store's time */
    uint64_t serial;                  /* numbers this worker's claims here */
    struct condemned *condemned;
    struct trim *trims;
    struct sweep sweep;
};

/* One thing that is asked. They are looked at in the order of ERRANDS. */
struct errand {
    const char *script;
    /* Monotonic ms; NEVER: as things are. */
    int64_t (*when)(struct rounds *rounds, int64_t now_ms);
    void (*ask)(struct rounds *rounds, struct script_call *call);
    void (*hear)(struct rounds *rounds, const redisReply *reply);
};

static bool is_same(const struct incarnation *a, const struct incarnation *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static struct redis_store *store_of(const struct rounds *rounds)
{
    return rounds->common->store;
}

/* ---- proof of life ------------------------------------------------------------------------------ */

static int64_t lease_ms(const struct rounds *rounds)
{
    return store_settings(store_of(rounds))->lease_ms;
}

static bool is_known_now(struct rounds *rounds)
{
    struct incarnation self = store_incarnation(store_of(rounds));

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
    script_add_self(store_of(rounds), call);
    rounds->meant = call->owner;
    script_add_text(call, rounds->is_known && is_same(&rounds->known_as, &rounds->meant) ? "0" : "1");
    script_add_number(call, lease_ms(rounds));
    add_counts(rounds, call);
}

/* The store lets go of what it had given to us: Redis, or a lease that ran out, gave it to others. */
static void begin_anew(struct rounds *rounds)
{
    log_warn("this worker's lease ran out: its runs go on elsewhere, and it goes on under a new name");
    store_renew(store_of(rounds));
    dispatch_cancel(rounds->common->dispatch, NULL);
}

/* Redis was away for so long that others' leases may have run out, too: give them time to say so. */
static void spare_the_others(struct rounds *rounds, int64_t now_ms)
{
    if (now_ms - rounds->asked_ms > lease_ms(rounds) / 2)
        rounds->next_reap_ms = now_ms + lease_ms(rounds);
}

static void say_lost(const char *id, const char *why)
{
    struct log_fields fields = LOG_FIELDS_NONE;

    fields.run_id = id;
    log_event(LOG_LEVEL_ERROR, &fields, "the run's record in Redis %s", why);
}

static void beat_hear(struct rounds *rounds, const redisReply *reply)
{
    int64_t now_ms = clock_monotonic_ms();
    int64_t every_ms = lease_ms(rounds) / 5 < BEAT_EVERY_MS ? lease_ms(rounds) / 5 : BEAT_EVERY_MS;

    spare_the_others(rounds, now_ms);
    if (reply->element[0]->integer != 0) {
        struct incarnation self = store_incarnation(store_of(rounds));
        rounds->is_known = false;
        /* Else the name is a new one meanwhile, and the next is its first. */
        if (is_same(&rounds->meant, &rounds->call.owner) && is_same(&rounds->meant, &self))
            begin_anew(rounds);
        return;
    }
    rounds->known_as = rounds->call.owner;
    rounds->is_known = true;
    rounds->has_said_last = rounds->common->is_leaving;
    rounds->next_beat_ms = now_ms + every_ms;
    const redisReply *asked = reply->element[2];
    for (size_t i = 0; i < asked->elements; i++)
        dispatch_cancel(rounds->common->dispatch, asked->element[i]->str);
    rounds->delayed = (uint64_t)reply->element[3]->integer;
    rounds->owned = (uint64_t)reply->element[4]->integer;
    rounds->dead = (uint64_t)reply->element[5]->integer;
    const redisReply *lost = reply->element[6];
    for (size_t i = 0; i < lost->elements; i++)
        say_lost(lost->element[i]->str, "is lost: it goes no further");
}

/* ---- the end ------------------------------------------------------------------------------------ */

static int64_t leave_when(struct rounds *rounds, int64_t now_ms)
{
    return rounds->common->is_leaving && rounds->has_said_last && !rounds->has_left ? now_ms : NEVER;
}

static void leave_ask(struct rounds *rounds, struct script_call *call)
{
    script_add_self(store_of(rounds), call);
}

static void leave_hear(struct rounds *rounds, const redisReply *reply)
{
    rounds->has_left = reply->element[2]->integer == 0;
    rounds->is_over = rounds->has_left;
}

/* ---- claims ------------------------------------------------------------------------------------- */

static int64_t condemn_when(struct rounds *rounds, int64_t now_ms)
{
    return rounds->condemned != NULL ? now_ms : NEVER;
}

static void condemn_ask(struct rounds *rounds, struct script_call *call)
{
    script_add_text(call, rounds->condemned->id.text);
    script_add_self(store_of(rounds), call);
}

static void condemn_hear(struct rounds *rounds, const redisReply *reply)
{
    struct condemned *first = rounds->condemned;

    (void)reply;
    rounds->condemned = first->next;
    free(first);
}

static void condemn(struct rounds *rounds, const char *id, const char *why)
{
    struct condemned *condemned = xcalloc(1, sizeof(*condemned));
    AUTO_FREE char *text = xasprintf("can't be read (%s): it goes no further", why);

    say_lost(id, text);
    memcpy(condemned->id.text, id, RUN_ID_LENGTH + 1);
    condemned->next = rounds->condemned;
    rounds->condemned = condemned;
}

static size_t free_workers(const struct rounds *rounds)
{
    size_t free_count = dispatch_free_workers(rounds->common->dispatch);

    return free_count > rounds->common->promised ? free_count - rounds->common->promised : 0;
}

static int64_t claim_when(struct rounds *rounds, int64_t now_ms)
{
    if (rounds->common->is_paused || rounds->common->is_leaving || !rounds->is_known)
        return NEVER;
    int64_t wait_ms = rounds->due_ms - store_shard_now_ms(store_of(rounds), rounds->shard);
    int64_t when_ms = wait_ms < CLAIM_POLL_MS ? now_ms + wait_ms : now_ms + CLAIM_POLL_MS;
    if (when_ms < rounds->next_claim_ms)
        when_ms = rounds->next_claim_ms;
    return when_ms <= now_ms && free_workers(rounds) == 0 ? now_ms + CLAIM_STARVED_MS : when_ms;
}

static void claim_ask(struct rounds *rounds, struct script_call *call)
{
    size_t room = free_workers(rounds);

    rounds->promised = room < CLAIM_AT_ONCE ? room : CLAIM_AT_ONCE;
    rounds->common->promised += rounds->promised;
    rounds->due_ms = NEVER; /* rounds_expect() may know better meanwhile */
    script_add_self(store_of(rounds), call);
    script_add_number(call, (int64_t)++rounds->serial);
    script_add_number(call, (int64_t)rounds->promised);
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
    dispatch_push_claimed(common->dispatch, claimed);
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
    /* Our clock may be a little ahead of Redis's. */
    rounds->next_claim_ms = next_ms >= 0 && next_ms <= now_ms ? 0 : clock_monotonic_ms() + 1;
    rounds_expect(rounds, next_ms >= 0 && next_ms < now_ms + CLAIM_POLL_MS ? next_ms : now_ms + CLAIM_POLL_MS);
}

void rounds_expect(struct rounds *rounds, int64_t due_ms)
{
    if (due_ms < rounds->due_ms)
        rounds->due_ms = due_ms;
}

/* ---- what dead workers left, and what is behind us ---------------------------------------------- */

static int64_t in_peace(const struct rounds *rounds, int64_t when_ms)
{
    return rounds->common->is_leaving || !rounds->is_known ? NEVER : when_ms;
}

static int64_t reap_when(struct rounds *rounds, int64_t now_ms)
{
    (void)now_ms;
    return in_peace(rounds, rounds->next_reap_ms);
}

/* When it is asked: it says nothing of who was quiet while Redis was away. */
static void reap_ask(struct rounds *rounds, struct script_call *call)
{
    script_add_number(call, store_shard_now_ms(store_of(rounds), rounds->shard));
    script_add_number(call, lease_ms(rounds) / 2);
}

static void reap_hear(struct rounds *rounds, const redisReply *reply)
{
    int64_t now_ms = clock_monotonic_ms();
    int64_t reaped = reply->element[0]->integer;
    bool has_more = reply->element[2]->integer != 0;

    if (reaped > 0) {
        rounds->common->takeovers += (uint64_t)reaped;
        rounds_expect(rounds, 0);
        log_info("took over %lld runs of a worker that died", (long long)reaped);
    }
    rounds->next_reap_ms = has_more ? 0 : now_ms + REAP_EVERY_MS;
    spare_the_others(rounds, now_ms);
}

static int64_t trim_when(struct rounds *rounds, int64_t now_ms)
{
    return in_peace(rounds, rounds->trims != NULL ? now_ms : NEVER);
}

static void trim_ask(struct rounds *rounds, struct script_call *call)
{
    const struct trim *trim = rounds->trims;

    rounds->place = xasprintf("%s:%d", trim->topic, (int)trim->partition);
    script_add_text(call, rounds->place);
    script_add_number(call, trim->committed);
}

static void trim_destroy(struct trim *trim)
{
    free(trim->topic);
    free(trim);
}

static void trim_hear(struct rounds *rounds, const redisReply *reply)
{
    struct trim *first = rounds->trims;

    if (reply->element[0]->integer != 0)
        return; /* there are more */
    rounds->trims = first->next;
    trim_destroy(first);
}

void rounds_trim(struct rounds *rounds, const char *topic, int32_t partition, int64_t committed)
{
    struct trim **end = &rounds->trims;

    while (*end != NULL && ((*end)->partition != partition || strcmp((*end)->topic, topic) != 0))
        end = &(*end)->next;
    if (*end == NULL) {
        *end = xcalloc(1, sizeof(**end));
        **end = (struct trim){ .topic = xstrdup(topic), .partition = partition };
    }
    (*end)->committed = committed;
}

static int64_t forget_when(struct rounds *rounds, int64_t now_ms)
{
    (void)now_ms;
    return in_peace(rounds, rounds->next_forget_ms);
}

/* Runs that ended are kept for a while only. */
static void forget_ask(struct rounds *rounds, struct script_call *call)
{
    const struct store_settings *settings = store_settings(store_of(rounds));

    script_add_number(call, settings->history_age_ms);
    script_add_number(call, settings->history_count);
}

static void forget_hear(struct rounds *rounds, const redisReply *reply)
{
    rounds->next_forget_ms = reply->element[2]->integer != 0 ? 0 : clock_monotonic_ms() + FORGET_EVERY_MS;
}

/* ---- the sweep ---------------------------------------------------------------------------------- */

static int64_t rejoin_when(struct rounds *rounds, int64_t now_ms)
{
    return in_peace(rounds, sweep_has_stray(&rounds->sweep) ? now_ms : NEVER);
}

static void rejoin_ask(struct rounds *rounds, struct script_call *call)
{
    sweep_ask_of_stray(&rounds->sweep, call);
}

static void expect_found(struct rounds *rounds, const redisReply *reply)
{
    int64_t found = reply->element[0]->integer;

    if (found == 0)
        return;
    log_warn("%lld runs stood in no list by which a run goes on (a key of stepd's in Redis was lost): they go on", (long long)found);
    rounds_expect(rounds, 0);
}

static void rejoin_hear(struct rounds *rounds, const redisReply *reply)
{
    expect_found(rounds, reply);
    sweep_drop_stray(&rounds->sweep);
}

static int64_t sweep_when(struct rounds *rounds, int64_t now_ms)
{
    (void)now_ms;
    return in_peace(rounds, rounds->sweep.next_ms);
}

static void sweep_ask_here(struct rounds *rounds, struct script_call *call)
{
    sweep_ask(&rounds->sweep, store_lineage(store_of(rounds), rounds->shard), call);
    script_add_self(store_of(rounds), call);
    script_add_number(call, lease_ms(rounds));
}

static void sweep_hear_here(struct rounds *rounds, const redisReply *reply)
{
    expect_found(rounds, reply);
    sweep_hear(&rounds->sweep, reply);
}

/* ---- one after another -------------------------------------------------------------------------- */

static const struct errand ERRANDS[] = {
    { "heartbeat", beat_when, beat_ask, beat_hear },
    { "leave", leave_when, leave_ask, leave_hear },
    { "condemn", condemn_when, condemn_ask, condemn_hear },
    { "reap", reap_when, reap_ask, reap_hear },
    { "claim", claim_when, claim_ask, claim_hear },
    { "trim_taken", trim_when, trim_ask, trim_hear },
    { "forget", forget_when, forget_ask, forget_hear },
    { "rejoin", rejoin_when, rejoin_ask, rejoin_hear },
    { "sweep", sweep_when, sweep_ask_here, sweep_hear_here },
};
#define ERRAND_COUNT COUNT_OF(ERRANDS)

struct rounds *rounds_create(struct rounds_common *common, int shard)
{
    struct rounds *rounds = xcalloc(1, sizeof(*rounds));

    rounds->common = common;
    rounds->shard = shard;
    rounds->answered_ms = clock_monotonic_ms();
    sweep_init(&rounds->sweep);
    return rounds;
}

void rounds_destroy(struct rounds *rounds)
{
    if (rounds == NULL)
        return;
    assert(rounds->errand == NULL);
    while (rounds->condemned != NULL)
        condemn_hear(rounds, NULL);
    while (rounds->trims != NULL) {
        struct trim *next = rounds->trims->next;
        trim_destroy(rounds->trims);
        rounds->trims = next;
    }
    sweep_done(&rounds->sweep);
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
    rounds->errand = errand;
    rounds->asked_ms = now_ms;
    script_begin(&rounds->call, errand->script, rounds->shard);
    errand->ask(rounds, &rounds->call);
    store_call_later(store_of(rounds), &rounds->call, &rounds->request, answered);
}

int64_t rounds_go(struct rounds *rounds)
{
    int64_t now_ms = clock_monotonic_ms();
    int64_t next_ms = NEVER;

    if (rounds->errand != NULL || rounds->is_over)
        return NEVER;
    if (now_ms < rounds->not_before_ms)
        return rounds->not_before_ms;
    if (rounds->common->is_leaving && !store_shard_is_up(store_of(rounds), rounds->shard)) {
        rounds->is_over = true;
        return NEVER;
    }
    if (rounds->common->is_leaving && !rounds->has_said_last)
        rounds->next_beat_ms = 0;
    for (size_t i = 0; i < ERRAND_COUNT; i++) {
        int64_t when_ms = ERRANDS[i].when(rounds, now_ms);
        if (when_ms <= now_ms) {
            begin(rounds, &ERRANDS[i], now_ms);
            return NEVER;
        }
        next_ms = when_ms < next_ms ? when_ms : next_ms;
    }
    return next_ms;
}

void rounds_hear(struct rounds *rounds)
{
    const struct errand *errand = rounds->errand;
    int status = rounds->request.status;

    rounds->errand = NULL;
    rounds->common->promised -= rounds->promised;
    rounds->promised = 0;
    free(rounds->place);
    rounds->place = NULL;
    if (status == 0) {
        AUTO_REPLY reply = rounds->request.reply;
        rounds->answered_ms = clock_monotonic_ms();
        errand->hear(rounds, reply);
    } else {
        rounds->is_over = status == -ESHUTDOWN;
        rounds->not_before_ms = clock_monotonic_ms() + REFUSED_MS;
    }
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

int64_t rounds_answered_ms(const struct rounds *rounds)
{
    return rounds->answered_ms;
}
