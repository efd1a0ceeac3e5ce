/* SPDX-License-Identifier: Apache-2.0 */
/* The calls that change a run, for one or for many at once. */
#ifndef STEPD_STORE_REDIS_RUNS_CHANGE_H
#define STEPD_STORE_REDIS_RUNS_CHANGE_H

#include <hiredis/hiredis.h>

#include "store/redis/script.h"
#include "store/runs.h"

/* Both borrow what they are given until the call is formatted; the caller frees *ret_place after that. `dropped`: positions of
 * checkpoints, split by blanks. */
void runs_begin_retry(struct script_call *call, struct redis_store *store, const struct loaded_run *run, const char *dropped,
                      char **ret_place);
void runs_begin_cancel(struct script_call *call, struct redis_store *store, const struct loaded_run *run, char **ret_place);
enum runs_change runs_change_of(const redisReply *reply);

#endif
