/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attempts whose code is over, and whose last change the store has been asked for. Nobody waits for its answer: the thread is
 * free, and so are the messages and runs behind it to be asked for in the same breath. Once answers are there a worker ends
 * those attempts, all that have come by then. Until then a job keeps its message or lease, and its place in the gate.
 * A run that fails for good asks three times: that it has failed is durable before its dead letter and stepd/function.failed go out, and the
 * brokers have those before the run is buried.
 */
#ifndef STEPD_ENGINE_SETTLE_H
#define STEPD_ENGINE_SETTLE_H

#include <stdbool.h>
#include <stddef.h>

#include "run/attempt.h"

struct dispatch;
struct settlements;
struct worker;

/* The attempt of worker->job and worker->run has ended as `report` says. */
typedef void (*settled_fn)(struct worker *worker, struct attempt_report *report);

struct settlements *settlements_create(struct dispatch *dispatch, settled_fn end);
/* Any thread: attempts that have not ended. */
size_t settlements_count(struct settlements *settlements);
/* After the store has stopped, before the pool ends: none of them is the store's any more. False: some are, even now; then nothing that
 * they use may be freed. */
bool settlements_await(struct settlements *settlements);
/* After the pool has ended: those that no worker has ended never are. */
void settlements_destroy(struct settlements *settlements);

/* Whether the attempt of worker->job and worker->run may end without its worker. */
bool settle_may(const struct worker *worker);
/* An attempt that is SETTLING: worker->job and worker->run are no longer the worker's. False: they are, and the attempt has ended as
 * `report` says now. */
bool settle_leave(struct worker *worker, struct attempt_report *report);

#endif
