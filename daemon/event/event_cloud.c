/* SPDX-License-Identifier: Apache-2.0 */
/* CloudEvents 1.0 on Kafka: binary (attributes in headers) and structured (one JSON object). */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "codec/base64.h"
#include "event/event_format.h"
#include "codec/http_date.h"
#include "codec/utf8.h"

/* *ret_text stays as it is where the header is absent or null. */
static int read_header_text(struct event *event, const char *name, const char **ret_text, struct error *ret_error)
{
    struct bytes value;

    if (!event_header_find(event, name, &value) || value.data == NULL)
        return 0;
    int result = event_check_text(name, value, ret_error);
    if (result < 0)
        return result;
    if (!utf8_is_valid(value.data, value.size))
        return error_set(ret_error, EBADMSG, "'%s' is not valid UTF-8", name);
    *ret_text = event_keep_text(event, value);
    return 0;
}

/* A source names the event together with its id, whatever its bytes are. */
static struct bytes source_of(struct event *event, struct member *source)
{
    const char *text = "";

    if (event_text_of(event, source, &text, NULL) < 0)
        return source->bytes;
    return (struct bytes){ text, strlen(text) };
}

static int read_time(struct event *event, const char *name, const char *time, struct error *ret_error)
{
    if (time != NULL && rfc3339_parse((struct bytes){ time, strlen(time) }, &event->view.ts_ms) < 0)
        return error_set(ret_error, EBADMSG, "'%s' is not an RFC 3339 time: %s", name, time);
    return 0;
}

static bool is_json(struct bytes content_type)
{
    return content_type_is(content_type, "application/json") || content_type_is(content_type, "text/json") ||
           content_type_is(content_type, "+json");
}

static bool is_msgpack(struct bytes content_type)
{
    return content_type_is(content_type, "application/msgpack") || content_type_is(content_type, "application/x-msgpack") ||
           content_type_is(content_type, "application/vnd.msgpack") || content_type_is(content_type, "+msgpack");
}

static bool is_text(struct bytes content_type)
{
    return (content_type.size >= 5 && strncasecmp(content_type.data, "text/", 5) == 0) ||
           content_type_is(content_type, "application/xml") || content_type_is(content_type, "+xml");
}

/* Text that claims to be text, but isn't UTF-8, comes as bytes. */
static enum event_part_form text_or_binary(struct bytes value)
{
    return utf8_is_valid(value.data, value.size) ? PART_TEXT : PART_BINARY;
}

/* Without a content type: JSON where it is, as the specification has it, else what it looks like. */
static int read_body(struct event *event, struct error *ret_error)
{
    struct member none = { .key = NULL };
    struct bytes type = { 0 };
    struct bytes value = event_value(event);
    bool is_map;
    int result = 0;
    enum event_part_form form = PART_BINARY;

    if (value.size == 0)
        return 0;
    bool has_type = event_header_find(event, "content-type", &type) && type.size > 0;
    if (!has_type) {
        form = members_find_json(value, &none, &is_map, NULL) == 0 ? PART_JSON : text_or_binary(value);
    } else if (is_json(type)) {
        form = PART_JSON;
        result = members_find_json(value, &none, &is_map, ret_error);
    } else if (is_msgpack(type)) {
        form = PART_MSGPACK;
        result = members_find_msgpack(value, &none, &is_map, ret_error);
    } else if (is_text(type)) {
        form = text_or_binary(value);
    }
    event->data_part = (struct event_part){ .form = form, .bytes = value };
    return result;
}

int event_read_cloud_binary(struct event *event, struct error *ret_error)
{
    const char *time = NULL;
    struct bytes traceparent;
    int result = read_header_text(event, "ce_type", &event->view.name, ret_error);

    if (result == 0 && event->view.name[0] == 0)
        result = error_set(ret_error, EBADMSG, "'ce_type' is empty");
    if (result == 0)
        result = read_header_text(event, "ce_id", &event->view.id, ret_error);
    if (result == 0)
        result = read_header_text(event, "ce_time", &time, ret_error);
    if (result == 0)
        result = read_time(event, "ce_time", time, ret_error);
    if (result < 0)
        return result;
    (void)event_header_find(event, "ce_source", &event->source);
    if (event_header_find(event, "ce_traceparent", &traceparent))
        event_keep_traceparent(event, traceparent);
    return read_body(event, ret_error);
}

static int read_base64(struct event *event, struct member *member, struct error *ret_error)
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
    event->data_part = (struct event_part){ .form = PART_BASE64, .bytes = bytes };
    return 0;
}

static int read_data(struct event *event, const struct member *data, struct member *base64, struct error *ret_error)
{
    bool has_data = data->is_present && data->value.type != MSGPACK_OBJECT_NIL;

    if (!has_data && base64->is_present)
        return read_base64(event, base64, ret_error);
    if (has_data)
        event->data_part = (struct event_part){ .form = PART_JSON, .bytes = data->bytes };
    return 0;
}

int event_read_cloud_structured(struct event *event, struct error *ret_error)
{
    enum { TYPE, ID, TIME, DATA, DATA_BASE64, TRACEPARENT, SOURCE };
    struct member members[] = { MEMBER("type"), MEMBER("id"),          MEMBER("time"),        MEMBER("data"),
                                MEMBER("data_base64"), MEMBER("traceparent"), MEMBER("source"), { .key = NULL } };
    const char *time = NULL;
    const struct member *traceparent = &members[TRACEPARENT];
    bool is_map;
    int result = members_find_json(event_value(event), members, &is_map, ret_error);

    if (result == 0 && !is_map)
        result = error_set(ret_error, EBADMSG, "a structured CloudEvent is a JSON object, this is none");
    if (result == 0)
        result = event_text_of(event, &members[TYPE], &event->view.name, ret_error);
    if (result == 0 && event->view.name[0] == 0)
        result = error_set(ret_error, EBADMSG, "'type' is empty");
    if (result == 0)
        result = event_text_of(event, &members[ID], &event->view.id, ret_error);
    if (result == 0)
        result = event_text_of(event, &members[TIME], &time, ret_error);
    if (result == 0)
        result = read_time(event, "time", time, ret_error);
    if (result < 0)
        return result;
    if (traceparent->is_present && traceparent->value.type == MSGPACK_OBJECT_STR && !traceparent->has_escapes)
        event_keep_traceparent(event, (struct bytes){ traceparent->value.via.str.ptr, traceparent->value.via.str.size });
    event->source = source_of(event, &members[SOURCE]);
    return read_data(event, &members[DATA], &members[DATA_BASE64], ret_error);
}
