/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which protocol the group speaks: the classic one, or the consumer protocol (KIP-848), where the brokers decide who has what. It is
 * chosen by `group.protocol`, which goes to no handle but the one that joins: stepctl's readers are in no group.
 */
#ifndef STEPD_KAFKA_PROTOCOL_H
#define STEPD_KAFKA_PROTOCOL_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/memory.h"
#include "config/setting.h"

bool protocol_is_consumer(const struct setting *kafka);
/* Whether a setting is about the protocol alone, and protocol_set()'s. */
bool protocol_has(const char *name);
/* Adds to `faults` what does not go with the protocol that is chosen. `version` is that of the librdkafka that was found, rd_kafka_version(). */
void protocol_check(const struct setting *kafka, int version, struct config_faults *faults);
/* -EINVAL: the librdkafka that was found does not have it. */
int protocol_set(const struct setting *kafka, rd_kafka_conf_t *conf, struct error *ret_error) MUST_CHECK;

#endif
