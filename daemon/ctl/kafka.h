/* SPDX-License-Identifier: Apache-2.0 */
/* stepctl's own, short-lived connection to Kafka: a producer with the config's settings. */
#ifndef STEPD_CTL_KAFKA_H
#define STEPD_CTL_KAFKA_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/memory.h"
#include "config/config.h"

struct kafka {
    rd_kafka_t *handle;
    char why[160];  /* what librdkafka said last of its troubles; empty: nothing */
    bool is_down;   /* no broker could be reached */
};

/* Stays where it is until kafka_close(). 0, or -EINVAL with the setting that librdkafka refuses. */
int kafka_open(struct kafka *kafka, const struct config *config, struct error *ret_error) MUST_CHECK;
void kafka_close(struct kafka *kafka);

struct kafka_place {
    int32_t partition;
    int64_t offset;
};

/* Waits until the brokers have it. -EAGAIN: they can't be reached, -EIO: they refuse it. */
int kafka_produce(struct kafka *kafka, const char *topic, struct bytes key, struct bytes value, struct kafka_place *ret_place, struct error *ret_error) MUST_CHECK;

/* What there is: topics and their partitions. rd_kafka_metadata_destroy() frees it. -EAGAIN as above. */
int kafka_look(struct kafka *kafka, const struct rd_kafka_metadata **ret_metadata, struct error *ret_error) MUST_CHECK;

#endif
