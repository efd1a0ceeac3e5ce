/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps that run elsewhere, several of a run beside each other: each has a counter of its own, which its
 * caller keeps, and none parks the run. What becomes of them is recorded as of any step.
 */
#ifndef STEPD_RUN_BESIDE_H
#define STEPD_RUN_BESIDE_H

#include <stdint.h>

#include <stepd/stepd.h>

/* `settle` tells what became of attempt number `attempt` of step `id`. OK or FAILED (for good): it is
 * recorded. SUSPENDED with *ret_due_ms: it is to be tried again then, of ctx->step_raised, and nothing is
 * recorded; with 0: there is a verdict. */
enum stepd_status beside_settle(struct stepd_ctx *ctx, const char *id, int attempt, stepd_step_fn settle, const void *arg,
                                int64_t *ret_due_ms);
/* Records that step `id` sleeps, and goes on. As a step's call answers. */
enum stepd_status beside_sleep(struct stepd_ctx *ctx, const char *id, int64_t until_ms);

#endif
