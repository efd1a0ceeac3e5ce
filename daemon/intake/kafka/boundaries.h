/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where all partitions of the daemon's topics end, for runs that begin to wait: those that ask at the same time share one
 * question to the brokers, which begins after the last of them has asked. Any thread.
 */
#ifndef STEPD_INTAKE_KAFKA_BOUNDARIES_H
#define STEPD_INTAKE_KAFKA_BOUNDARIES_H

#include <librdkafka/rdkafka.h>
#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lock.h"
#include "base/memory.h"
#include "config/setting.h"

struct boundaries {
    const struct setting *kafka;
    const char *const *topics;
    rd_kafka_t *handle; /* of who asks for all: one beside the live one, from the first question on; NULL: none yet */
    struct lock lock;   /* guards what follows */
    struct condition answered;
    uint64_t begun; /* questions */
    uint64_t ended;
    bool is_asking; /* one of those who wait asks for all */
    bool is_stopping;
    msgpack_sbuffer answer;                 /* of question `ended` */
    rd_kafka_topic_partition_list_t *known; /* all partitions; NULL: not yet */
    int64_t known_ms;
};

void boundaries_init(struct boundaries *boundaries, const struct setting *kafka, const char *const *topics);
/* Once nobody asks any more. */
void boundaries_done(struct boundaries *boundaries);
void boundaries_stop(struct boundaries *boundaries);
/* Appends msgpack, topic -> [offset, …]. Waits until the brokers have answered. 0, or -ESHUTDOWN. */
int boundaries_ask(struct boundaries *boundaries, msgpack_sbuffer *ret_boundary) MUST_CHECK;

#endif
