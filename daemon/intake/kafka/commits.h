/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is told the group's coordinator: of each partition the lowest offset that is not done and, as
 * metadata, what above it is. Always an explicit list: offsets that librdkafka stores by itself lose
 * their metadata. The consumer's thread's, which is asserted.
 */
#ifndef STEPD_INTAKE_KAFKA_COMMITS_H
#define STEPD_INTAKE_KAFKA_COMMITS_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "intake/kafka/consumer_settings.h"
#include "intake/kafka/partition.h"

struct commits;

struct commits *commits_create(rd_kafka_t *handle, const struct consumer_settings *settings);
void commits_destroy(struct commits *commits);

/* Sends what has changed of these, unless a commit is under way; its answer comes to commits_poll(). */
void commits_begin(struct commits *commits, struct partition *const *partitions, size_t count);
bool commits_are_under_way(const struct commits *commits);
void commits_poll(struct commits *commits);
/* Sends what has changed of these and waits for the answer. */
void commits_now(struct commits *commits, struct partition *const *partitions, size_t count, int64_t timeout_ms);

/* Takes back what was committed of a topic's first `count` partitions: whoever begins with them next begins at offset 0. Waits for the answer.
 * False: not now. */
bool commits_take_back(struct commits *commits, const char *topic, size_t count, int64_t timeout_ms);

struct commits_counts {
    uint64_t done;
    uint64_t failed;
};
struct commits_counts commits_counts(const struct commits *commits);

#endif
