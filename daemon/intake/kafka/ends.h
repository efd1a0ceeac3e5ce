/* SPDX-License-Identifier: Apache-2.0 */
/* Where partitions begin and end, of many in one go. */
#ifndef STEPD_INTAKE_KAFKA_ENDS_H
#define STEPD_INTAKE_KAFKA_ENDS_H

#include <librdkafka/rdkafka.h>
#include <stdint.h>

#define ENDS_UNKNOWN (-1)
#define ENDS_NONE INT64_MAX

/* `which` is RD_KAFKA_OFFSET_BEGINNING or RD_KAFKA_OFFSET_END; each entry's offset becomes what the
 * brokers answer, or ENDS_UNKNOWN. Waits for them. */
void ends_ask(rd_kafka_t *handle, rd_kafka_topic_partition_list_t *list, int64_t which, int timeout_ms);
/* Each entry's offset is a time, in ms, and becomes that of the first record as young, ENDS_NONE or ENDS_UNKNOWN. Waits for the brokers. */
void ends_ask_since(rd_kafka_t *handle, rd_kafka_topic_partition_list_t *list, int timeout_ms);

#endif
