/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A function's breaker, at both ends of an attempt. Before: a run whose breaker is open goes into its function's line, where
 * the store lets it begin. After: what failed is told to the store, and what a run came to that was let begin alone. Else
 * no call is made for it.
 */
#ifndef STEPD_ENGINE_BREAKER_H
#define STEPD_ENGINE_BREAKER_H

#include <stdbool.h>

#include "engine/worker.h"
#include "run/attempt.h"

/* Whether an open breaker holds worker->run back. Then the run is in the store's line, and *ret_status 0; or that could not
 * be done: negative errno, as ports.h has it. */
bool breaker_holds_message(struct worker *worker, int *ret_status);
bool breaker_holds_claimed(struct worker *worker, int *ret_status);
/* The attempt is over, or (away) a part of it. */
void breaker_hear(struct worker *worker, const struct run *run, const struct attempt_report *report);

#endif
