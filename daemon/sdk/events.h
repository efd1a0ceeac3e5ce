/* SPDX-License-Identifier: Apache-2.0 */
/* Events that programs send over HTTP: on to Kafka, answered with their ids once the brokers have them. */
#ifndef STEPD_SDK_EVENTS_H
#define STEPD_SDK_EVENTS_H

#include "base/web.h"
#include "sdk/inngest_settings.h"

#define EVENTS_PATH "/e/" /* the event key behind it */
#define ULID_SIZE 27

/* A web_route's answer; `settings` is a struct inngest_settings. */
void events_answer(void *settings, const struct web_request *request, struct web_reply *reply);
/* An event, or an array of them, as SDKs send them: 0 once the brokers have all, whose ids are appended, quoted; or the HTTP status with what is
 * wrong. `request` is whose headers go on with them. */
unsigned events_send(const struct inngest_settings *settings, const struct web_request *request, const msgpack_object *body,
                     msgpack_sbuffer *ids, const char **ret_why);
void events_make_id(char ret_ulid[ULID_SIZE]);

#endif
