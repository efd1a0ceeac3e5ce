/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The consumer: one thread that owns the Kafka consumer, hands over what comes in batches, and
 * commits what is done. Cooperative rebalances; offsets with a bitmap of what is done (intake/offsets).
 */
#ifndef STEPD_INTAKE_KAFKA_CONSUMER_H
#define STEPD_INTAKE_KAFKA_CONSUMER_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"
#include "intake/kafka/consumer_settings.h"

struct consumer;

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

/* Any thread, waits for the brokers: where all partitions of our topics end, asked after this was called. Appends
 * what wait_ask.boundary is. 0, or -ESHUTDOWN. */
int consumer_ask_boundary(struct consumer *consumer, msgpack_sbuffer *ret_boundary) MUST_CHECK;

struct consumer_counts {
    uint64_t events_consumed, commits, commits_failed, rebalances, metadata_unread;
    size_t partitions; /* assigned */
    size_t stalled;    /* assigned, with lag, and not moving */
    size_t in_flight;
    size_t awaiting; /* assigned, whose next message names a schema that is not known yet */
    size_t crowded;  /* assigned, that bring more runs of a function than may be queued */
    bool has_joined; /* the group has given us an assignment, even an empty one */
};
/* Any thread. */
void consumer_counts(struct consumer *consumer, struct consumer_counts *ret_counts);

struct partition_view {
    char topic[250];
    int32_t partition;
    int64_t committed; /* -1: nothing yet */
    int64_t end;       /* high watermark; -1: not known */
    int64_t lag;       /* events between the two, or since reading began; -1: not known */
    size_t in_flight;
    bool is_stalled;
    bool is_crowded;       /* it waits for room for queued runs: */
    struct room_lack lack; /* of this function; its texts live as long as the daemon */
};
/* Any thread. The assigned partitions; up to `max`, returns how many there are. */
size_t consumer_partitions(struct consumer *consumer, struct partition_view *out, size_t max);

#endif
