/* SPDX-License-Identifier: Apache-2.0 */
/* Brings what is in an outbox to a collector, by OTLP over HTTP, on a thread of its own. */
#ifndef STEPD_TRACE_SENDER_H
#define STEPD_TRACE_SENDER_H

#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"
#include "trace/outbox.h"
#include "trace/span.h"

struct sender;

/* `url` as the config has it: without a path of its own, the protocol's is meant. Copies its texts; borrows the outbox. */
struct sender *sender_create(const char *url, const struct span_sender *who, struct outbox *outbox);
int sender_start(struct sender *sender, struct error *ret_error) MUST_CHECK;
/* The outbox was closed: what is left is sent within a moment, or dropped. NULL is fine. */
void sender_destroy(struct sender *sender);
/* Any thread: spans that the collector has taken. */
uint64_t sender_sent(const struct sender *sender);

#endif
