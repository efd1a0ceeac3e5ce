/* SPDX-License-Identifier: Apache-2.0 */
/* The store, and the clock by which runs in it go on. */
#include "store/store.h"

#include <assert.h>
#include <errno.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/log.h"
#include "crash/recovery.h"
#include "engine/dispatch.h"
#include "intake/kafka/consumer.h"
#include "modules/loader.h"
#include "parts/families.h"
#include "parts/part.h"
#include "run/flow_settings.h"
#include "store/redis/timers.h"
#include "view/store_config.h"

#define ROUND_LATE_MS 10000 /* the clock's last round is older: nothing that is due moves */

static void on_new_incarnation(void *context, bool is_rollback)
{
    struct daemon *daemon = context;
    struct consumer *consumer = atomic_load(&daemon->consumer);

    if (is_rollback)
        part_redis_rolled_back();
    if (consumer == NULL)
        return;
    dispatch_cancel(daemon->dispatch, NULL);
    if (!is_rollback)
        return;
    log_warn("Redis came back as another process and may have lost its last second: stepd reads again from the committed offsets");
    consumer_rewind(consumer);
}

static int start_store(struct daemon *daemon, struct error *ret_error)
{
    struct store_settings settings = store_settings_of(daemon->config);

    assert(daemon->store == NULL);
    settings.on_new_incarnation = on_new_incarnation;
    settings.fatal = part_fatal;
    settings.context = daemon;
    daemon->store = store_create(&settings);
    int status = store_start(daemon->store, ret_error);
    if (status != -EAGAIN)
        return status;
    log_warn("%s: the daemon starts without Redis; runs that need it wait", ret_error->text);
    return 0;
}

static void halt_store(struct daemon *daemon)
{
    if (daemon->store != NULL)
        store_stop(daemon->store);
}

static void end_store(struct daemon *daemon)
{
    store_destroy(daemon->store);
}

static const char *store_trouble(struct daemon *daemon, char *room, size_t size)
{
    (void)room;
    (void)size;
    return store_is_up(daemon->store) ? NULL : "Redis does not work now: runs that need it wait";
}

static void write_store_metrics(struct daemon *daemon, struct metrics_page *page)
{
    static const struct metric_scale batch_sizes = { .unit = 1, .first = 0, .last = 10 };
    struct store_counts asked;

    families_put_gauge(page, "redis_up", "Whether Redis answered the last time it was asked.", store_is_up(daemon->store));
    store_counts(daemon->store, &asked);
    metrics_family(page, METRIC_HISTOGRAM, "redis_round_trip_seconds", "From when a command goes to Redis to its reply.");
    metrics_put_histogram(page, NULL, &asked.round_trips, &families_durations);
    metrics_family(page, METRIC_HISTOGRAM, "redis_batch_commands", "Commands that went to Redis together.");
    metrics_put_histogram(page, NULL, &asked.batches, &batch_sizes);
}

const struct part PART_STORE = {
    .name = "store",
    .start = start_store,
    .halt = halt_store,
    .end = end_store,
    .trouble = store_trouble,
    .write_metrics = write_store_metrics,
};

/* ---- what is due --------------------------------------------------------------------------------- */

static const struct family timers_families[] = {
    COUNTER("runs_taken_over_total", "Runs taken over from workers that died.", timers_counts, taken_over),
    GAUGE("runs_delayed", "Runs that wait in Redis for their time: of all daemons, each tells the same.", timers_counts, delayed),
    GAUGE("runs_owned", "Runs in Redis that this daemon holds.", timers_counts, owned),
    GAUGE("runs_dead", "Failed runs that Redis keeps: of all daemons, each tells the same.", timers_counts, dead),
};

static void count(void *context, struct worker_counts *ret_counts)
{
    struct daemon *daemon = context;
    struct consumer *consumer = atomic_load(&daemon->consumer);
    struct consumer_counts consumed = { 0 };
    struct dispatch_counts counts;

    dispatch_counts(daemon->dispatch, &counts);
    if (consumer != NULL)
        consumer_counts(consumer, &consumed);
    *ret_counts = (struct worker_counts){
        .events_consumed = consumed.events_consumed,
        .runs_started = counts.runs_started,
        .runs_completed = counts.runs_completed,
        .runs_failed = counts.runs_failed,
        .retries_scheduled = counts.retries_scheduled,
        .dead_letters = counts.dead_letters,
    };
}

static bool may_take_over(void *context)
{
    return recovery_is_done(((struct daemon *)context)->recovery);
}

static int start_timers(struct daemon *daemon, struct error *ret_error)
{
    const struct timers_settings settings = {
        .store = daemon->store,
        .runs = dispatch_run_taker(daemon->dispatch),
        .find_function = part_find_function,
        .count = count,
        .may_take_over = may_take_over,
        .context = daemon,
        .tick_topic = daemon->config->topics[0],
        .each_function = part_each_function,
        .durability_lag_ms = daemon->config->redis.durability_lag_ms,
    };

    daemon->timers = timers_create(&settings);
    return timers_start(daemon->timers, ret_error);
}

/* What is ours goes back while the store still answers. */
static void halt_timers(struct daemon *daemon)
{
    timers_destroy(daemon->timers);
    daemon->timers = NULL;
}

static const char *timers_trouble(struct daemon *daemon, char *room, size_t size)
{
    (void)room;
    (void)size;
    return clock_monotonic_ms() - timers_last_round_ms(daemon->timers) > ROUND_LATE_MS
               ? "nothing that is due moves: Redis does not answer in time"
               : NULL;
}

static void write_timers_metrics(struct daemon *daemon, struct metrics_page *page)
{
    struct timers_counts due;

    timers_counts(daemon->timers, &due);
    families_put(page, timers_families, COUNT_OF(timers_families), &due);
    metrics_family(page, METRIC_HISTOGRAM, "run_lateness_seconds", "How long a run was due when it was claimed.");
    metrics_put_histogram(page, NULL, &due.lateness, &families_durations);
}

const struct part PART_DUE = {
    .name = "due",
    .start = start_timers,
    .halt = halt_timers,
    .trouble = timers_trouble,
    .write_metrics = write_timers_metrics,
};
