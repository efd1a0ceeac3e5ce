/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/rounds_internal.h"

#include "base/clock.h"
#include "base/log.h"

#define REAP_EVERY_MS 1000
#define NOT_YET_MS 100
#define FORGET_EVERY_MS 1000
#define WATCH_IDLE_MS 3600000 /* that nobody waits by, until it is forgotten */
#define ASK_EVERY_MS 30000    /* after a call that is open */

/* ---- what dead workers left --------------------------------------------------------------------- */

static int64_t in_peace(const struct rounds *rounds, int64_t when_ms)
{
    return rounds->common->is_leaving || !rounds->is_known ? NEVER : when_ms;
}

static int64_t reap_when(struct rounds *rounds, int64_t now_ms)
{
    const struct rounds_common *common = rounds->common;
    bool may_take_over = common->may_take_over == NULL || common->may_take_over(common->context);

    return may_take_over ? in_peace(rounds, rounds->next_reap_ms) : now_ms + NOT_YET_MS;
}

/* When it is asked: it says nothing of who was quiet while Redis was away. */
static void reap_ask(struct rounds *rounds, struct script_call *call)
{
    script_add_number(call, store_shard_now_ms(rounds_store(rounds), rounds->shard));
    script_add_number(call, rounds_lease_ms(rounds) / 2);
}

static void reap_hear(struct rounds *rounds, const redisReply *reply)
{
    int64_t now_ms = clock_monotonic_ms();
    int64_t reaped = reply->element[0]->integer;
    bool has_more = reply->element[2]->integer != 0;

    if (reaped > 0) {
        rounds->common->takeovers += (uint64_t)reaped;
        rounds_expect(rounds, 0);
        log_info("took over %lld run%s of a daemon that died", (long long)reaped, reaped == 1 ? "" : "s");
    }
    rounds->next_reap_ms = has_more ? 0 : now_ms + REAP_EVERY_MS;
    rounds_spare_others(rounds, now_ms);
}

const struct errand ERRAND_REAP = { .script = "reap", .when = reap_when, .ask = reap_ask, .hear = reap_hear };

/* ---- what is no longer kept --------------------------------------------------------------------- */

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

static void trim_hear(struct rounds *rounds, const redisReply *reply)
{
    if (reply->element[0]->integer == 0)
        trims_drop_first(&rounds->trims); /* else there are more */
}

const struct errand ERRAND_TRIM = { .script = "trim_taken", .when = trim_when, .ask = trim_ask, .hear = trim_hear };

void rounds_trim(struct rounds *rounds, const char *topic, int32_t partition, int64_t committed)
{
    trims_set(&rounds->trims, topic, partition, committed);
}

static int64_t forget_when(struct rounds *rounds, int64_t now_ms)
{
    (void)now_ms;
    return in_peace(rounds, rounds->next_forget_ms);
}

/* Runs that ended are kept for a while only. */
static void forget_ask(struct rounds *rounds, struct script_call *call)
{
    const struct store_settings *settings = store_settings(rounds_store(rounds));

    script_add_number(call, settings->history_age_ms);
    script_add_number(call, settings->history_count);
}

static void forget_hear(struct rounds *rounds, const redisReply *reply)
{
    rounds->next_forget_ms = reply->element[2]->integer != 0 ? 0 : clock_monotonic_ms() + FORGET_EVERY_MS;
}

const struct errand ERRAND_FORGET = { .script = "forget", .when = forget_when, .ask = forget_ask, .hear = forget_hear };

/* ---- what a fault lost -------------------------------------------------------------------------- */

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
    log_warn("%lld run%s stood in no list by which a run goes on (a key of stepd's in Redis was lost): stepd goes on with them",
             (long long)found, found == 1 ? "" : "s");
    rounds_expect(rounds, 0);
}

static void rejoin_hear(struct rounds *rounds, const redisReply *reply)
{
    expect_found(rounds, reply);
    sweep_drop_stray(&rounds->sweep);
}

const struct errand ERRAND_REJOIN = { .script = "rejoin", .when = rejoin_when, .ask = rejoin_ask, .hear = rejoin_hear };

static int64_t sweep_when(struct rounds *rounds, int64_t now_ms)
{
    (void)now_ms;
    return in_peace(rounds, rounds->sweep.next_ms);
}

static void sweep_ask_here(struct rounds *rounds, struct script_call *call)
{
    sweep_ask(&rounds->sweep, store_lineage(rounds_store(rounds), rounds->shard), call);
    script_add_self(rounds_store(rounds), call);
    script_add_number(call, rounds_lease_ms(rounds));
    script_add_number(call, WATCH_IDLE_MS);
    script_add_number(call, ASK_EVERY_MS);
}

static void sweep_hear_here(struct rounds *rounds, const redisReply *reply)
{
    expect_found(rounds, reply);
    sweep_hear(&rounds->sweep, reply);
}

const struct errand ERRAND_SWEEP = { .script = "sweep", .when = sweep_when, .ask = sweep_ask_here, .hear = sweep_hear_here };
