/* SPDX-License-Identifier: Apache-2.0 */
#include "event/event.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "codec/base64.h"
#include "event/event_format.h"
#include "codec/json.h"
#include "codec/packed.h"

#define ZONE_CHUNK_SIZE 1024
#define TRACEPARENT_MAX 128 /* version 00 has 55 characters */

msgpack_zone *event_zone(struct event *event)
{
    if (!event->has_zone && !msgpack_zone_init(&event->zone, ZONE_CHUNK_SIZE))
        abort();
    event->has_zone = true;
    return &event->zone;
}

struct bytes event_value(const struct event *event)
{
    return (struct bytes){ event->view.raw, event->view.raw_len };
}

static char *text_place(struct event *event, size_t size)
{
    if (size > EVENT_INLINE_SIZE - event->inline_used)
        return zone_take(event_zone(event), size);
    char *place = event->inline_text + event->inline_used;
    event->inline_used += size;
    return place;
}

const char *event_keep_text(struct event *event, struct bytes text)
{
    char *place = text_place(event, text.size + 1);

    memcpy(place, text.data, text.size);
    place[text.size] = 0;
    return place;
}

/* Printable ASCII without blanks; what isn't, is nobody's trace. */
void event_keep_traceparent(struct event *event, struct bytes text)
{
    const unsigned char *at = text.data;

    if (event->view.traceparent != NULL || text.size == 0 || text.size > TRACEPARENT_MAX)
        return;
    for (size_t i = 0; i < text.size; i++)
        if (at[i] <= ' ' || at[i] > '~')
            return;
    event->view.traceparent = event_keep_text(event, text);
}

bool event_header_find(const struct event *event, const char *name, struct bytes *ret_value)
{
    for (size_t i = event->header_count; i-- > 0;) {
        if (strcasecmp(event->headers[i].name, name) != 0)
            continue;
        *ret_value = event->headers[i].value;
        return true;
    }
    return false;
}

bool content_type_is(struct bytes content_type, const char *type)
{
    const char *text = content_type.data;
    const char *end = text == NULL ? NULL : memchr(text, ';', content_type.size);
    size_t size = end == NULL ? content_type.size : (size_t)(end - text);
    size_t wanted = strlen(type);

    while (size > 0 && (text[size - 1] == ' ' || text[size - 1] == '\t'))
        size--;
    if (type[0] == '+' ? size < wanted : size != wanted)
        return false;
    return strncasecmp(text + size - wanted, type, wanted) == 0;
}

void event_init(struct event *event, const char *topic, int32_t partition, int64_t offset, int64_t timestamp_ms,
                struct bytes key, struct bytes value, const struct event_header *headers, size_t header_count)
{
    struct bytes traceparent;

    if (event->has_zone)
        msgpack_zone_clear(&event->zone);
    event->view = (struct stepd_event){
        .id = "",
        .name = topic,
        .data = &event->data,
        .user = &event->user,
        .ts_ms = timestamp_ms,
        .topic = topic,
        .partition = partition,
        .offset = offset,
        .key = key.data,
        .key_len = key.data == NULL ? 0 : key.size,
        .raw = value.data,
        .raw_len = value.data == NULL ? 0 : value.size,
    };
    event->headers = headers;
    event->header_count = header_count;
    event->timestamp_ms = timestamp_ms;
    event->part = 0;
    event->source = (struct bytes){ 0 };
    event->format = EVENT_EMPTY;
    atomic_init(&event->state, EVENT_NEW);
    event->data_part = (struct event_part){ .form = PART_NIL };
    event->user_part = (struct event_part){ .form = PART_NIL };
    event->failure = NULL;
    event->data.type = MSGPACK_OBJECT_NIL;
    event->user.type = MSGPACK_OBJECT_NIL;
    (void)pthread_mutex_init(&event->decoding, NULL);
    event->inline_used = 0;
    if (header_count > 0 && event_header_find(event, "traceparent", &traceparent))
        event_keep_traceparent(event, traceparent);
}

void event_done(struct event *event)
{
    if (event->has_zone)
        msgpack_zone_destroy(&event->zone);
    memset(event, 0, offsetof(struct event, inline_text)); /* the text counts for nothing while none is used */
}

static char *write_decimal(char *at, int64_t number)
{
    char digits[20];
    size_t count = 0;
    uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;

    do {
        digits[count++] = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (number < 0)
        *at++ = '-';
    while (count > 0)
        *at++ = digits[--count];
    return at;
}

/* TOPIC-PARTITION-OFFSET. By hand, since most events have no id, and snprintf() takes as long as all
 * that is done to read one. */
static const char *default_id(struct event *event)
{
    size_t topic_size = strlen(event->view.topic);
    char *id = text_place(event, topic_size + sizeof("--2147483648--9223372036854775808"));

    memcpy(id, event->view.topic, topic_size);
    char *at = id + topic_size;
    *at++ = '-';
    at = write_decimal(at, event->view.partition);
    *at++ = '-';
    at = write_decimal(at, event->view.offset);
    *at = 0;
    return id;
}

static enum event_format format_of(const struct event *event)
{
    struct bytes header = { 0 };
    bool has_headers = event->header_count > 0;

    if (has_headers && event_header_find(event, "ce_type", &header))
        return EVENT_CLOUD_BINARY;
    if (event->view.raw_len == 0)
        return EVENT_EMPTY;
    bool has_type = has_headers && event_header_find(event, "content-type", &header);
    if (has_type && content_type_is(header, "application/cloudevents+json"))
        return EVENT_CLOUD_STRUCTURED;
    unsigned char first = *(const unsigned char *)event->view.raw;
    if ((first >= 0x80 && first <= 0x8f) || first == 0xde || first == 0xdf)
        return EVENT_MSGPACK;
    if (has_type && (content_type_is(header, "application/msgpack") || content_type_is(header, "application/x-msgpack") ||
                     content_type_is(header, "application/vnd.msgpack")))
        return EVENT_MSGPACK;
    return EVENT_JSON;
}

static int read_as(struct event *event, struct error *ret_error)
{
    switch (event->format) {
    case EVENT_CLOUD_BINARY:
        return event_read_cloud_binary(event, ret_error);
    case EVENT_CLOUD_STRUCTURED:
        return event_read_cloud_structured(event, ret_error);
    case EVENT_MSGPACK:
        return event_read_envelope(event, PART_MSGPACK, ret_error);
    case EVENT_JSON:
        return event_read_envelope(event, PART_JSON, ret_error);
    case EVENT_EMPTY:
        break;
    }
    return 0;
}

static void become_malformed(struct event *event, const struct error *error)
{
    event->view.name = event->view.topic;
    event->view.id = "";
    event->view.ts_ms = event->timestamp_ms;
    event->data_part.form = PART_NIL;
    event->user_part.form = PART_NIL;
    event->failure = event_keep_text(event, (struct bytes){ error->text, strlen(error->text) });
}

int event_find_name(struct event *event, struct error *ret_error)
{
    struct error error = { 0 };
    enum event_state state = atomic_load_explicit(&event->state, memory_order_acquire);

    if (state == EVENT_MALFORMED)
        return error_set(ret_error, EBADMSG, "%s", event->failure);
    if (state != EVENT_NEW)
        return 0;
    event->format = format_of(event);
    bool is_malformed = read_as(event, &error) < 0;
    if (is_malformed)
        become_malformed(event, &error);
    if (event->view.id[0] == 0)
        event->view.id = default_id(event);
    atomic_store_explicit(&event->state, is_malformed ? EVENT_MALFORMED : EVENT_NAMED, memory_order_release);
    return is_malformed ? error_set(ret_error, EBADMSG, "%s", event->failure) : 0;
}

static void build_base64(struct event *event, struct bytes text, msgpack_object *object)
{
    size_t size = 0;
    bool is_valid = base64_is_valid(text, &size);

    assert(is_valid);
    unsigned char *data = zone_take(event_zone(event), size + 1);
    base64_decode(text, data);
    object->type = MSGPACK_OBJECT_BIN;
    object->via.bin.ptr = (const char *)data;
    object->via.bin.size = (uint32_t)size;
}

/* The first pass refused all that could fail here. */
static void build(struct event *event, const struct event_part *part, msgpack_object *object)
{
    struct error error = { 0 };
    int result = 0;

    switch (part->form) {
    case PART_NIL:
        object->type = MSGPACK_OBJECT_NIL;
        break;
    case PART_JSON:
        result = json_decode(part->bytes, event_zone(event), object, &error);
        break;
    case PART_MSGPACK:
        packed_build(part->bytes, event_zone(event), object);
        break;
    case PART_TEXT:
        object->type = MSGPACK_OBJECT_STR;
        object->via.str.ptr = part->bytes.data;
        object->via.str.size = (uint32_t)part->bytes.size;
        break;
    case PART_BINARY:
        object->type = MSGPACK_OBJECT_BIN;
        object->via.bin.ptr = part->bytes.data;
        object->via.bin.size = (uint32_t)part->bytes.size;
        break;
    case PART_BASE64:
        build_base64(event, part->bytes, object);
        break;
    }
    assert(result == 0);
}

int event_decode(struct event *event, struct error *ret_error)
{
    int result = event_find_name(event, ret_error);

    if (result < 0 || atomic_load_explicit(&event->state, memory_order_acquire) == EVENT_DECODED)
        return result;
    (void)pthread_mutex_lock(&event->decoding);
    if (atomic_load_explicit(&event->state, memory_order_relaxed) != EVENT_DECODED) {
        build(event, &event->data_part, &event->data);
        build(event, &event->user_part, &event->user);
        atomic_store_explicit(&event->state, EVENT_DECODED, memory_order_release);
    }
    (void)pthread_mutex_unlock(&event->decoding);
    return 0;
}
