/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the formats have in common: each fills the same few fields of the event. event.c's own.
 *
 * A reader takes the bytes that it reads apart from the event's: what unpacks a value first (a schema
 * registry's framing, say) hands the bytes it made to the reader of what they are.
 */
#ifndef STEPD_EVENT_EVENT_INTERNAL_H
#define STEPD_EVENT_EVENT_INTERNAL_H

#include "codec/members.h"
#include "event/event.h"

/* Copies `text` with a NUL behind it; lives as long as the event. */
const char *event_keep_text(struct event *event, struct bytes text);
msgpack_zone *event_zone(struct event *event);
/* Writes `number`, of at most 20 characters, without a NUL; returns what is behind it. */
char *event_write_decimal(char *at, int64_t number);
struct bytes event_value(const struct event *event);

/* What the headers say of the value's format. */
struct event_marks {
    struct bytes content_type; /* size 0: none */
    const char *cloud_prefix;  /* of a CloudEvent's attributes: "ce_" or "ce-"; NULL: it is none in headers */
};
struct event_marks event_marks_of(const struct event *event);
bool content_type_is_json(struct bytes content_type);
bool content_type_is_msgpack(struct bytes content_type);
bool content_type_is_text(struct bytes content_type);

/* Envelopes: JSON and msgpack. The form says which. */
int event_read_envelope(struct event *event, enum event_part_form form, struct bytes value, struct error *ret_error) MUST_CHECK;
/* CloudEvents: with its attributes in headers, or all in one JSON object. */
int event_read_cloud_binary(struct event *event, const struct event_marks *marks, struct error *ret_error) MUST_CHECK;
/* The attributes alone, and the data's content type. */
int event_read_cloud_attributes(struct event *event, const struct event_marks *marks, struct bytes *ret_type,
                                struct error *ret_error) MUST_CHECK;
int event_read_cloud_structured(struct event *event, struct bytes value, struct error *ret_error) MUST_CHECK;
/* The same where its members are found already: a list of what event_cloud_members has. */
int event_read_cloud_members(struct event *event, struct member *members, struct error *ret_error) MUST_CHECK;
#define CLOUD_MEMBERS 10 /* with the list's end */
extern const struct member event_cloud_members[CLOUD_MEMBERS];
/* As event_find_name(), of an event of a batch whose members are found already. */
void event_find_name_in(struct event *event, struct member *members);
/* Whether JSON that has a `specversion` is a structured CloudEvent: it has all that one must have. */
bool event_is_cloud_structured(struct bytes value);
/* What the whole value is, as data; by its content type, without one by its looks. */
int event_read_whole(struct bytes content_type, struct bytes value, struct event_part *ret_part, struct error *ret_error) MUST_CHECK;
/* Values that a schema reads: as an event, or as data as a whole. */
static inline bool event_is_framed(const struct event *event)
{
    return event->schema != NULL || event->kept.size > 0;
}
int event_read_framed(struct event *event, const struct event_marks *marks, struct error *ret_error) MUST_CHECK;
int event_read_framed_whole(struct event *event, struct event_part *ret_part, struct error *ret_error) MUST_CHECK;
/* What a value that nobody can read looks like, for people; "" where nothing is known of it. */
void event_looks_like(const struct event *event, struct bytes content_type, char *text, size_t size);
/* `value` without a byte order mark. */
struct bytes event_skip_mark(struct bytes value);

/* The string of `member`, NUL-ended, in *ret_text; unchanged when it is absent or null. */
int event_text_of(struct event *event, struct member *member, const char **ret_text, struct error *ret_error) MUST_CHECK;
/* `name` is what a person knows it by. */
int event_check_text(const char *name, struct bytes text, struct error *ret_error) MUST_CHECK;
/* Whether the content type, without its parameters, is `type`; or ends so, when that begins with '+'. */
bool content_type_is(struct bytes content_type, const char *type);
/* The first of several is kept. */
void event_keep_traceparent(struct event *event, struct bytes text);
void event_keep_tracestate(struct event *event, struct bytes text);

/* Of a message whose value is a JSON array of events; they borrow what it does. 0, or -EBADMSG with the reason. */
int event_parts_create(const struct event *message, struct bytes value, struct event_parts **ret_parts, struct error *ret_error) MUST_CHECK;
/* NULL is fine. */
void event_parts_destroy(struct event_parts *parts);

#endif
