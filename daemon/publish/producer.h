/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The producer of dead letters and emitted events: idempotent, acks from all. Core's publisher port
 * (run/ports.h). A call returns once the brokers have the messages; what they can't take now is tried
 * on, said once, until they can or the producer stops (-ESHUTDOWN). Who does not wait is told that it is so, and tries on by himself.
 */
#ifndef STEPD_PUBLISH_PRODUCER_H
#define STEPD_PUBLISH_PRODUCER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"
#include "config/setting.h"
#include "run/ports.h"

struct producer;

/* What librdkafka would refuse of these settings when a producer is made of them. Connects to nothing. */
int producer_check(const struct setting *kafka, struct error *ret_error) MUST_CHECK;
/* `kafka`: a map of scalars, for librdkafka. 0, or negative errno with the reason. */
int producer_create(const struct setting *kafka, struct producer **ret_producer, struct error *ret_error) MUST_CHECK;
/* Core's view of it; lives as long as it. Any thread, many at once. */
struct publisher *producer_port(struct producer *producer);
/* Any thread, waits for nothing: messages for this topic are likely to come, so look up where it is
 * now; the first of them would wait a second for that. */
void producer_expect(struct producer *producer, const char *topic);
/* Any thread. Whether the brokers took the last message that was tried. */
bool producer_is_up(const struct producer *producer);
/* Any thread. How often the brokers refused a message itself: its size, its topic, or stepd's rights. Who published it decides whether to try
 * it again, and each try counts. */
uint64_t producer_refused(const struct producer *producer);
/* Any thread: calls that wait, now and later, answer -ESHUTDOWN. */
void producer_stop(struct producer *producer);
/* Stops, bounded by timeout_ms, and frees. NULL is fine. */
void producer_destroy(struct producer *producer, int64_t timeout_ms);

#endif
