/* SPDX-License-Identifier: Apache-2.0 */
/* stepctl's own, short-lived connection to Kafka, with the config's settings: a producer, or a reader of whole logs. */
#ifndef STEPD_CTL_KAFKA_H
#define STEPD_CTL_KAFKA_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/memory.h"
#include "config/config.h"

struct kafka_place {
    int32_t partition;
    int64_t offset;
};

struct kafka {
    rd_kafka_t *handle;
    struct kafka_place last; /* what was told of last */
    char why[160];           /* what librdkafka said last of its troubles; empty: nothing */
    bool is_down;            /* no broker could be reached */
};

/* Stays where it is until kafka_close(). 0, or -EINVAL with the setting that librdkafka refuses. */
int kafka_open(struct kafka *kafka, const struct config *config, struct error *ret_error) MUST_CHECK;
/* The same to read with (ctl/topic_log.h): it joins no group, and commits nothing. */
int kafka_open_reader(struct kafka *kafka, const struct config *config, struct error *ret_error) MUST_CHECK;
void kafka_close(struct kafka *kafka);

/* Waits until the brokers have it. -EAGAIN: they can't be reached, -EIO: they refuse it. */
int kafka_produce(struct kafka *kafka, const char *topic, struct bytes key, struct bytes value, struct kafka_place *ret_place,
                  struct error *ret_error) MUST_CHECK;

/* Messages on their way together. Zeroed at first; stays where it is until kafka_settle(). */
struct kafka_sending {
    size_t open; /* of which nothing is known yet */
    size_t bytes;
    rd_kafka_resp_err_t refused; /* the first refusal */
};
/* Copies all. `partition` RD_KAFKA_PARTITION_UA: by the key. Takes the headers where it succeeds. -EIO: it is refused. */
int kafka_send(struct kafka *kafka, const char *topic, int32_t partition, struct bytes key, struct bytes value, rd_kafka_headers_t *headers,
               struct kafka_sending *sending, struct error *ret_error) MUST_CHECK;
/* Waits until the brokers have all of it; as kafka_produce(). */
int kafka_settle(struct kafka *kafka, struct kafka_sending *sending, struct error *ret_error) MUST_CHECK;
/* -EAGAIN, with what librdkafka said last. */
int kafka_unreachable(const struct kafka *kafka, struct error *ret_error);

/* What there is: topics and their partitions. rd_kafka_metadata_destroy() frees it. -EAGAIN as above. */
int kafka_look(struct kafka *kafka, const struct rd_kafka_metadata **ret_metadata, struct error *ret_error) MUST_CHECK;

#endif
