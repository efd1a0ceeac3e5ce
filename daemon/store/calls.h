/* SPDX-License-Identifier: Apache-2.0 */
/* Runs that are called from outside, by no run. All calls wait; 0, or -ESHUTDOWN or -EIO. */
#ifndef STEPD_STORE_CALLS_H
#define STEPD_STORE_CALLS_H

#include <stdbool.h>

#include "base/memory.h"
#include "run/checkpoints.h"
#include "run/ports.h"
#include "store/store.h"

int calls_start(struct redis_store *store, const struct callee *callee) MUST_CHECK;
/* What became of it, as the first of `ret_steps`, COMPLETED or FAILED, once it is there; it is kept for an hour. */
int calls_answer(struct redis_store *store, const char *run_id, struct checkpoints *ret_steps, bool *ret_is_answered) MUST_CHECK;

#endif
