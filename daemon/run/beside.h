/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps that run elsewhere, several of a run beside each other: each has a counter of its own, which its
 * caller keeps, and none parks the run. What becomes of them is recorded as of any step.
 */
#ifndef STEPD_RUN_BESIDE_H
#define STEPD_RUN_BESIDE_H

#include <stdbool.h>
#include <stdint.h>

#include <stepd/stepd.h>

/* `settle` tells what became of attempt number `attempt` of step `id`. OK or FAILED (for good): it is
 * recorded. SUSPENDED with *ret_due_ms: it is to be tried again then, of ctx->step_raised, and nothing is
 * recorded; with 0: there is a verdict. */
enum stepd_status beside_settle(struct stepd_ctx *ctx, const char *id, int attempt, stepd_step_fn settle, const void *arg,
                                int64_t *ret_due_ms);
/* Records that step `id` sleeps, and goes on. As a step's call answers. */
enum stepd_status beside_sleep(struct stepd_ctx *ctx, const char *id, int64_t until_ms);

/* The store's time, or the claim's where that is later. */
int64_t beside_now_ms(const struct stepd_ctx *ctx);
/* Whether the step has a checkpoint, of whatever kind. */
bool beside_has_finished(const struct stepd_ctx *ctx, const char *id);
/* When the first sleep ends after that time; 0: none does. */
int64_t beside_next_waking_ms(const struct stepd_ctx *ctx, int64_t after_ms);

#endif
