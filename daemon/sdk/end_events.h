/* SPDX-License-Identifier: Apache-2.0 */
/* The events of a run's end that SDKs know: inngest/function.failed and inngest/function.finished. */
#ifndef STEPD_SDK_END_EVENTS_H
#define STEPD_SDK_END_EVENTS_H

#include "run/context.h"

/* As a step that sends answers. */
enum stepd_status end_events_tell_failure(struct stepd_ctx *ctx);
enum stepd_status end_events_tell_success(struct stepd_ctx *ctx);

#endif
