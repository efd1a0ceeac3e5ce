/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The consumer's second thread, for what may take long: asks Redis what it has taken over of a new
 * partition (Redis may be away for an hour, and rebalances go on meanwhile), and the brokers where
 * partitions end.
 */
#ifndef STEPD_KAFKA_SCOUT_H
#define STEPD_KAFKA_SCOUT_H

#include <librdkafka/rdkafka.h>

#include "kafka/consumer.h"
#include "kafka/partition.h"

struct scout;

/* `handle` and `settings` are borrowed. */
struct scout *scout_create(rd_kafka_t *handle, const struct consumer_settings *settings);
/* 0, or negative errno with the reason. */
int scout_start(struct scout *scout, struct error *ret_error) MUST_CHECK;
/* Consumer thread. Loads what the store knows of it, then sets is_loaded. The partition must stay until
 * scout_take_back(). */
void scout_load(struct scout *scout, struct partition *partition);
/* Consumer thread: one that the scout has ended with, or NULL. */
struct partition *scout_take_back(struct scout *scout);
/* Consumer thread: asks where this partition ends, and sets `end`; as scout_load(), but does not load.
 * The answer also wakes librdkafka's thread of that broker. */
void scout_ask_end(struct scout *scout, struct partition *partition);
/* True: its thread has ended. False: it hangs in a call, and everything it uses must stay. */
bool scout_stop(struct scout *scout, int64_t timeout_ms);
void scout_destroy(struct scout *scout);

#endif
