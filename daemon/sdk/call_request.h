/* SPDX-License-Identifier: Apache-2.0 */
/* Calling an app: what goes out for a run, and what it came to. */
#ifndef STEPD_SDK_CALL_REQUEST_H
#define STEPD_SDK_CALL_REQUEST_H

#include <stdbool.h>

#include "run/context.h"
#include "sdk/app.h"
#include "sdk/op_list.h"
#include "sdk/request.h"
#include "sdk/sdk_errand.h"

/* Sends a call for step `name` (ours; empty: the function as a whole) as one of the errand's. */
void call_request_send(struct stepd_ctx *ctx, const struct sdk_function *function, struct sdk_errand *errand, const char *name,
                       const struct request *request);
/* What the reply's headers say. Until the call is destroyed. */
struct retry_advice call_request_advice(const struct sdk_call *call);
/* The error that a call came to, other than a list of ops: no reply, or one that is no success. As long
 * as the attempt lasts. */
void call_request_error(struct stepd_ctx *ctx, const struct sdk_function *function, const struct sdk_call *call,
                        struct op_error *ret_error);

#endif
