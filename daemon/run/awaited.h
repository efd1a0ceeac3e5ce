/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run waits for beside other steps: events (wait_beside()), and runs that it has called (invoke_beside()). Each is a
 * checkpoint of kind WAITING until its end stands behind it, which the store alone writes: at once while nobody holds
 * the run; else what has come is kept until the run is parked to wait (RUN_WAITING), or its holder asks here. The holder of a run
 * that is away is told by its errand (errand_ops.hear).
 */
#ifndef STEPD_RUN_AWAITED_H
#define STEPD_RUN_AWAITED_H

#include <stdbool.h>
#include <stdint.h>

#include "run/context.h"

/* Whether it waits for some; *ret_until_ms: the first one's time, WAIT_FOREVER_MS: none has an end. */
bool awaited_is_open(const struct stepd_ctx *ctx, int64_t *ret_until_ms);
/* Takes what has come among the run's checkpoints, and ends those whose time is over: a wait with nothing, an invoke with
 * InvokeTimeout. *ret_has_news: there was some. False: there is a verdict. */
bool awaited_take(struct stepd_ctx *ctx, bool *ret_has_news);
/* Of a run that ends: its waits, which are to be forgotten with it; NULL: there are none. As long as the attempt lasts. */
const struct wait_look *awaited_rest(struct stepd_ctx *ctx);

#endif
