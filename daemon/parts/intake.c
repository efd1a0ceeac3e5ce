/* SPDX-License-Identifier: Apache-2.0 */
/* The consumer: the last to start, since what it reads runs at once. */
#include "intake/kafka/consumer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/array.h"
#include "config/config.h"
#include "crash/crashes.h"
#include "crash/recovery.h"
#include "engine/dispatch.h"
#include "parts/families.h"
#include "parts/part.h"
#include "program/programs.h"
#include "registry/schema_registry.h"
#include "sdk/inngest.h"
#include "store/crash_counts.h"
#include "store/redis/timers.h"

static void set_crashes(void *context, const char *run_id, int stops)
{
    crashes_set(context, run_id, stops);
}

static int load_partition(void *context, const char *topic, int32_t partition, struct key_set *keys, struct known_runs *ret_known)
{
    struct daemon *daemon = context;

    if (!recovery_wait(daemon->recovery) || (daemon->inngest != NULL && !inngest_wait(daemon->inngest)) || !programs_wait(daemon->programs))
        return -ESHUTDOWN;
    int status = crash_counts_load(daemon->store, topic, partition, set_crashes, daemon->crashes);
    return status != 0 ? status : store_load_partition(daemon->store, topic, partition, keys, ret_known);
}

static int64_t seen_ms(void *context)
{
    struct daemon *daemon = context;

    return store_seen_ms(daemon->store);
}

static void on_committed(void *context, const char *topic, int32_t partition, int64_t committed)
{
    struct daemon *daemon = context;

    timers_trim(daemon->timers, topic, partition, committed);
}

static int confirm(void *context, int shard, struct confirmation *known, struct matched_place *places, size_t count,
                   const struct watch_listener *listener)
{
    struct daemon *daemon = context;

    return store_confirm(daemon->store, shard, known, places, count, listener);
}

static bool reads_schemas_of(void *context, const char *topic)
{
    return schema_registry_reads_topic(context, topic);
}

static struct schema *find_schema(void *context, const struct schema_key *key)
{
    return schema_registry_find(context, key);
}

static void say_why_without_schema(void *context, char *text, size_t size)
{
    schema_registry_say_why(context, text, size);
}

static struct schema_port schema_port(struct daemon *daemon)
{
    if (daemon->registry == NULL)
        return (struct schema_port){ .reads_topic = NULL };
    return (struct schema_port){ reads_schemas_of, find_schema, say_why_without_schema, daemon->registry };
}

static int start(struct daemon *daemon, struct error *ret_error)
{
    const struct config *config = daemon->config;
    const struct consumer_settings settings = {
        .kafka = config->kafka,
        .topics = config->topics,
        .batches = dispatch_batch_taker(daemon->dispatch),
        .queue = config->worker.queue,
        .commit_interval_ms = config->commit_interval_ms,
        .durability_lag_ms = config->redis.durability_lag_ms,
        .drain_timeout_ms = config->worker.drain_timeout_ms,
        .load_partition = load_partition,
        .schemas = schema_port(daemon),
        .store_seen_ms = seen_ms,
        .matching = part_matching(daemon),
        .confirm = confirm,
        .committed = on_committed,
        .fatal = part_fatal,
        .context = daemon,
    };
    struct consumer *consumer = NULL;

    int status = consumer_create(&settings, &consumer, ret_error);
    if (status != 0)
        return status;
    atomic_store(&daemon->consumer, consumer);
    return consumer_start(consumer, ret_error);
}

static const char *trouble(struct daemon *daemon, char *room, size_t size)
{
    struct consumer *consumer = atomic_load(&daemon->consumer);
    struct consumer_counts counts = { 0 };

    (void)room;
    (void)size;
    if (consumer != NULL)
        consumer_counts(consumer, &counts);
    return counts.has_joined ? NULL : "waiting for Kafka's consumer group";
}

/* ---- metrics ------------------------------------------------------------------------------------- */

static const struct family consumer_families[] = {
    COUNTER("events_consumed_total", "Messages read from Kafka.", consumer_counts, events_consumed),
    COUNTER("commits_total", "Commits of offsets.", consumer_counts, commits),
    COUNTER("commits_failed_total", "Commits of offsets that the brokers refused.", consumer_counts, commits_failed),
    COUNTER("rebalances_total", "Changes of the assigned partitions.", consumer_counts, rebalances),
    COUNTER("metadata_unread_total", "Commit metadata that could not be read.", consumer_counts, metadata_unread),
    GAUGE("partitions_assigned", "Partitions that are this daemon's.", consumer_counts, partitions),
    GAUGE("partitions_stalled", "Partitions that have lag and do not move.", consumer_counts, stalled),
    GAUGE("partitions_awaiting_schema", "Partitions that wait for a schema of the registry.", consumer_counts, awaiting),
    GAUGE("partitions_crowded", "Partitions that stop: they bring more runs of a function than may be queued.", consumer_counts, crowded),
    GAUGE("events_in_flight", "Events read and not yet done.", consumer_counts, in_flight),
};

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

static void write_metrics(struct daemon *daemon, struct metrics_page *page)
{
    struct consumer *consumer = atomic_load(&daemon->consumer);
    struct consumer_counts counts = { 0 };

    if (consumer != NULL)
        consumer_counts(consumer, &counts);
    families_put(page, consumer_families, COUNT_OF(consumer_families), &counts);
    if (consumer != NULL)
        put_partitions(consumer, page);
}

const struct part PART_INTAKE = { .name = "intake", .start = start, .trouble = trouble, .write_metrics = write_metrics };

/* ---- what it read -------------------------------------------------------------------------------- */

/* Messages belong to the consumer: it goes only once no worker can look at one any more. */
static void end_messages(struct daemon *daemon)
{
    consumer_destroy(atomic_load(&daemon->consumer));
}

const struct part PART_MESSAGES = { .name = "messages", .end = end_messages };
