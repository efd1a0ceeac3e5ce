/* SPDX-License-Identifier: Apache-2.0 */
/* Events that programs send over HTTP: on to Kafka, answered with their ids once the brokers have them. */
#ifndef STEPD_SDK_EVENTS_H
#define STEPD_SDK_EVENTS_H

#include "base/web.h"
#include "sdk/inngest_settings.h"

#define EVENTS_PATH "/e/" /* the event key behind it */

/* A web_route's answer; `settings` is a struct inngest_settings. */
void events_answer(void *settings, const struct web_request *request, struct web_reply *reply);

#endif
