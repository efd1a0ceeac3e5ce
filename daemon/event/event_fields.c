/* SPDX-License-Identifier: Apache-2.0 */
#include "event/event_fields.h"

#include <string.h>

#include "codec/utf8.h"

static msgpack_object object_of_text(const char *text)
{
    return (msgpack_object){ .type = MSGPACK_OBJECT_STR, .via.str = { .ptr = text, .size = (uint32_t)strlen(text) } };
}

/* A text where it is one, else bytes. */
static msgpack_object object_of_bytes(const void *data, size_t size)
{
    if (utf8_is_valid(data, size))
        return (msgpack_object){ .type = MSGPACK_OBJECT_STR, .via.str = { .ptr = data, .size = (uint32_t)size } };
    return (msgpack_object){ .type = MSGPACK_OBJECT_BIN, .via.bin = { .ptr = data, .size = (uint32_t)size } };
}

static msgpack_object object_of_time(int64_t unix_ms)
{
    if (unix_ms < 0)
        return (msgpack_object){ .type = MSGPACK_OBJECT_NEGATIVE_INTEGER, .via.i64 = unix_ms };
    return (msgpack_object){ .type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = (uint64_t)unix_ms };
}

static const struct stepd_event *decoded(const struct event_fields *fields)
{
    if (fields->event == NULL)
        return fields->view;
    return fields->is_row ? event_row(fields->event) : event_view(fields->event);
}

/* Of DATA and USER. */
static bool read_decoded(const struct event_fields *fields, enum expression_field field, msgpack_object *ret_object)
{
    const struct stepd_event *view = decoded(fields);
    const msgpack_object *object = field == EXPRESSION_DATA ? view->data : view->user;

    if (object == NULL)
        return false;
    *ret_object = *object;
    return field == EXPRESSION_DATA || object->type != MSGPACK_OBJECT_NIL;
}

static bool read_field(const struct expression_event *base, enum expression_field field, msgpack_object *ret_object)
{
    const struct event_fields *fields = (const struct event_fields *)base;
    const struct stepd_event *view = fields->view;

    switch (field) {
    case EXPRESSION_ID:
        *ret_object = object_of_text(view->id);
        return true;
    case EXPRESSION_NAME:
        *ret_object = object_of_text(view->name);
        return true;
    case EXPRESSION_TOPIC:
        *ret_object = object_of_text(view->topic != NULL ? view->topic : "");
        return view->topic != NULL;
    case EXPRESSION_TS:
        *ret_object = object_of_time(view->ts_ms);
        return true;
    case EXPRESSION_KEY:
        *ret_object = object_of_bytes(view->key, view->key != NULL ? view->key_len : 0);
        return view->key != NULL;
    case EXPRESSION_DATA:
    case EXPRESSION_USER:
        return read_decoded(fields, field, ret_object);
    case EXPRESSION_HEADERS:
        *ret_object = (msgpack_object){ .type = MSGPACK_OBJECT_NIL };
        return true;
    default:
        return false;
    }
}

static bool read_header(const struct expression_event *base, size_t index, struct bytes *ret_name, msgpack_object *ret_value)
{
    const struct stepd_event *view = ((const struct event_fields *)base)->view;

    if (index >= view->header_count)
        return false;
    const struct stepd_header *header = &view->headers[index];
    *ret_name = (struct bytes){ header->name, strlen(header->name) };
    if (header->value != NULL)
        *ret_value = object_of_bytes(header->value, header->size);
    else
        *ret_value = (msgpack_object){ .type = MSGPACK_OBJECT_NIL };
    return true;
}

void event_fields_init(struct event_fields *fields, struct event *event)
{
    *fields = (struct event_fields){ { read_field, read_header }, &event->view, event, false };
}

void event_fields_init_of_row(struct event_fields *fields, struct event *event)
{
    *fields = (struct event_fields){ { read_field, read_header }, event->has_row ? &event->row : &event->view, event, true };
}

void event_fields_init_of_view(struct event_fields *fields, const struct stepd_event *view)
{
    *fields = (struct event_fields){ { read_field, read_header }, view, NULL, false };
}
