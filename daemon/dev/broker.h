/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Kafka broker of `stepd dev`: librdkafka's mock cluster inside this process, behind the
 * front of dev/forwarder.h on a fixed port. It speaks the real protocol, keeps about 5 MB or
 * 100,000 messages a partition, in memory, and forgets all when it stops.
 */
#ifndef STEPD_DEV_BROKER_H
#define STEPD_DEV_BROKER_H

#include <stdint.h>

#include "base/error.h"

struct broker;

/* On 127.0.0.1:`port`; 0: any free one. -EADDRINUSE when the port is taken. */
MUST_CHECK int broker_start(uint16_t port, struct broker **ret_broker, struct error *ret_error);
uint16_t broker_port(const struct broker *broker);

/* Topics that are not made beforehand come into being, with four partitions, when first used. */
MUST_CHECK int broker_create_topic(struct broker *broker, const char *topic, int partitions, struct error *ret_error);
void broker_stop(struct broker *broker); /* NULL: nothing */

#endif
