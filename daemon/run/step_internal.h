/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the step calls of all kinds are made of. Between step_open_call() and context_resume() the function is off
 * the clock, and the attempt is the caller's alone.
 */
#ifndef STEPD_RUN_STEP_INTERNAL_H
#define STEPD_RUN_STEP_INTERNAL_H

#include "run/context.h"

/* The call itself is a mistake: an error of whoever makes it, which stepd_last_error() tells like any other. */
void step_refuse(struct stepd_ctx *ctx, const char *name, const char *format, ...) PRINTF_LIKE(3, 4);
/* Whether a step call may go on; else what it answers. The function is off the clock then. */
bool step_open_call(struct stepd_ctx *ctx, const char *id, int64_t *ret_left_ns, enum stepd_status *ret_status);
/* This call's own name, in ctx->step.id. False: an error was raised. */
bool step_name(struct stepd_ctx *ctx, const char *id);
/* NULL: there is none of that name (ctx->step.id) yet. */
const struct checkpoint *step_find_finished(struct stepd_ctx *ctx, size_t *ret_position);
size_t step_finished_count(const struct run *run);
/* `count` new steps may begin. False: there is a verdict. */
bool step_may_begin(struct stepd_ctx *ctx, size_t count);
/* step_open_call(), and whether a new step is to be made by this call; else *ret_status is what the call answers, from its
 * checkpoint where it is finished, and the function is on the clock again. */
bool step_begin_call(struct stepd_ctx *ctx, const char *id, const msgpack_object **ret_result, int64_t *ret_left_ns,
                     enum stepd_status *ret_status);

/* Fills ctx->step for a new step; `policy` NULL: its function's. */
void step_set_up(struct stepd_ctx *ctx, const struct stepd_policy *policy);
/* The step's own code. False: abandoned meanwhile. */
bool step_run_body(struct stepd_ctx *ctx, stepd_step_fn fn, const void *arg, enum stepd_status *ret_status);

/* Of ctx->step, ended now. */
struct checkpoint step_checkpoint(struct stepd_ctx *ctx, enum checkpoint_kind kind);
/* Its bytes, in ctx->scratch: until the next checkpoint is packed. */
struct bytes step_packed(struct stepd_ctx *ctx, const struct checkpoint *checkpoint);
/* Makes it durable; the counter is then `attempt`. False: there is a verdict. */
bool step_record(struct stepd_ctx *ctx, const struct checkpoint *checkpoint, int attempt);
/* Records what is in ctx->step_output. As a step's call answers. */
enum stepd_status step_keep_result(struct stepd_ctx *ctx, const msgpack_object **ret_result);
/* Records ctx->step_raised. As a step's call answers. */
enum stepd_status step_fail_for_good(struct stepd_ctx *ctx);
/* The function's policy for ctx->step_raised counts before the step's own. */
void step_apply_error_policy(struct stepd_ctx *ctx);
/* Fails for good, or parks the run until the next attempt. */
enum stepd_status step_settle_failure(struct stepd_ctx *ctx);
/* Whether a time of the store's is there. */
bool step_is_over(const struct stepd_ctx *ctx, int64_t until_ms);
/* The run sleeps, or waits (RUN_WAITING) for what it called: parked with `checkpoint`, or with nothing where that stands already. */
enum stepd_status step_park_until(struct stepd_ctx *ctx, enum run_status status, int64_t until_ms, struct bytes checkpoint,
                                  const struct callee *callee);
/* Its start is on record at `position`, and nothing else: it fails for good with OutcomeUnknown. */
enum stepd_status step_answer_unknown(struct stepd_ctx *ctx, const struct checkpoint *started, size_t position);

/* What a finished step, of whatever kind, answers. */
enum stepd_status step_answer(struct stepd_ctx *ctx, const struct checkpoint *checkpoint, size_t position,
                              const msgpack_object **ret_result);
enum stepd_status step_answer_failed(struct stepd_ctx *ctx, const struct failure *failure);
/* The result at `position`, as long as the attempt lasts. `ret_result` may be NULL. */
enum stepd_status step_answer_result(struct stepd_ctx *ctx, size_t position, const msgpack_object **ret_result);

#endif
