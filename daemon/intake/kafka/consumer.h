/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The consumer: one thread that owns the Kafka consumer, hands over what comes in batches, and
 * commits what is done. Cooperative rebalances; offsets with a bitmap of what is done (intake/offsets).
 */
#ifndef STEPD_INTAKE_KAFKA_CONSUMER_H
#define STEPD_INTAKE_KAFKA_CONSUMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"
#include "config/setting.h"
#include "flow/key_set.h"
#include "intake/schema_port.h"
#include "run/known_runs.h"
#include "run/taker.h"

struct consumer;

struct consumer_settings {
    const struct setting *kafka;   /* a map of scalars, for librdkafka */
    const char *const *topics;     /* NULL-ended; each once */
    struct batch_taker *batches;
    int queue;                     /* messages in flight at most */
    int64_t commit_interval_ms;
    int64_t durability_lag_ms;     /* a TAKEN message is committed that much later */
    struct schema_port schemas;
    int64_t drain_timeout_ms;      /* on revoke: how long running attempts may take to end */
    /* A thread of the consumer's own, on assignment; may take any time. Runs of the partition that the store knows, and
     * into `keys` the ordered keys that have a run there. 0, or negative errno. */
    int (*load_partition)(void *context, const char *topic, int32_t partition, struct key_set *keys, struct known_runs *ret_known);
    /* Any thread: a moment (monotonic ms) at which the store was still the one that had acknowledged all it
     * did before; stands still while it does not answer. NULL: always now. A rewind must be asked for
     * before it moves on under another incarnation. */
    int64_t (*store_seen_ms)(void *context);
    /* Consumer thread, waits for nothing: offsets below `committed` are committed. */
    void (*committed)(void *context, const char *topic, int32_t partition, int64_t committed);
    /* Any of its threads: it can't go on. Ends the process. */
    void (*fatal)(const char *why);
    void *context;
};

/* What librdkafka would refuse of these settings when a consumer is made of them. Connects to nothing. */
int consumer_check(const struct setting *kafka, struct error *ret_error) MUST_CHECK;
/* Copies nothing: what `settings` points to must outlive the consumer. 0, or negative errno with the
 * reason (a setting that librdkafka refuses). */
int consumer_create(const struct consumer_settings *settings, struct consumer **ret_consumer, struct error *ret_error) MUST_CHECK;
/* Subscribes and starts the thread. */
int consumer_start(struct consumer *consumer, struct error *ret_error) MUST_CHECK;
/* Any thread, returns at once: what Redis had taken over since the last commit may be lost, so read
 * again from the committed offsets, under new assignments. */
void consumer_rewind(struct consumer *consumer);
/* Any thread, returns at once: reads nothing more; rebalances and commits go on. */
void consumer_pause(struct consumer *consumer);
/* Commits what is done, leaves the group, ends the thread; within timeout_ms, whatever the broker
 * does. What is still in flight by then comes again. Call once the taker of its batches has drained. */
void consumer_stop(struct consumer *consumer, int64_t timeout_ms);
/* NULL is fine. Once the taker of its batches is gone. */
void consumer_destroy(struct consumer *consumer);

struct consumer_counts {
    uint64_t events_consumed, commits, commits_failed, rebalances, metadata_unread;
    size_t partitions;     /* assigned */
    size_t stalled;        /* assigned, with lag, and not moving */
    size_t in_flight;
    size_t awaiting;       /* assigned, whose next message names a schema that is not known yet */
    bool has_joined;       /* the group has given us an assignment, even an empty one */
};
/* Any thread. */
void consumer_counts(struct consumer *consumer, struct consumer_counts *ret_counts);

struct partition_view {
    char topic[250];
    int32_t partition;
    int64_t committed;     /* -1: nothing yet */
    int64_t end;           /* high watermark; -1: not known */
    int64_t lag;           /* events between the two, or since reading began; -1: not known */
    size_t in_flight;
    bool is_stalled;
};
/* Any thread. The assigned partitions; up to `max`, returns how many there are. */
size_t consumer_partitions(struct consumer *consumer, struct partition_view *out, size_t max);

#endif
