/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that the daemon makes in an app's place: step.fetch ("Gateway") and step.ai.infer ("AIGateway"). What is asked for
 * stands in the reply alone: after the run was parked the app tells it once more.
 */
#ifndef STEPD_SDK_GATEWAY_H
#define STEPD_SDK_GATEWAY_H

#include "run/branches.h"
#include "sdk/op_list.h"
#include "sdk/sdk_attempt.h"
#include "sdk/sdk_errand.h"

/* The step waits as a branch, which is due. As a step's call answers. */
enum stepd_status gateway_take(struct sdk_attempt *turn, const struct op *op);
/* Sends the branch's request. False: it is not known what to ask for. */
bool gateway_send(struct sdk_attempt *turn, struct branch *branch);
/* What it came to becomes the step's. */
enum stepd_status gateway_settle(struct sdk_attempt *turn, const struct sdk_call *call);

#endif
