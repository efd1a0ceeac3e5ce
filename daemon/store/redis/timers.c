/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/timers.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/pulse.h"
#include "base/thread.h"
#include "store/redis/rounds.h"
#include "store/redis/trims.h"

#define LOOK_EVERY_MS 250 /* at shards that were away */
#define LEAVE_MS 3000     /* to give runs back at the end */

/* What the timer thread is to tell a shard's rounds. */
struct news {
    bool is_answered;
    int64_t due_ms; /* of a run that was made due; INT64_MAX: none was */
    struct lines_due lines;
    bool has_post; /* letters are to go out */
};

struct timers {
    struct timers_settings settings;
    struct thread timer;

    struct rounds **rounds; /* by shard */
    size_t count;
    struct rounds_common common; /* timer thread, but for its counts */

    struct lock lock;
    struct condition changed;
    struct news *news;  /* lock; by shard */
    bool has_news;      /* lock */
    int64_t due_ms;     /* lock; monotonic; when the first of those runs is due that stand in the news alone; INT64_MAX: none does */
    int64_t looks_ms;   /* lock; monotonic; when the timer thread looks at the news by itself; INT64_MIN: it does not wait */
    struct trim *trims; /* lock */
    bool is_paused;     /* lock */
    bool is_stopping;   /* lock */
};

/* ---- the life of it ---------------------------------------------------------------------------- */

static void on_due(void *context, int shard, const struct function *line_of, int64_t due_ms)
{
    struct timers *timers = context;
    struct news *news = &timers->news[shard];
    int64_t delay_ms = due_ms - store_shard_now_ms(timers->settings.store, shard);
    int64_t at_ms = clock_monotonic_ms() + (delay_ms > 0 ? delay_ms : 0);

    assert(shard >= 0 && (size_t)shard < timers->count);
    lock_take(&timers->lock);
    if (line_of == NULL && due_ms < news->due_ms)
        news->due_ms = due_ms;
    if (at_ms < timers->due_ms)
        timers->due_ms = at_ms;
    bool is_new = line_of != NULL && lines_due_add(&news->lines, line_of, due_ms);
    timers->has_news = timers->has_news || is_new;
    if (is_new || at_ms < timers->looks_ms)
        condition_wake_all(&timers->changed);
    lock_give(&timers->lock);
}

static void on_post(void *context, int shard)
{
    struct timers *timers = context;

    assert(shard >= 0 && (size_t)shard < timers->count);
    lock_take(&timers->lock);
    timers->news[shard].has_post = true;
    timers->has_news = true;
    condition_wake_all(&timers->changed);
    lock_give(&timers->lock);
}

static void on_answered(void *context, struct rounds *rounds)
{
    struct timers *timers = context;

    assert((size_t)rounds_shard(rounds) < timers->count);
    lock_take(&timers->lock);
    timers->news[rounds_shard(rounds)].is_answered = true;
    timers->has_news = true;
    condition_wake_all(&timers->changed);
    lock_give(&timers->lock);
}

struct timers *timers_create(const struct timers_settings *settings)
{
    struct timers *timers = xcalloc(1, sizeof(*timers));

    timers->settings = *settings;
    timers->common = (struct rounds_common){
        .store = settings->store,
        .runs = settings->runs,
        .find_function = settings->find_function,
        .count = settings->count,
        .may_take_over = settings->may_take_over,
        .context = settings->context,
        .tick_topic = settings->tick_topic,
        .each_function = settings->each_function,
        .durability_lag_ms = settings->durability_lag_ms,
        .answered = on_answered,
        .answered_context = timers,
        .counters = { .counted_as = store_incarnation(settings->store) },
    };
    timers->count = (size_t)store_shards(settings->store);
    timers->rounds = xcalloc(timers->count, sizeof(struct rounds *));
    timers->common.all = timers->rounds;
    timers->news = xcalloc(timers->count, sizeof(*timers->news));
    for (size_t i = 0; i < timers->count; i++) {
        timers->rounds[i] = rounds_create(&timers->common, (int)i);
        timers->news[i].due_ms = INT64_MAX;
    }
    timers->due_ms = INT64_MAX;
    timers->looks_ms = INT64_MIN;
    lock_init(&timers->lock);
    condition_init(&timers->changed);
    store_on_due(settings->store, on_due, timers);
    store_on_post(settings->store, on_post, timers);
    return timers;
}

void timers_trim(struct timers *timers, const char *topic, int32_t partition, int64_t committed)
{
    lock_take(&timers->lock);
    trims_set(&timers->trims, topic, partition, committed);
    lock_give(&timers->lock);
}

void timers_pause(struct timers *timers)
{
    lock_take(&timers->lock);
    timers->is_paused = true;
    lock_give(&timers->lock);
}

int64_t timers_last_round_ms(const struct timers *timers)
{
    int64_t last_ms = INT64_MAX;

    for (size_t i = 0; i < timers->count; i++) {
        int64_t answered_ms = rounds_answered_ms(timers->rounds[i]);
        last_ms = answered_ms < last_ms ? answered_ms : last_ms;
    }
    return last_ms;
}

void timers_counts(const struct timers *timers, struct timers_counts *ret_counts)
{
    struct timers_counts counts = { .taken_over = timers->common.takeovers };

    for (size_t i = 0; i < timers->count; i++)
        rounds_add_counts(timers->rounds[i], &counts);
    histogram_read(&timers->common.lateness, &counts.lateness);
    *ret_counts = counts;
}

uint64_t timers_queued(const struct timers *timers, const struct function *function)
{
    uint64_t count = 0;

    for (size_t i = 0; i < timers->count; i++)
        count += rounds_queued(timers->rounds[i], function);
    return count;
}

/* ---- the timer thread --------------------------------------------------------------------------- */

/* What was heard meanwhile. `news` has room for all shards; the trims are the caller's. */
static struct trim *take_news(struct timers *timers, struct news *news)
{
    assert_thread(&timers->timer);
    lock_take(&timers->lock);
    for (size_t i = 0; i < timers->count; i++) {
        news[i] = timers->news[i];
        timers->news[i] = (struct news){ .due_ms = INT64_MAX };
    }
    timers->has_news = false;
    timers->due_ms = INT64_MAX;
    struct trim *trims = timers->trims;
    timers->trims = NULL;
    timers->common.is_paused = timers->is_paused;
    timers->common.is_leaving = timers->is_stopping;
    lock_give(&timers->lock);
    return trims;
}

static void pass_on(struct timers *timers, const struct news *news, struct trim *trims)
{
    for (size_t i = 0; i < timers->count; i++) {
        if (news[i].is_answered)
            rounds_hear(timers->rounds[i]);
        rounds_expect(timers->rounds[i], news[i].due_ms);
        rounds_expect_in_lines(timers->rounds[i], &news[i].lines);
        if (news[i].has_post)
            rounds_expect_post(timers->rounds[i]);
    }
    for (; trims != NULL; trims_drop_first(&trims)) {
        for (size_t i = 0; i < timers->count; i++)
            rounds_trim(timers->rounds[i], trims->topic, trims->partition, trims->committed);
    }
}

/* From `first` on, so that each shard is the first to find free workers in its turn. When to come again,
 * monotonic ms. */
static int64_t go_round(struct timers *timers, size_t first)
{
    int64_t until_ms = clock_monotonic_ms() + LOOK_EVERY_MS;

    assert_thread(&timers->timer);
    for (size_t i = 0; i < timers->count; i++) {
        int64_t next_ms = rounds_go(timers->rounds[(first + i) % timers->count]);
        until_ms = next_ms < until_ms ? next_ms : until_ms;
    }
    return until_ms;
}

static bool are_over(const struct timers *timers)
{
    for (size_t i = 0; i < timers->count; i++) {
        if (!rounds_are_over(timers->rounds[i]))
            return false;
    }
    return true;
}

static void wait_for_news(struct timers *timers, int64_t until_ms)
{
    bool was_stopping = timers->common.is_leaving;

    LOCK_GUARD(&timers->lock);
    do
        timers->looks_ms = timers->due_ms < until_ms ? timers->due_ms : until_ms;
    while (!timers->has_news && timers->is_stopping == was_stopping &&
           condition_wait_until(&timers->changed, &timers->lock, timers->looks_ms));
    timers->looks_ms = INT64_MIN;
}

static void *timer_main(void *argument)
{
    struct timers *timers = argument;
    AUTO_FREE struct news *news = xcalloc(timers->count, sizeof(*news));

    for (size_t first = 0;; first = (first + 1) % timers->count) {
        struct trim *trims = take_news(timers, news);
        pass_on(timers, news, trims);
        int64_t until_ms = go_round(timers, first);
        if (are_over(timers))
            break;
        pulse_beat_here();
        wait_for_news(timers, until_ms);
    }
    return NULL;
}

/* ---- start and stop ----------------------------------------------------------------------------- */

int timers_start(struct timers *timers, struct error *ret_error)
{
    return thread_start(&timers->timer, "timers", PULSE_LIMIT_MS, timer_main, timers, ret_error);
}

static bool is_any_up(struct timers *timers)
{
    for (size_t i = 0; i < timers->count; i++) {
        if (store_shard_is_up(timers->settings.store, (int)i))
            return true;
    }
    return false;
}

/* It may wait for a Redis that is away: then nobody waits any more. */
static void join_timer(struct timers *timers)
{
    int64_t until_ms = clock_monotonic_ms() + (is_any_up(timers) ? LEAVE_MS : 0);

    if (thread_join_until(&timers->timer, until_ms))
        return;
    store_stop(timers->settings.store);
    thread_join(&timers->timer);
}

void timers_destroy(struct timers *timers)
{
    if (timers == NULL)
        return;
    store_on_due(timers->settings.store, NULL, NULL);
    store_on_post(timers->settings.store, NULL, NULL);
    lock_take(&timers->lock);
    timers->is_stopping = true;
    condition_wake_all(&timers->changed);
    lock_give(&timers->lock);
    join_timer(timers);
    pass_on(timers, timers->news, timers->trims);
    for (size_t i = 0; i < timers->count; i++)
        rounds_destroy(timers->rounds[i]);
    free(timers->rounds);
    free(timers->news);
    condition_done(&timers->changed);
    lock_done(&timers->lock);
    free(timers);
}
