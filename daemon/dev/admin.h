/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What administrators ask of a broker and the mock broker has no answer to: topics are made here, configs described.
 * And what can't be had from this broker is refused, so that the client says so: deleting a topic, undoing a
 * transaction, groups of the consumer protocol (KIP-848). Runs on: the forwarder's thread.
 */
#ifndef STEPD_DEV_ADMIN_H
#define STEPD_DEV_ADMIN_H

#include <stdbool.h>
#include <stdint.h>

#include "dev/wire.h"

/* Makes a topic; a code of Kafka's. */
typedef int16_t admin_create_topic_fn(void *opaque, const char *topic, int partitions);

struct admin {
    admin_create_topic_fn *create_topic;
    void *opaque;
};

/* Adds the answer (what follows the correlation id) to `reply`. False: it is not for us; nothing was added. */
bool admin_answer(const struct admin *admin, int16_t api_key, int16_t version, struct wire_reader request, struct wire_buffer *reply);

#endif
