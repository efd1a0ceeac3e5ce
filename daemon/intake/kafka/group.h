/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes on between the consumer and its group, heard on the wire by librdkafka's interceptors: a
 * join that is under way, and whether the brokers answer. A commit that is sent behind a JoinGroup is
 * answered with an illegal generation, and the whole assignment is lost.
 */
#ifndef STEPD_INTAKE_KAFKA_GROUP_H
#define STEPD_INTAKE_KAFKA_GROUP_H

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* librdkafka's threads write, any reads. */
struct group_watch {
    atomic_bool is_joining;
    atomic_bool has_beaten;       /* a heartbeat of the consumer protocol went out */
    _Atomic(int64_t) answered_ms; /* monotonic: a broker's last answer; 0: none yet */
};

/* Before rd_kafka_new(). `watch` must outlive the handle. */
void group_watch_add(struct group_watch *watch, rd_kafka_conf_t *conf);

#endif
