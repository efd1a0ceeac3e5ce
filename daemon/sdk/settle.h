/* SPDX-License-Identifier: Apache-2.0 */
/* What an app tells of one step becomes durable: its result, its error, its sleep. As a step's call answers. */
#ifndef STEPD_SDK_SETTLE_H
#define STEPD_SDK_SETTLE_H

#include <stdbool.h>
#include <stdint.h>

#include "sdk/sdk_attempt.h"

/* An error as the app told it, with what its reply's headers say of its retry. Nothing is durable of it yet. */
enum stepd_status settle_raise(struct stepd_ctx *ctx, const struct op_error *error, const struct retry_advice *advice);
/* A step that ran alone; to be tried again it parks the run. An error for good is the app's to handle: OK. */
enum stepd_status settle_alone(struct sdk_attempt *turn, const struct op *op);
/* One that ran beside others: to be tried again it waits as a branch, and the rest goes on. */
enum stepd_status settle_beside(struct sdk_attempt *turn, const struct op *op);
/* Likewise a step that invokes another function; what becomes of it comes later. */
enum stepd_status settle_invoke(struct sdk_attempt *turn, const struct op *op, bool is_alone);
enum stepd_status settle_sleep(struct sdk_attempt *turn, const struct op *op, bool is_alone);
/* Likewise a wait for an event; once it is all that the run does, the function's errors are forgotten. */
enum stepd_status settle_wait(struct sdk_attempt *turn, const struct op *op, bool is_alone);
/* … or for a signal. The run fails where another waits for it, unless that one is replaced. */
enum stepd_status settle_signal(struct sdk_attempt *turn, const struct op *op, bool is_alone);

#endif
