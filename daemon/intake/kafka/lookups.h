/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The consumer's second thread, for what may take long: asks Redis what it has taken over of a new
 * partition (Redis may be away for an hour, and rebalances go on meanwhile), and the brokers what a
 * look has questions for.
 */
#ifndef STEPD_INTAKE_KAFKA_LOOKUPS_H
#define STEPD_INTAKE_KAFKA_LOOKUPS_H

#include <librdkafka/rdkafka.h>

#include "intake/kafka/consumer_settings.h"
#include "intake/kafka/look.h"
#include "intake/kafka/partition.h"

struct lookups;

/* All are borrowed; `by_id` is asked for topics. */
struct lookups *lookups_create(rd_kafka_t *handle, rd_kafka_t *by_id, const struct consumer_settings *settings);
/* 0, or negative errno with the reason. */
int lookups_start(struct lookups *lookups, struct error *ret_error) MUST_CHECK;
/* Consumer thread. Loads what the store knows of it, then sets is_loaded. The partition must stay until
 * lookups_take_back(). */
void lookups_load(struct lookups *lookups, struct partition *partition);
/* Consumer thread: one that the thread has ended with, or NULL. */
struct partition *lookups_take_back(struct lookups *lookups);
/* Consumer thread: asks that, unless it is asking already (false). Takes the look. The question also
 * wakes librdkafka's threads of the leaders. */
bool lookups_ask(struct lookups *lookups, struct look **look);
/* Consumer thread: one that is answered, which is the caller's then, or NULL. */
struct look *lookups_take_answer(struct lookups *lookups);
/* True: its thread has ended. False: it hangs in a call, and everything it uses must stay. */
bool lookups_stop(struct lookups *lookups, int64_t timeout_ms);
void lookups_destroy(struct lookups *lookups);

#endif
