/* SPDX-License-Identifier: Apache-2.0 */
/* Which schema a message of a framed topic names. */
#ifndef STEPD_INTAKE_KAFKA_MESSAGE_SCHEMA_H
#define STEPD_INTAKE_KAFKA_MESSAGE_SCHEMA_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

#include "schema/framing.h"

/* False: none. `headers` NULL: it has none. */
bool message_schema_key(const rd_kafka_message_t *message, const rd_kafka_headers_t *headers, struct schema_key *ret_key);

#endif
