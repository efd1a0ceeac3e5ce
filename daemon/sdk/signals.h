/* SPDX-License-Identifier: Apache-2.0 */
/* Signals that programs send over HTTP: to the run that waits for one, whose id is the answer. */
#ifndef STEPD_SDK_SIGNALS_H
#define STEPD_SDK_SIGNALS_H

#include "base/web.h"

#define SIGNALS_PATH "/v1/signals"

/* A web_route's answer; `settings` is a struct inngest_settings. */
void signals_answer(void *settings, const struct web_request *request, struct web_reply *reply);

#endif
