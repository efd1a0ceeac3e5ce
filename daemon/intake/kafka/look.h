/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the brokers are asked every few seconds: where partitions end, and what shows that a topic was deleted and made anew meanwhile. Made
 * by the consumer's thread, filled by the one of `lookups`, then the consumer's again.
 */
#ifndef STEPD_INTAKE_KAFKA_LOOK_H
#define STEPD_INTAKE_KAFKA_LOOK_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>

#include "kafka/topic_ids.h"

struct look {
    int64_t asked_ms;                            /* monotonic */
    rd_kafka_topic_partition_list_t *ends;       /* asked for with any offset; ENDS_UNKNOWN where nobody says */
    rd_kafka_topic_partition_list_t *beginnings; /* NULL: not asked; else so */
    rd_kafka_topic_partition_list_t *since;      /* NULL: not asked. Asked with times, in ms: the first offset as young */
    struct topic_seen *topics;                   /* NULL: not asked, or no answer; else of the topics that are read */
    bool wants_topics;
};

/* Takes the list. */
struct look *look_create(rd_kafka_topic_partition_list_t *ends, int64_t now_ms);
/* NULL is fine. */
void look_destroy(struct look *look);
/* Runs on: the thread of `lookups`. `by_id` is asked for topics; `names` as topic_ids_ask() has them. Waits for the brokers, timeout_ms at most for
 * each question. */
void look_run(struct look *look, rd_kafka_t *handle, rd_kafka_t *by_id, const char *const *names, int timeout_ms);

#endif
