/* SPDX-License-Identifier: Apache-2.0 */
/* The state of a run that an app asks for by itself, where it is too large for a call. */
#ifndef STEPD_SDK_STATE_H
#define STEPD_SDK_STATE_H

#include "base/web.h"
#include "sdk/inngest_settings.h"

#define STATE_PATH "/v0/runs/" /* then ID/actions, the finished steps; or ID/batch, the events */

/* A web_route's answer; `settings` is a struct inngest_settings. */
void state_answer(void *settings, const struct web_request *request, struct web_reply *reply);

#endif
