/* SPDX-License-Identifier: Apache-2.0 */
/* How an attempt's outcome becomes durable: what attempt.c and attempt_fail.c decide on ends in one of these. */
#ifndef STEPD_RUN_ATTEMPT_INTERNAL_H
#define STEPD_RUN_ATTEMPT_INTERNAL_H

#include "run/attempt.h"

/* Parks the run. `failure` NULL: it sleeps or waits. False: its checkpoint would take more room than the run's state has; ctx->raised
 * says so, and nothing was recorded. */
bool attempt_park(struct stepd_ctx *ctx, struct transition *change, const struct failure *failure, struct attempt_report *report);
/* Without a checkpoint, for which alone there may be no room. */
void attempt_park_bare(struct stepd_ctx *ctx, struct transition *change, const struct failure *failure, struct attempt_report *report);
/* The run has failed for good, and all of it is out. */
void attempt_bury(struct stepd_ctx *ctx, const struct failure *failure, struct attempt_report *report);
/* Whether the function has an attempt left after what it raised. */
bool attempt_may_retry(const struct stepd_ctx *ctx);
void attempt_say_on_failure_failed(const struct stepd_ctx *ctx, const struct failure *failure);

#endif
