/* SPDX-License-Identifier: Apache-2.0 */
/* What programs ask of Inngest's server about their runs: one, those of an event, and that some end. */
#ifndef STEPD_SDK_RUNS_API_H
#define STEPD_SDK_RUNS_API_H

#include "base/web.h"

#define RUNS_PATH "/v1/runs/"
#define EVENT_RUNS_PATH "/v1/events/"
#define CANCELLATIONS_PATH "/v1/cancellations"
#define CANCELLATION_MAX ((size_t)64 << 10)

/* Each of `context` a struct inngest_settings. */
void runs_api_show(void *context, const struct web_request *request, struct web_reply *reply);
void runs_api_cancel(void *context, const struct web_request *request, struct web_reply *reply);
void runs_api_list(void *context, const struct web_request *request, struct web_reply *reply);
void runs_api_cancel_all(void *context, const struct web_request *request, struct web_reply *reply);

#endif
