/* SPDX-License-Identifier: Apache-2.0 */
/* A message as it stands in the record batch that the broker sent. */
#ifndef STEPD_INTAKE_KAFKA_RECORD_H
#define STEPD_INTAKE_KAFKA_RECORD_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

/* False: it has no headers for sure. True: rd_kafka_message_headers() must be asked, which allocates and
 * frees twice to find that there are none, a quarter of all that a message costs. */
bool record_may_have_headers(const rd_kafka_message_t *message);
/* Whether that librdkafka (as rd_kafka_version() says it) is known to leave values where they stand in the batch. */
bool record_layout_is_known(int version);

#endif
