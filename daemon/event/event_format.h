/* SPDX-License-Identifier: Apache-2.0 */
/* What the four formats have in common: each fills the same few fields of the event. event.c's own. */
#ifndef STEPD_EVENT_EVENT_FORMAT_H
#define STEPD_EVENT_EVENT_FORMAT_H

#include "event/event.h"
#include "codec/members.h"

/* Copies `text` with a NUL behind it; lives as long as the event. */
const char *event_keep_text(struct event *event, struct bytes text);
msgpack_zone *event_zone(struct event *event);
struct bytes event_value(const struct event *event);

/* Envelopes: JSON and msgpack. The form says which. */
int event_read_envelope(struct event *event, enum event_part_form form, struct error *ret_error) MUST_CHECK;
/* CloudEvents: with its attributes in headers, or all in one JSON object. */
int event_read_cloud_binary(struct event *event, struct error *ret_error) MUST_CHECK;
int event_read_cloud_structured(struct event *event, struct error *ret_error) MUST_CHECK;

/* The string of `member`, NUL-ended, in *ret_text; unchanged when it is absent or null. */
int event_text_of(struct event *event, struct member *member, const char **ret_text, struct error *ret_error) MUST_CHECK;
/* `name` is what a person knows it by. */
int event_check_text(const char *name, struct bytes text, struct error *ret_error) MUST_CHECK;
/* Whether the content type, without its parameters, is `type`; or ends so, when that begins with '+'. */
bool content_type_is(struct bytes content_type, const char *type);
void event_keep_traceparent(struct event *event, struct bytes text);

#endif
