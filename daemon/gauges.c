/* SPDX-License-Identifier: Apache-2.0 */
/* What /metrics tells of the daemon's parts: read when the page is printed, counted where it happens. */
#include <stddef.h>

#include "daemon.h"

struct entry {
    const char *name;
    const char *help;
    size_t offset;
};

static const struct entry dispatch_counters[] = {
    { "events_unhandled_total", "Events that no function wanted.", offsetof(struct dispatch_counts, events_unhandled) },
    { "events_malformed_total", "Messages that are no events, or too large.", offsetof(struct dispatch_counts, events_malformed) },
    { "events_duplicate_total", "Events seen before within their dedupe window.", offsetof(struct dispatch_counts, duplicates) },
    { "runs_started_total", "Functions begun on an event.", offsetof(struct dispatch_counts, runs_started) },
    { "runs_completed_total", "Runs that ended well.", offsetof(struct dispatch_counts, runs_completed) },
    { "runs_failed_total", "Runs that failed for good.", offsetof(struct dispatch_counts, runs_failed) },
    { "retries_scheduled_total", "Attempts to be made again.", offsetof(struct dispatch_counts, retries_scheduled) },
    { "dead_letters_total", "Messages sent to dead letter topics.", offsetof(struct dispatch_counts, dead_letters) },
    { "runs_fenced_total", "Attempts whose run another worker had taken over.", offsetof(struct dispatch_counts, fenced) },
    { "handlers_crashed_total", "Attempts whose handler ended the daemon.", offsetof(struct dispatch_counts, crashed) },
    { "handlers_timed_out_total", "Handlers that took longer than their timeout.", offsetof(struct dispatch_counts, timed_out) },
};

static const struct entry dispatch_gauges[] = {
    { "threads", "Worker threads.", offsetof(struct dispatch_counts, threads) },
    { "threads_busy", "Worker threads that run an attempt.", offsetof(struct dispatch_counts, threads_busy) },
    { "threads_stuck", "Threads left behind in a handler past its timeout.", offsetof(struct dispatch_counts, threads_stuck) },
    { "queue_depth", "Events and runs that wait for a worker thread.", offsetof(struct dispatch_counts, queued) },
};

static const struct entry consumer_counters[] = {
    { "events_consumed_total", "Messages read from Kafka.", offsetof(struct consumer_counts, events_consumed) },
    { "commits_total", "Commits of offsets.", offsetof(struct consumer_counts, commits) },
    { "commits_failed_total", "Commits of offsets that the brokers refused.", offsetof(struct consumer_counts, commits_failed) },
    { "rebalances_total", "Changes of the assigned partitions.", offsetof(struct consumer_counts, rebalances) },
    { "metadata_unread_total", "Commit metadata that could not be read.", offsetof(struct consumer_counts, metadata_unread) },
};

static const struct entry consumer_gauges[] = {
    { "partitions_assigned", "Partitions that are this daemon's.", offsetof(struct consumer_counts, partitions) },
    { "partitions_stalled", "Partitions that have lag and do not move.", offsetof(struct consumer_counts, stalled) },
    { "events_in_flight", "Events read and not yet done.", offsetof(struct consumer_counts, in_flight) },
};

/* The page is printed by one thread at a time; a field is found by its place. */
struct reading {
    struct daemon *daemon;
    size_t offset;
};

static uint64_t field(const void *counts, size_t offset)
{
    return *(const uint64_t *)((const char *)counts + offset);
}

static double read_dispatch(void *context)
{
    const struct reading *reading = context;
    struct dispatch_counts counts;

    dispatch_counts(reading->daemon->dispatch, &counts);
    return (double)field(&counts, reading->offset);
}

static double read_consumer(void *context)
{
    const struct reading *reading = context;
    struct consumer *consumer = atomic_load(&reading->daemon->consumer);
    struct consumer_counts counts = { 0 };

    if (consumer != NULL)
        consumer_counts(consumer, &counts);
    return (double)field(&counts, reading->offset);
}

static double read_takeovers(void *context)
{
    const struct daemon *daemon = context;

    return (double)timers_takeovers(daemon->timers);
}

static double read_store_up(void *context)
{
    const struct daemon *daemon = context;

    return store_is_up(daemon->store) ? 1 : 0;
}

_Static_assert(sizeof(size_t) == sizeof(uint64_t), "gauges are read as counters are");

typedef void (*register_fn)(struct metrics *metrics, const char *name, const char *labels, const char *help, metrics_read_fn read,
                            void *context);

static void add_all(struct daemon *daemon, register_fn add, const struct entry *entries, size_t count, metrics_read_fn read)
{
    struct reading *readings = xcalloc(count, sizeof(*readings)); /* as long as the process: metrics point to them */

    for (size_t i = 0; i < count; i++) {
        readings[i] = (struct reading){ daemon, entries[i].offset };
        add(daemon->metrics, entries[i].name, NULL, entries[i].help, read, &readings[i]);
    }
}

#define ADD_ALL(add, entries, read) add_all(daemon, (add), (entries), sizeof(entries) / sizeof((entries)[0]), (read))

void daemon_register_metrics(struct daemon *daemon)
{
    ADD_ALL(metrics_counter_of, consumer_counters, read_consumer);
    ADD_ALL(metrics_gauge_of, consumer_gauges, read_consumer);
    ADD_ALL(metrics_counter_of, dispatch_counters, read_dispatch);
    ADD_ALL(metrics_gauge_of, dispatch_gauges, read_dispatch);
    metrics_counter_of(daemon->metrics, "runs_taken_over_total", NULL, "Runs taken over from workers that died.", read_takeovers, daemon);
    metrics_gauge_of(daemon->metrics, "redis_up", NULL, "Whether Redis answered the last time it was asked.", read_store_up, daemon);
}
