/* SPDX-License-Identifier: Apache-2.0 */
/* Steps that an app wants to be recorded while its call goes on: "/v1/checkpoint/RUN/async". */
#ifndef STEPD_SDK_CHECKPOINT_H
#define STEPD_SDK_CHECKPOINT_H

#include "base/web.h"

#define CHECKPOINT_PATH "/v1/checkpoint/"
#define CHECKPOINT_MAX ((size_t)64 << 20) /* bytes; a run's own limits are lower */

/* A web_route's answer; `calls` is a struct calls_settings. */
void checkpoint_answer(void *calls, const struct web_request *request, struct web_reply *reply);

#endif
