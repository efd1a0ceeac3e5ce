/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The embedded broker's front: gives it a fixed address, and is its group coordinator.
 *
 * librdkafka's mock broker picks its own port and tells clients to go there. This front listens on
 * the port the user asked for, passes requests on, and writes its own port into what the broker
 * says about itself, so clients stay here. Group requests are answered by dev/groups.h. Answers go
 * out in the order of a connection's requests, as Kafka's clients expect.
 *
 * One thread of its own does all of it, from start to stop.
 */
#ifndef STEPD_DEV_FORWARDER_H
#define STEPD_DEV_FORWARDER_H

#include <stdint.h>

#include "base/error.h"
#include "dev/admin.h"

struct forwarder;

/* Listens on 127.0.0.1:`port` (0: any free one) for the broker at 127.0.0.1:`broker_port`.
   -EADDRINUSE when the port is taken. */
MUST_CHECK int forwarder_start(uint16_t port, uint16_t broker_port, const struct admin *admin, struct forwarder **ret_forwarder,
                               struct error *ret_error);
uint16_t forwarder_port(const struct forwarder *forwarder);
void forwarder_stop(struct forwarder *forwarder); /* closes all connections */

#endif
