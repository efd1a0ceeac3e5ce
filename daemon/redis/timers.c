/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/timers.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/histogram.h"
#include "base/log.h"
#include "base/pulse.h"
#include "core/attempts.h"
#include "core/steps.h"
#include "redis/record.h"

#define CLAIM_AT_ONCE 10          /* a claim of 100 holds Redis up for 1.7 ms, one of 10 for 0.18 */
#define CLAIM_POLL_MS 250         /* for what other daemons park earlier than what we know of */
#define CLAIM_STARVED_MS 3        /* due, but no worker free */
#define BEAT_EVERY_MS 250         /* how old stepctl's counts may be; a fifth of a shorter lease */
#define REAP_EVERY_MS 1000
#define WATCH_EVERY_MS 100
#define LEAVE_SECONDS 3           /* to give runs back at the end */

struct trim {
    struct trim *next;
    char *topic;
    int32_t partition;
    int64_t committed;
};

/* What the timer thread knows of one shard. */
struct shard {
    int64_t due_ms;               /* when to claim, the store's time */
    struct incarnation known_as;  /* as which Redis last heard us */
    bool is_known;
    _Atomic(uint64_t) delayed, owned, dead; /* as of the last heartbeat; any thread reads */
};

struct timers {
    struct timers_settings settings;
    pthread_t timer;
    pthread_t watch;
    bool is_timer_started;
    bool is_watch_started;
    _Atomic(int64_t) last_round_ms;
    _Atomic(uint64_t) takeovers;
    struct histogram lateness;    /* µs; timer thread adds */

    pthread_mutex_t lock;
    pthread_cond_t changed;       /* earlier_ms, is_paused, is_stopping */
    int64_t *earlier_ms;          /* lock; by shard: due earlier than the timer thread knows; INT64_MAX no */
    struct trim *trims;           /* lock */
    bool is_paused;               /* lock */
    bool is_stopping;             /* lock */

    struct shard *shards;         /* timer thread only, from here on */
    uint64_t serial;              /* numbers this worker's claims */
    struct worker_counts base;    /* counted under earlier incarnations */
    struct worker_counts told;    /* as last heard by Redis */
    struct incarnation counted_as;
};

/* A claimed run with all that it points into. */
struct held {
    struct claimed claimed;       /* first */
    struct event event;
    struct failure last;
    struct record record;
    msgpack_zone zone;
    char *data;                   /* the record's bytes */
};

/* ---- the life of it ---------------------------------------------------------------------------- */

static size_t shard_count(const struct timers *timers)
{
    return (size_t)store_shards(timers->settings.store);
}

static void wake(void *context, int shard, int64_t due_ms)
{
    struct timers *timers = context;

    (void)pthread_mutex_lock(&timers->lock);
    if (due_ms < timers->earlier_ms[shard]) {
        timers->earlier_ms[shard] = due_ms;
        (void)pthread_cond_broadcast(&timers->changed);
    }
    (void)pthread_mutex_unlock(&timers->lock);
}

struct timers *timers_create(const struct timers_settings *settings)
{
    struct timers *timers = xcalloc(1, sizeof(*timers));
    pthread_condattr_t monotonic;

    timers->settings = *settings;
    timers->shards = xcalloc(shard_count(timers), sizeof(*timers->shards));
    timers->earlier_ms = xcalloc(shard_count(timers), sizeof(*timers->earlier_ms));
    for (size_t i = 0; i < shard_count(timers); i++)
        timers->earlier_ms[i] = INT64_MAX;
    timers->last_round_ms = clock_monotonic_ms();
    timers->counted_as = store_incarnation(settings->store);
    (void)pthread_mutex_init(&timers->lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&timers->changed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    store_on_due(settings->store, wake, timers);
    return timers;
}

void timers_trim(struct timers *timers, const char *topic, int32_t partition, int64_t committed)
{
    (void)pthread_mutex_lock(&timers->lock);
    struct trim *trim = timers->trims;
    while (trim != NULL && (trim->partition != partition || strcmp(trim->topic, topic) != 0))
        trim = trim->next;
    if (trim == NULL) {
        trim = xcalloc(1, sizeof(*trim));
        *trim = (struct trim){ .next = timers->trims, .topic = xstrdup(topic), .partition = partition };
        timers->trims = trim;
    }
    trim->committed = committed;
    (void)pthread_mutex_unlock(&timers->lock);
}

void timers_pause(struct timers *timers)
{
    (void)pthread_mutex_lock(&timers->lock);
    timers->is_paused = true;
    (void)pthread_mutex_unlock(&timers->lock);
}

int64_t timers_last_round_ms(const struct timers *timers)
{
    return timers->last_round_ms;
}

void timers_counts(const struct timers *timers, struct timers_counts *ret_counts)
{
    struct timers_counts counts = { .taken_over = timers->takeovers };

    for (size_t i = 0; i < shard_count(timers); i++) {
        counts.delayed += timers->shards[i].delayed;
        counts.owned += timers->shards[i].owned;
        counts.dead += timers->shards[i].dead;
    }
    histogram_read(&timers->lateness, &counts.lateness);
    *ret_counts = counts;
}

/* Waits until `until_ms` (monotonic) or for what the caller is woken by. False: stop. */
static bool wait_until(struct timers *timers, int64_t until_ms, bool wakes_early)
{
    struct timespec until = { .tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000 };

    (void)pthread_mutex_lock(&timers->lock);
    bool is_early = false;
    while (!timers->is_stopping && !is_early) {
        for (size_t i = 0; wakes_early && i < shard_count(timers); i++)
            is_early = is_early || timers->earlier_ms[i] != INT64_MAX;
        if (!is_early && pthread_cond_timedwait(&timers->changed, &timers->lock, &until) == ETIMEDOUT)
            break;
    }
    bool goes_on = !timers->is_stopping;
    (void)pthread_mutex_unlock(&timers->lock);
    return goes_on;
}

/* ---- proof of life ------------------------------------------------------------------------------ */

static bool is_same(const struct incarnation *a, const struct incarnation *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

/* What was told under an earlier name stands in that name's counters; the new name begins at 0. */
static void rebase_counts(struct timers *timers)
{
    struct incarnation self = store_incarnation(timers->settings.store);

    if (is_same(&self, &timers->counted_as))
        return;
    timers->base = timers->told;
    timers->counted_as = self;
}

static void add_counts(struct timers *timers, struct script_call *call, bool is_counted)
{
    struct worker_counts now = timers->base;
    const struct worker_counts *base = &timers->base;

    if (is_counted)
        timers->settings.count(timers->settings.context, &now);
    const struct { const char *name; uint64_t value; } COUNTS[] = {
        { "events_consumed", now.events_consumed - base->events_consumed },
        { "runs_started", now.runs_started - base->runs_started },
        { "runs_completed", now.runs_completed - base->runs_completed },
        { "runs_failed", now.runs_failed - base->runs_failed },
        { "retries_scheduled", now.retries_scheduled - base->retries_scheduled },
        { "dead_letters", now.dead_letters - base->dead_letters },
    };
    for (size_t i = 0; i < sizeof(COUNTS) / sizeof(COUNTS[0]); i++) {
        script_add_text(call, COUNTS[i].name);
        script_add_number(call, (int64_t)COUNTS[i].value);
    }
    if (is_counted)
        timers->told = now;
}

/* The store lets go of what it had given to us: Redis, or a lease that ran out, gave it to others. */
static void begin_anew(struct timers *timers)
{
    log_warn("this worker's lease ran out: its runs go on elsewhere, and it goes on under a new name");
    store_renew(timers->settings.store);
    dispatch_cancel(timers->settings.dispatch, NULL);
}

static int beat(struct timers *timers, int shard)
{
    struct redis_store *store = timers->settings.store;
    struct shard *known = &timers->shards[shard];
    AUTO_REPLY reply = NULL;
    struct script_call call;

    if (shard == 0)
        rebase_counts(timers);
    script_begin(&call, "heartbeat", shard);
    script_add_self(store, &call);
    bool is_first = !known->is_known || !is_same(&known->known_as, &call.owner);
    struct incarnation meant = call.owner;
    script_add_text(&call, is_first ? "1" : "0");
    script_add_number(&call, store_settings(store)->lease_ms);
    add_counts(timers, &call, shard == 0);
    int status = store_call(store, &call, &reply);
    if (status != 0)
        return status;
    if (reply->element[0]->integer != 0) {
        if (is_same(&meant, &call.owner))
            begin_anew(timers); /* else Redis restarted while it waited: the next one is a first one */
        return -EAGAIN;
    }
    known->known_as = call.owner;
    known->is_known = true;
    known->delayed = (uint64_t)reply->element[3]->integer;
    known->owned = (uint64_t)reply->element[4]->integer;
    known->dead = (uint64_t)reply->element[5]->integer;
    const redisReply *asked = reply->element[2];
    for (size_t i = 0; i < asked->elements; i++)
        dispatch_cancel(timers->settings.dispatch, asked->element[i]->str);
    return 0;
}

/* All shards; again at once where a new name must be told. */
static int beat_all(struct timers *timers)
{
    for (int shard = 0; shard < store_shards(timers->settings.store); shard++) {
        int status = beat(timers, shard);
        if (status != 0)
            return status;
    }
    return 0;
}

/* ---- claims ------------------------------------------------------------------------------------- */

static void release_held(struct claimed *claimed)
{
    struct held *held = (struct held *)claimed;

    steps_destroy(held->claimed.run.steps);
    if (held->event.view.topic != NULL)
        event_done(&held->event);
    msgpack_zone_destroy(&held->zone);
    free(held->data);
    free(held);
}

static int load_steps(struct held *held, const redisReply *members, struct error *ret_error)
{
    struct run *run = &held->claimed.run;

    if (members->elements != 0)
        run->steps = steps_create();
    for (size_t i = 0; i < members->elements; i++) {
        const redisReply *member = members->element[i];
        int status = steps_load(run->steps, i, (struct bytes){ member->str, (size_t)member->len }, ret_error);
        if (status != 0)
            return status;
    }
    return 0;
}

static void fill_run(struct timers *timers, struct held *held, const char *id, int64_t now_ms)
{
    const struct record *record = &held->record;
    struct run *run = &held->claimed.run;

    run->function = timers->settings.find_function(timers->settings.context, record->function);
    run->event = &held->event;
    memcpy(run->id.text, id, RUN_ID_LENGTH + 1);
    run->attempt = record->attempt;
    run->phase = record->phase;
    run->epoch = record->epoch;
    run->owner = record->owner;
    run->takeovers = record->takeovers;
    run->unclean = record->unclean;
    run->created_ms = record->created_ms;
    run->now_ms = now_ms;
    run->tail = record->tail;
    if (attempts_last_failure(record->tail, &held->last))
        run->last = &held->last;
    held->claimed.function_id = record->function;
    held->claimed.release = release_held;
}

/* Whether its bytes can be read is for the run to find out: a function of a topic takes any. */
static void begin_event(struct held *held)
{
    const struct record *record = &held->record;

    event_init(&held->event, record->topic, record->partition, record->offset, record->timestamp_ms, record->key,
               record->value, record->headers, record->header_count);
    (void)!event_find_name(&held->event, NULL);
}

static struct held *hold(struct timers *timers, const redisReply *claimed, int64_t now_ms, struct error *ret_error)
{
    const redisReply *header = claimed->element[1];
    const redisReply *bytes = claimed->element[2]; /* as they were before the claim */
    struct held *held = xcalloc(1, sizeof(*held));

    histogram_add(&timers->lateness, (double)(now_ms - record_changed_ms(bytes->str)) * 1000);
    held->data = xmemdup(bytes->str, (size_t)bytes->len + 1);
    memcpy(held->data, header->str, RECORD_HEADER_SIZE);
    if (!msgpack_zone_init(&held->zone, 1024))
        abort();
    int status = record_decode((struct bytes){ held->data, (size_t)bytes->len }, &held->zone, &held->record, ret_error);
    if (status == 0) {
        begin_event(held);
        status = load_steps(held, claimed->element[3], ret_error);
    }
    if (status != 0) {
        release_held(&held->claimed);
        return NULL;
    }
    fill_run(timers, held, claimed->element[0]->str, now_ms);
    return held;
}

static int condemn(struct timers *timers, int shard, const char *id, const char *why)
{
    struct log_fields fields = LOG_FIELDS_NONE;
    AUTO_REPLY reply = NULL;
    struct script_call call;

    fields.run_id = id;
    log_event(LOG_LEVEL_ERROR, &fields,
              "the run's record in Redis can't be read (%s): it is put among the dead and not tried again", why);
    script_begin(&call, "condemn", shard);
    script_add_text(&call, id);
    script_add_self(timers->settings.store, &call);
    return store_call(timers->settings.store, &call, &reply);
}

static int give(struct timers *timers, int shard, const redisReply *claimed, int64_t now_ms)
{
    struct error error = { 0 };

    if (claimed->elements < 4)
        return condemn(timers, shard, claimed->element[0]->str, "it is lost, or not of this version");
    struct held *held = hold(timers, claimed, now_ms, &error);
    if (held == NULL)
        return condemn(timers, shard, claimed->element[0]->str, error.text);
    dispatch_push_claimed(timers->settings.dispatch, &held->claimed);
    return 0;
}

/* Claims what is due in a shard, as far as workers are free; sets when to look again. */
static int claim(struct timers *timers, int shard)
{
    struct redis_store *store = timers->settings.store;
    struct shard *known = &timers->shards[shard];

    for (;;) {
        size_t room = dispatch_free_workers(timers->settings.dispatch);
        if (room == 0) {
            known->due_ms = store_now_ms(store) + CLAIM_STARVED_MS;
            return 0;
        }
        size_t max = room < CLAIM_AT_ONCE ? room : CLAIM_AT_ONCE;
        AUTO_REPLY reply = NULL;
        struct script_call call;
        script_begin(&call, "claim", shard);
        script_add_self(store, &call);
        script_add_number(&call, (int64_t)++timers->serial);
        script_add_number(&call, (int64_t)max);
        int status = store_call(store, &call, &reply);
        if (status != 0)
            return status;
        if (reply->element[0]->integer != 0)
            return -EAGAIN; /* the heartbeat settles it */
        int64_t now_ms = reply->element[1]->integer;
        int64_t next_ms = reply->element[2]->integer;
        const redisReply *runs = reply->element[3];
        for (size_t i = 0; status == 0 && i < runs->elements; i++)
            status = give(timers, shard, runs->element[i], now_ms);
        if (status != 0)
            return status;
        known->due_ms = next_ms >= 0 && next_ms < now_ms + CLAIM_POLL_MS ? next_ms : now_ms + CLAIM_POLL_MS;
        if (next_ms < 0 || next_ms > now_ms)
            return 0;
    }
}

/* Takes what was parked meanwhile; when the earliest shard is due, in monotonic ms. */
static int64_t next_claim_ms(struct timers *timers)
{
    int64_t earliest_ms = INT64_MAX;

    (void)pthread_mutex_lock(&timers->lock);
    for (size_t i = 0; i < shard_count(timers); i++) {
        if (timers->earlier_ms[i] < timers->shards[i].due_ms)
            timers->shards[i].due_ms = timers->earlier_ms[i];
        timers->earlier_ms[i] = INT64_MAX;
        if (timers->shards[i].due_ms < earliest_ms)
            earliest_ms = timers->shards[i].due_ms;
    }
    bool is_paused = timers->is_paused;
    (void)pthread_mutex_unlock(&timers->lock);
    int64_t wait_ms = earliest_ms - store_now_ms(timers->settings.store);
    if (is_paused || wait_ms > CLAIM_POLL_MS)
        wait_ms = CLAIM_POLL_MS;
    if (wait_ms < 1)
        wait_ms = 1; /* our clock may be a little ahead of Redis's */
    return clock_monotonic_ms() + wait_ms;
}

static int claim_due(struct timers *timers)
{
    (void)pthread_mutex_lock(&timers->lock);
    bool is_paused = timers->is_paused;
    (void)pthread_mutex_unlock(&timers->lock);
    for (int shard = 0; !is_paused && shard < store_shards(timers->settings.store); shard++) {
        if (timers->shards[shard].due_ms > store_now_ms(timers->settings.store))
            continue;
        int status = claim(timers, shard);
        if (status != 0)
            return status;
    }
    return 0;
}

/* ---- what dead workers left, and what is behind us ---------------------------------------------- */

static int reap(struct timers *timers)
{
    for (int shard = 0; shard < store_shards(timers->settings.store); shard++) {
        AUTO_REPLY reply = NULL;
        struct script_call call;
        script_begin(&call, "reap", shard);
        int status = store_call(timers->settings.store, &call, &reply);
        if (status != 0)
            return status;
        int64_t reaped = reply->element[0]->integer;
        if (reaped > 0) {
            timers->takeovers += (uint64_t)reaped;
            timers->shards[shard].due_ms = 0;
            log_info("took over %lld runs of a worker that died", (long long)reaped);
        }
        if (reply->element[2]->integer != 0)
            shard--; /* there are more */
    }
    return 0;
}

/* Runs that ended are kept for a while only. */
static int forget(struct timers *timers)
{
    const struct store_settings *settings = store_settings(timers->settings.store);

    for (int shard = 0; shard < store_shards(timers->settings.store); shard++) {
        AUTO_REPLY reply = NULL;
        struct script_call call;
        script_begin(&call, "forget", shard);
        script_add_number(&call, settings->history_age_ms);
        script_add_number(&call, settings->history_count);
        int status = store_call(timers->settings.store, &call, &reply);
        if (status != 0)
            return status;
        if (reply->element[2]->integer != 0)
            shard--; /* there are more */
    }
    return 0;
}

static int trim(struct timers *timers)
{
    (void)pthread_mutex_lock(&timers->lock);
    struct trim *first = timers->trims;
    timers->trims = NULL;
    (void)pthread_mutex_unlock(&timers->lock);

    int status = 0;
    while (first != NULL) {
        struct trim *trim = first;
        bool has_more = true;
        while (status == 0 && has_more)
            status = store_trim_partition(timers->settings.store, trim->topic, trim->partition, trim->committed, &has_more);
        first = trim->next;
        free(trim->topic);
        free(trim);
    }
    return status;
}

static void leave(struct timers *timers)
{
    struct redis_store *store = timers->settings.store;

    (void)beat_all(timers); /* the last counters */
    for (int shard = 0; shard < store_shards(store); shard++) {
        AUTO_REPLY reply = NULL;
        struct script_call call;
        script_begin(&call, "leave", shard);
        script_add_self(store, &call);
        if (!store_is_up(store) || store_call(store, &call, &reply) != 0)
            return;
        if (reply->element[2]->integer != 0)
            shard--;
    }
}

/* ---- the threads -------------------------------------------------------------------------------- */

static void *timer_main(void *argument)
{
    struct timers *timers = argument;
    int64_t lease_ms = store_settings(timers->settings.store)->lease_ms;
    int64_t beat_every_ms = lease_ms / 5 < BEAT_EVERY_MS ? lease_ms / 5 : BEAT_EVERY_MS;
    int64_t next_beat_ms = 0;
    int64_t next_reap_ms = 0;
    struct pulse *pulse = pulse_start("timers", PULSE_LIMIT_MS);

    for (;;) {
        pulse_beat(pulse);
        int64_t now_ms = clock_monotonic_ms();
        int status = 0;
        if (now_ms >= next_beat_ms) {
            status = beat_all(timers);
            /* After an outage all leases have run out at once: give the others time to say so. */
            if (clock_monotonic_ms() - now_ms > beat_every_ms)
                next_reap_ms = clock_monotonic_ms() + lease_ms;
            now_ms = clock_monotonic_ms();
            next_beat_ms = status == 0 ? now_ms + beat_every_ms : now_ms;
        }
        if (status == 0 && now_ms >= next_reap_ms) {
            status = reap(timers);
            if (status == 0)
                status = trim(timers);
            if (status == 0)
                status = forget(timers);
            next_reap_ms = clock_monotonic_ms() + REAP_EVERY_MS;
        }
        if (status == 0)
            status = claim_due(timers);
        if (status == 0)
            timers->last_round_ms = clock_monotonic_ms();
        if (status == -EAGAIN)
            next_beat_ms = 0; /* known under another name by now, or not at all */

        int64_t until_ms = next_claim_ms(timers);
        if (until_ms > next_beat_ms)
            until_ms = next_beat_ms;
        if (status != 0 && until_ms < clock_monotonic_ms() + 10)
            until_ms = clock_monotonic_ms() + 10;
        if (!wait_until(timers, until_ms, status == 0))
            break;
    }
    leave(timers);
    pulse_stop(pulse);
    return NULL;
}

static void *watch_main(void *argument)
{
    struct timers *timers = argument;
    struct pulse *pulse = pulse_start("watch", PULSE_LIMIT_MS);

    while (wait_until(timers, clock_monotonic_ms() + WATCH_EVERY_MS, false)) {
        dispatch_watch(timers->settings.dispatch);
        pulse_beat(pulse);
    }
    pulse_stop(pulse);
    return NULL;
}

int timers_start(struct timers *timers, struct error *ret_error)
{
    int failed = pthread_create(&timers->timer, NULL, timer_main, timers);
    timers->is_timer_started = failed == 0;
    if (failed == 0) {
        failed = pthread_create(&timers->watch, NULL, watch_main, timers);
        timers->is_watch_started = failed == 0;
    }
    return failed == 0 ? 0 : error_set(ret_error, failed, "can't start the timer thread: %s", strerror(failed));
}

/* It may wait for a Redis that is away: then nobody waits any more. */
static void join_timer(struct timers *timers)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += store_is_up(timers->settings.store) ? LEAVE_SECONDS : 0;
    if (pthread_timedjoin_np(timers->timer, NULL, &until) == 0)
        return;
    store_stop(timers->settings.store);
    (void)pthread_join(timers->timer, NULL);
}

void timers_destroy(struct timers *timers)
{
    if (timers == NULL)
        return;
    store_on_due(timers->settings.store, NULL, NULL);
    (void)pthread_mutex_lock(&timers->lock);
    timers->is_stopping = true;
    (void)pthread_cond_broadcast(&timers->changed);
    (void)pthread_mutex_unlock(&timers->lock);
    if (timers->is_timer_started)
        join_timer(timers);
    if (timers->is_watch_started)
        (void)pthread_join(timers->watch, NULL);
    while (timers->trims != NULL) {
        struct trim *next = timers->trims->next;
        free(timers->trims->topic);
        free(timers->trims);
        timers->trims = next;
    }
    (void)pthread_cond_destroy(&timers->changed);
    (void)pthread_mutex_destroy(&timers->lock);
    free(timers->earlier_ms);
    free(timers->shards);
    free(timers);
}
