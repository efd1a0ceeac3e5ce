/* SPDX-License-Identifier: Apache-2.0 */
/* What has arrived while a run was away: steps that its app reported, and what calls came to. */
#ifndef STEPD_SDK_TAKE_RESULTS_H
#define STEPD_SDK_TAKE_RESULTS_H

#include "sdk/sdk_attempt.h"

/* Takes all of it, in order, each durable before the next; turn->is_done: the function has ended well. OK, or
 * what the function's run answers. */
enum stepd_status take_results(struct sdk_attempt *turn);

#endif
