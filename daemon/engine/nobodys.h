/* SPDX-License-Identifier: Apache-2.0 */
/* Messages and events that no function takes: counted, or, where they are no events, dead letters. */
#ifndef STEPD_ENGINE_NOBODYS_H
#define STEPD_ENGINE_NOBODYS_H

#include "engine/worker.h"

/* A message without a run has no other way on than its dead letter: what it is then. Waits for brokers that refuse it. */
enum message_state nobodys_reject(struct worker *worker, struct message *message, const struct event *event, const char *name,
                                  const char *why);
/* What becomes of an event that no function takes. */
enum message_state nobodys_end(struct worker *worker, struct message *message, struct event *event);
/* worker->job is an event of a batch, without a function. */
void nobodys_end_job(struct worker *worker);

#endif
