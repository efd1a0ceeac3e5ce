/* SPDX-License-Identifier: Apache-2.0 */
/* What /metrics tells of the daemon's parts, which count where it happens: read when the page is asked for. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/array.h"
#include "daemon.h"

/* A family whose samples are one field each, a uint64_t, of some struct of counts. */
struct family {
    enum metric_kind kind;
    const char *name;
    const char *help;
    size_t offset;
};

#define COUNTER(name, help, counts, field) { METRIC_COUNTER, name, help, offsetof(struct counts, field) }
#define GAUGE(name, help, counts, field) { METRIC_GAUGE, name, help, offsetof(struct counts, field) }

_Static_assert(sizeof(size_t) == sizeof(uint64_t), "sizes are read as counts are");

static const struct family consumer_families[] = {
    COUNTER("events_consumed_total", "Messages read from Kafka.", consumer_counts, events_consumed),
    COUNTER("commits_total", "Commits of offsets.", consumer_counts, commits),
    COUNTER("commits_failed_total", "Commits of offsets that the brokers refused.", consumer_counts, commits_failed),
    COUNTER("rebalances_total", "Changes of the assigned partitions.", consumer_counts, rebalances),
    COUNTER("metadata_unread_total", "Commit metadata that could not be read.", consumer_counts, metadata_unread),
    GAUGE("partitions_assigned", "Partitions that are this daemon's.", consumer_counts, partitions),
    GAUGE("partitions_stalled", "Partitions that have lag and do not move.", consumer_counts, stalled),
    GAUGE("events_in_flight", "Events read and not yet done.", consumer_counts, in_flight),
};

static const struct family dispatch_families[] = {
    COUNTER("events_unhandled_total", "Events that no function wanted.", dispatch_counts, events_unhandled),
    COUNTER("events_malformed_total", "Messages that are no events, or too large.", dispatch_counts, events_malformed),
    GAUGE("threads", "Worker threads.", dispatch_counts, threads),
    GAUGE("threads_busy", "Worker threads that run an attempt.", dispatch_counts, threads_busy),
    GAUGE("threads_stuck", "Threads left behind in a handler past its timeout.", dispatch_counts, threads_stuck),
    GAUGE("attempts_away", "Attempts that wait for an app's answer, without a thread.", dispatch_counts, away),
    GAUGE("queue_depth", "Events and runs that wait for a worker thread.", dispatch_counts, queued),
};

static const struct family function_families[] = {
    COUNTER("function_events_consumed_total", "Events that came for the function.", function_counts, consumed),
    COUNTER("events_duplicate_total", "Events seen before within the function's dedupe window.", function_counts, duplicates),
    COUNTER("runs_started_total", "Runs begun: the function on an event, whatever its attempts.", function_counts, started),
    COUNTER("runs_completed_total", "Runs that ended well.", function_counts, completed),
    COUNTER("runs_failed_total", "Runs that failed for good.", function_counts, failed),
    COUNTER("retries_scheduled_total", "Attempts to be made again.", function_counts, retried),
    COUNTER("runs_fenced_total", "Attempts whose run another worker had taken over.", function_counts, fenced),
    COUNTER("handlers_crashed_total", "Attempts whose handler ended the daemon.", function_counts, crashed),
    COUNTER("handlers_timed_out_total", "Attempts that took longer than their timeout.", function_counts, timed_out),
};

static const struct family timers_families[] = {
    COUNTER("runs_taken_over_total", "Runs taken over from workers that died.", timers_counts, taken_over),
    GAUGE("runs_delayed", "Runs that wait in Redis for their time: of all daemons, each tells the same.", timers_counts, delayed),
    GAUGE("runs_owned", "Runs in Redis that this daemon holds.", timers_counts, owned),
    GAUGE("runs_dead", "Failed runs that Redis keeps: of all daemons, each tells the same.", timers_counts, dead),
};

static const struct metric_scale durations = { .unit = 1e-6, .first = 6, .last = 30 }; /* 64 µs to 18 min */
static const struct metric_scale batch_sizes = { .unit = 1, .first = 0, .last = 10 };

static double field(const void *counts, const struct family *family)
{
    return (double)*(const uint64_t *)((const char *)counts + family->offset);
}

static void put_all(struct metrics_page *page, const struct family *families, size_t count, const void *counts)
{
    for (size_t i = 0; i < count; i++) {
        metrics_family(page, families[i].kind, families[i].name, families[i].help);
        metrics_put(page, NULL, field(counts, &families[i]));
    }
}

static void put_gauge(struct metrics_page *page, const char *name, const char *help, double value)
{
    metrics_family(page, METRIC_GAUGE, name, help);
    metrics_put(page, NULL, value);
}

/* ---- the daemon itself --------------------------------------------------------------------------- */

static void put_daemon(struct daemon *daemon, struct metrics_page *page)
{
    const struct metric_label version[] = { { "version", STEPD_VERSION }, { 0 } };
    char reason[160];

    metrics_family(page, METRIC_GAUGE, "build_info", "The version that runs; always 1.");
    metrics_put(page, version, 1);
    put_gauge(page, "start_time_seconds", "When this process began, in Unix time.", (double)daemon->started_ms / 1000);
    put_gauge(page, "ready", "Whether it can do its work now, as /readyz says.", daemon_is_ready(daemon, reason, sizeof(reason)));
    put_gauge(page, "redis_up", "Whether Redis answered the last time it was asked.", store_is_up(daemon->store));
    put_gauge(page, "producer_up", "Whether Kafka takes dead letters and emitted events.", producer_is_up(daemon->producer));
}

/* ---- partitions ---------------------------------------------------------------------------------- */

/* The caller frees. */
static struct partition_view *read_partitions(struct consumer *consumer, size_t *ret_count)
{
    size_t room = consumer_partitions(consumer, NULL, 0);
    struct partition_view *views = xcalloc(room + 1, sizeof(*views));
    size_t count = consumer_partitions(consumer, views, room);

    *ret_count = count < room ? count : room;
    return views;
}

static void put_partitions(struct consumer *consumer, struct metrics_page *page)
{
    size_t count;
    AUTO_FREE struct partition_view *views = read_partitions(consumer, &count);
    char number[16];

    metrics_family(page, METRIC_GAUGE, "partition_lag", "Events of the partition that are not committed as done.");
    for (size_t i = 0; i < count; i++) {
        const struct metric_label labels[] = { { "topic", views[i].topic }, { "partition", number }, { 0 } };
        (void)snprintf(number, sizeof(number), "%d", (int)views[i].partition);
        if (views[i].lag >= 0)
            metrics_put(page, labels, (double)views[i].lag);
    }
}

static void put_consumer(struct daemon *daemon, struct metrics_page *page)
{
    struct consumer *consumer = atomic_load(&daemon->consumer);
    struct consumer_counts counts = { 0 };

    if (consumer != NULL)
        consumer_counts(consumer, &counts);
    put_all(page, consumer_families, COUNT_OF(consumer_families), &counts);
    if (consumer != NULL)
        put_partitions(consumer, page);
}

/* ---- functions ----------------------------------------------------------------------------------- */

struct function_row {
    const char *id;
    struct function_counts counts;
};

struct function_rows {
    struct dispatch *dispatch;
    struct function_row *items;
    size_t count;
};

static void add_row(void *context, const struct function *function)
{
    struct function_rows *rows = context;

    rows->items = xrealloc(rows->items, (rows->count + 1) * sizeof(*rows->items));
    struct function_row *row = &rows->items[rows->count++];
    row->id = function->id;
    dispatch_function_counts(rows->dispatch, function->index, &row->counts);
}

/* Each is read once, so that its samples belong together. */
static struct function_rows read_functions(struct daemon *daemon)
{
    struct function_rows rows = { .dispatch = daemon->dispatch };

    apps_each_function(daemon, add_row, &rows);
    return rows;
}

static void put_by_function(struct metrics_page *page, const struct function_rows *rows, const struct family *family)
{
    metrics_family(page, family->kind, family->name, family->help);
    for (size_t i = 0; i < rows->count; i++) {
        const struct metric_label labels[] = { { "function", rows->items[i].id }, { 0 } };
        metrics_put(page, labels, field(&rows->items[i].counts, family));
    }
}

static const struct histogram_counts *attempts_of(const struct function_row *row)
{
    return &row->counts.durations;
}

static const struct histogram_counts *steps_of(const struct function_row *row)
{
    return &row->counts.steps;
}

static void put_durations(struct metrics_page *page, const struct function_rows *rows, const char *name, const char *help,
                          const struct histogram_counts *(*counts_of)(const struct function_row *row))
{
    metrics_family(page, METRIC_HISTOGRAM, name, help);
    for (size_t i = 0; i < rows->count; i++) {
        const struct metric_label labels[] = { { "function", rows->items[i].id }, { 0 } };
        metrics_put_histogram(page, labels, counts_of(&rows->items[i]), &durations);
    }
}

static void put_dispatch(struct daemon *daemon, struct metrics_page *page)
{
    static const struct family letters = COUNTER("dead_letters_total", "Messages sent to dead letter topics; with no function: those that "
                                                 "are no events.", function_counts, dead);
    struct function_rows rows = read_functions(daemon);
    struct dispatch_counts counts;

    dispatch_counts(daemon->dispatch, &counts);
    put_all(page, dispatch_families, COUNT_OF(dispatch_families), &counts);
    for (size_t i = 0; i < COUNT_OF(function_families); i++)
        put_by_function(page, &rows, &function_families[i]);
    put_by_function(page, &rows, &letters);
    metrics_put(page, NULL, (double)counts.letters_without_function);
    put_durations(page, &rows, "attempt_duration_seconds", "How long attempts took, whatever they ended in.", attempts_of);
    put_durations(page, &rows, "step_duration_seconds", "How long the code of steps took, without their checkpoints.", steps_of);
    free(rows.items);
}

/* ---- Redis --------------------------------------------------------------------------------------- */

static void put_redis(struct daemon *daemon, struct metrics_page *page)
{
    struct timers_counts due;
    struct store_counts asked;

    timers_counts(daemon->timers, &due);
    put_all(page, timers_families, COUNT_OF(timers_families), &due);
    metrics_family(page, METRIC_HISTOGRAM, "run_lateness_seconds", "How long a run was due when it was claimed.");
    metrics_put_histogram(page, NULL, &due.lateness, &durations);
    store_counts(daemon->store, &asked);
    metrics_family(page, METRIC_HISTOGRAM, "redis_round_trip_seconds", "From when a command goes to Redis to its reply.");
    metrics_put_histogram(page, NULL, &asked.round_trips, &durations);
    metrics_family(page, METRIC_HISTOGRAM, "redis_batch_commands", "Commands that went to Redis together.");
    metrics_put_histogram(page, NULL, &asked.batches, &batch_sizes);
}

void daemon_write_metrics(void *context, struct metrics_page *page)
{
    struct daemon *daemon = context;

    put_daemon(daemon, page);
    put_consumer(daemon, page);
    put_dispatch(daemon, page);
    put_redis(daemon, page);
}
