/* SPDX-License-Identifier: Apache-2.0 */
/* CloudEvents 1.0 on Kafka: binary (attributes in headers) and structured (one JSON object). An attribute that is
 * empty or null counts as not there. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "codec/base64.h"
#include "codec/http_date.h"
#include "codec/packed.h"
#include "codec/utf8.h"
#include "event/event_internal.h"

#define ATTRIBUTE_NAME_SIZE 32

/* ---- what a value is, as data -------------------------------------------------------------------- */

/* Text that claims to be text, but isn't UTF-8, comes as bytes. */
static struct event_part text_or_binary(struct bytes value)
{
    if (!utf8_is_valid(value.data, value.size))
        return (struct event_part){ .form = PART_BINARY, .bytes = value };
    return (struct event_part){ .form = PART_TEXT, .bytes = event_skip_mark(value) };
}

static int read_json(struct bytes value, struct event_part *ret_part, struct error *ret_error)
{
    struct member none = { .key = NULL };
    struct members_shape shape;

    *ret_part = (struct event_part){ .form = PART_JSON, .bytes = event_skip_mark(value) };
    return members_find_json(ret_part->bytes, &none, &shape, ret_error);
}

static int read_msgpack(struct bytes value, struct event_part *ret_part, struct error *ret_error)
{
    struct member none = { .key = NULL };
    struct members_shape shape;

    *ret_part = (struct event_part){ .form = PART_MSGPACK, .bytes = value };
    return members_find_msgpack(value, &none, &shape, ret_error);
}

/* Without a content type: JSON where it is, as the specification has it, else what it looks like. */
int event_read_whole(struct bytes content_type, struct bytes value, struct event_part *ret_part, struct error *ret_error)
{
    *ret_part = (struct event_part){ .form = PART_NIL };
    if (value.size == 0)
        return 0;
    if (content_type_is_json(content_type))
        return read_json(value, ret_part, ret_error);
    if (content_type_is_msgpack(content_type))
        return read_msgpack(value, ret_part, ret_error);
    if (content_type.size == 0 && read_json(value, ret_part, NULL) == 0)
        return 0;
    if (content_type.size == 0 || content_type_is_text(content_type))
        *ret_part = text_or_binary(value);
    else
        *ret_part = (struct event_part){ .form = PART_BINARY, .bytes = value };
    return 0;
}

/* ---- attributes in headers ----------------------------------------------------------------------- */

/* False: it is not there. */
static bool find_attribute(const struct event *event, const struct event_marks *marks, const char *attribute, struct bytes *ret_value)
{
    char name[ATTRIBUTE_NAME_SIZE];

    (void)snprintf(name, sizeof(name), "%s%s", marks->cloud_prefix, attribute);
    return event_header_find(event, name, ret_value) && ret_value->size > 0;
}

/* *ret_text stays as it is where it is not there. */
static int read_attribute(struct event *event, const struct event_marks *marks, const char *attribute, const char **ret_text,
                          struct error *ret_error)
{
    char name[ATTRIBUTE_NAME_SIZE];
    struct bytes value;

    if (!find_attribute(event, marks, attribute, &value))
        return 0;
    (void)snprintf(name, sizeof(name), "%s%s", marks->cloud_prefix, attribute);
    int result = event_check_text(name, value, ret_error);
    if (result < 0)
        return result;
    if (!utf8_is_valid(value.data, value.size))
        return error_set(ret_error, EBADMSG, "'%s' is not valid UTF-8", name);
    *ret_text = event_keep_text(event, value);
    return 0;
}

static int read_time(struct event *event, const char *name, const char *time, struct error *ret_error)
{
    if (time != NULL && rfc3339_parse((struct bytes){ time, strlen(time) }, &event->view.ts_ms) < 0)
        return error_set(ret_error, EBADMSG, "'%s' is not an RFC 3339 time: %s", name, time);
    return 0;
}

static void keep_trace(struct event *event, const struct event_marks *marks)
{
    struct bytes traceparent, tracestate;

    if (event->view.traceparent != NULL || !find_attribute(event, marks, "traceparent", &traceparent))
        return;
    event_keep_traceparent(event, traceparent);
    if (find_attribute(event, marks, "tracestate", &tracestate))
        event_keep_tracestate(event, tracestate);
}

int event_read_cloud_attributes(struct event *event, const struct event_marks *marks, struct bytes *ret_type, struct error *ret_error)
{
    const bool has_dashes = marks->cloud_prefix[2] == '-';
    const char *time = NULL;
    struct bytes type = marks->content_type;
    int result = read_attribute(event, marks, "type", &event->view.name, ret_error);

    if (result == 0)
        result = read_attribute(event, marks, "id", &event->view.id, ret_error);
    if (result == 0)
        result = read_attribute(event, marks, "time", &time, ret_error);
    if (result == 0)
        result = read_time(event, has_dashes ? "ce-time" : "ce_time", time, ret_error);
    if (result < 0)
        return result;
    (void)find_attribute(event, marks, "source", &event->source);
    keep_trace(event, marks);
    if (type.size == 0)
        (void)find_attribute(event, marks, "datacontenttype", &type);
    *ret_type = type;
    return 0;
}

int event_read_cloud_binary(struct event *event, const struct event_marks *marks, struct error *ret_error)
{
    struct bytes type;
    int result = event_read_cloud_attributes(event, marks, &type, ret_error);

    return result < 0 ? result : event_read_whole(type, event_value(event), &event->data_part, ret_error);
}

/* ---- all in one JSON object ---------------------------------------------------------------------- */

static bool is_text(const struct member *member)
{
    return member->is_present && member->value.type == MSGPACK_OBJECT_STR && (member->has_escapes || member->value.via.str.size > 0);
}

bool event_is_cloud_structured(struct bytes value)
{
    struct member members[] = { MEMBER("specversion"), MEMBER("type"), MEMBER("source"), MEMBER("id"), { .key = NULL } };
    struct members_shape shape;

    if (members_find_json(value, members, &shape, NULL) != 0)
        return false;
    for (const struct member *member = members; member->key != NULL; member++)
        if (!is_text(member))
            return false;
    return true;
}

/* As bytes; or decoded and read, where its content type says that it is more than that. */
static int read_decoded(struct event *event, struct bytes text, size_t size, const char *content_type, struct error *ret_error)
{
    event->data_part = (struct event_part){ .form = PART_BASE64, .bytes = text };
    if (content_type == NULL)
        return 0;
    const struct bytes type = { content_type, strlen(content_type) };
    if (!content_type_is_json(type) && !content_type_is_text(type) && !content_type_is_msgpack(type))
        return 0;
    unsigned char *data = zone_take(event_zone(event), size + 1);
    base64_decode(text, data);
    return event_read_whole(type, (struct bytes){ data, size }, &event->data_part, ret_error);
}

static int read_base64(struct event *event, struct member *member, const char *content_type, struct error *ret_error)
{
    size_t size;
    const char *text = NULL;
    struct bytes bytes;

    if (member->value.type == MSGPACK_OBJECT_STR && !member->has_escapes) {
        bytes = (struct bytes){ member->value.via.str.ptr, member->value.via.str.size };
    } else { /* "\/" is how some write a slash */
        int result = event_text_of(event, member, &text, ret_error);
        if (result < 0 || text == NULL)
            return result;
        bytes = (struct bytes){ text, strlen(text) };
    }
    if (!base64_is_valid(bytes, &size))
        return error_set(ret_error, EBADMSG, "'data_base64' is not base64");
    return read_decoded(event, bytes, size, content_type, ret_error);
}

static int read_data(struct event *event, const struct member *data, struct member *base64, const char *content_type,
                     struct error *ret_error)
{
    bool has_data = data->is_present && data->value.type != MSGPACK_OBJECT_NIL;

    if (!has_data && base64->is_present)
        return read_base64(event, base64, content_type, ret_error);
    if (has_data)
        event->data_part = (struct event_part){ .form = PART_JSON, .bytes = data->bytes };
    return 0;
}

static struct bytes plain_text_of(const struct member *member)
{
    if (!is_text(member) || member->has_escapes)
        return (struct bytes){ 0 };
    return (struct bytes){ member->value.via.str.ptr, member->value.via.str.size };
}

static void keep_trace_of(struct event *event, const struct member *traceparent, const struct member *tracestate)
{
    if (event->view.traceparent != NULL)
        return;
    event_keep_traceparent(event, plain_text_of(traceparent));
    event_keep_tracestate(event, plain_text_of(tracestate));
}

/* A source names the event together with its id, whatever its bytes are. */
static struct bytes source_of(struct event *event, struct member *source)
{
    const char *text = "";

    if (event_text_of(event, source, &text, NULL) < 0)
        return source->bytes;
    return (struct bytes){ text, strlen(text) };
}

/* A part of a batch that was read back from a record still knows its place. */
static void find_part(struct event *event)
{
    struct bytes index;
    uint32_t number = 0;

    if (event->part > 0 || !event_header_find(event, EVENT_INDEX_HEADER, &index))
        return;
    for (size_t i = 0; i < index.size && i < 9; i++)
        number = number * 10 + (uint32_t)(((const unsigned char *)index.data)[i] - '0') % 10;
    event->part = number + 1;
}

enum { TYPE, ID, SOURCE, TIME, DATA, DATA_BASE64, DATACONTENTTYPE, TRACEPARENT, TRACESTATE };

const struct member event_cloud_members[CLOUD_MEMBERS] = {
    MEMBER("type"),       MEMBER("id"),          MEMBER("source"),          MEMBER("time"),
    MEMBER("data"),       MEMBER("data_base64"), MEMBER("datacontenttype"), MEMBER("traceparent"),
    MEMBER("tracestate"), { .key = NULL }
};

int event_read_cloud_members(struct event *event, struct member *members, struct error *ret_error)
{
    const char *time = NULL, *content_type = NULL;
    int result = event_text_of(event, &members[TYPE], &event->view.name, ret_error);

    if (result == 0)
        result = event_text_of(event, &members[ID], &event->view.id, ret_error);
    if (result == 0)
        result = event_text_of(event, &members[TIME], &time, ret_error);
    if (result == 0)
        result = read_time(event, "time", time, ret_error);
    if (result == 0)
        result = event_text_of(event, &members[DATACONTENTTYPE], &content_type, ret_error);
    if (result < 0)
        return result;
    event->source = source_of(event, &members[SOURCE]);
    if (event->view.id[0] == '\0')
        find_part(event);
    keep_trace_of(event, &members[TRACEPARENT], &members[TRACESTATE]);
    return read_data(event, &members[DATA], &members[DATA_BASE64], content_type, ret_error);
}

int event_read_cloud_structured(struct event *event, struct bytes value, struct error *ret_error)
{
    struct member members[CLOUD_MEMBERS];
    struct members_shape shape;

    memcpy(members, event_cloud_members, sizeof(members));
    int result = members_find_json(value, members, &shape, ret_error);
    if (result == 0 && !shape.is_map)
        result = error_set(ret_error, EBADMSG, "a structured CloudEvent is a JSON object, this is none");
    return result < 0 ? result : event_read_cloud_members(event, members, ret_error);
}
