/* SPDX-License-Identifier: Apache-2.0 */
#include "event/event.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/lock.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "codec/packed.h"
#include "event/event_internal.h"
#include "schema/schema.h"

#define ZONE_CHUNK_LEAST 256
#define ZONE_CHUNK_MOST 1024
#define ZONE_GROWTH 2       /* bytes of objects that a byte of a value comes to, about */
#define TRACEPARENT_MAX 128 /* version 00 has 55 characters */
#define TRACESTATE_MAX 1024 /* what is to be passed on at least is 512 */
#define REASON_SIZE 400

/* A small event in as little as it needs: thousands of them wait for answers over HTTP. */
static size_t chunk_size(const struct event *event)
{
    size_t size = event->view.raw_len * ZONE_GROWTH;

    return size < ZONE_CHUNK_LEAST ? ZONE_CHUNK_LEAST : size < ZONE_CHUNK_MOST ? size : ZONE_CHUNK_MOST;
}

msgpack_zone *event_zone(struct event *event)
{
    if (!event->has_zone && !msgpack_zone_init(&event->zone, chunk_size(event)))
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

/* NULL: it is longer than `most`, or has more than printable ASCII from `first` on: then it is nobody's trace. */
static const char *keep_trace_text(struct event *event, struct bytes text, size_t most, unsigned char first)
{
    const unsigned char *at = text.data;

    if (text.size == 0 || text.size > most)
        return NULL;
    for (size_t i = 0; i < text.size; i++)
        if (at[i] < first || at[i] > '~')
            return NULL;
    return event_keep_text(event, text);
}

void event_keep_traceparent(struct event *event, struct bytes text)
{
    if (event->view.traceparent == NULL)
        event->view.traceparent = keep_trace_text(event, text, TRACEPARENT_MAX, '!');
}

void event_keep_tracestate(struct event *event, struct bytes text)
{
    if (event->tracestate == NULL)
        event->tracestate = keep_trace_text(event, text, TRACESTATE_MAX, ' ');
}

struct bytes event_skip_mark(struct bytes value)
{
    static const char mark[] = "\xef\xbb\xbf";
    const size_t size = sizeof(mark) - 1;

    if (value.size < size || memcmp(value.data, mark, size) != 0)
        return value;
    return (struct bytes){ (const char *)value.data + size, value.size - size };
}

void event_init(struct event *event, const char *topic, int32_t partition, int64_t offset, int64_t timestamp_ms, struct bytes key,
                struct bytes value, const struct event_header *headers, size_t header_count)
{
    struct bytes header;

    if (event->has_zone)
        msgpack_zone_clear(&event->zone);
    if (event->parts != NULL)
        event_parts_destroy(event->parts);
    event->parts = NULL;
    if (event->schema != NULL)
        schema_release(event->schema);
    event->schema = NULL;
    event->kept = (struct bytes){ 0 };
    event->said_name = NULL;
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
        .headers = (const struct stepd_header *)headers,
        .header_count = header_count,
    };
    event->has_row = false;
    event->headers = headers;
    event->header_count = header_count;
    event->timestamp_ms = timestamp_ms;
    event->part = 0;
    event->source = (struct bytes){ 0 };
    event->format = EVENT_EMPTY;
    event->tracestate = NULL;
    atomic_init(&event->state, EVENT_NEW);
    event->data_part.form = PART_NIL;
    event->user_part.form = PART_NIL;
    event->row_part.form = PART_NIL;
    event->failure = NULL;
    atomic_init(&event->is_row_decoded, false);
    event->data.type = MSGPACK_OBJECT_NIL;
    event->user.type = MSGPACK_OBJECT_NIL;
    if (!event->has_lock)
        lock_init(&event->decoding);
    event->has_lock = true;
    event->inline_used = 0;
    if (header_count > 0 && event_header_find(event, "traceparent", &header))
        event_keep_traceparent(event, header);
    if (event->view.traceparent != NULL && event_header_find(event, "tracestate", &header))
        event_keep_tracestate(event, header);
}

void event_done(struct event *event)
{
    if (event->has_zone)
        msgpack_zone_destroy(&event->zone);
    event_parts_destroy(event->parts);
    schema_release(event->schema);
    memset(event, 0, sizeof(*event));
}

char *event_write_decimal(char *at, int64_t number)
{
    char digits[20];
    char *first = digits + sizeof(digits);
    uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;

    do {
        *--first = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (number < 0)
        *at++ = '-';
    size_t count = (size_t)(digits + sizeof(digits) - first);
    memcpy(at, first, count);
    return at + count;
}

/* TOPIC-PARTITION-OFFSET, and -INDEX of a part. By hand, since most events have no id, and snprintf() takes as long as all
 * that is done to read one. */
static const char *default_id(struct event *event)
{
    size_t topic_size = strlen(event->view.topic);
    char *id = text_place(event, topic_size + sizeof("--2147483648--9223372036854775808-4294967295"));

    memcpy(id, event->view.topic, topic_size);
    char *at = id + topic_size;
    *at++ = '-';
    at = event_write_decimal(at, event->view.partition);
    *at++ = '-';
    at = event_write_decimal(at, event->view.offset);
    if (event->part > 0) {
        *at++ = '-';
        at = event_write_decimal(at, (int64_t)event->part - 1);
    }
    *at = 0;
    return id;
}

static bool begins_msgpack_map(const struct event *event)
{
    unsigned char first = *(const unsigned char *)event->view.raw;
    return (first >= 0x80 && first <= 0x8f) || first == 0xde || first == 0xdf;
}

static bool is_cloud_type(struct bytes content_type)
{
    static const char type[] = "application/cloudevents";
    return content_type.size >= sizeof(type) - 1 && strncasecmp(content_type.data, type, sizeof(type) - 1) == 0;
}

static enum event_format cloud_format_of(struct bytes content_type)
{
    if (content_type_is(content_type, "application/cloudevents+json"))
        return EVENT_CLOUD_STRUCTURED;
    return content_type_is(content_type, "application/cloudevents-batch+json") ? EVENT_CLOUD_BATCH : EVENT_CLOUD_FOREIGN;
}

static enum event_format format_of(const struct event *event, const struct event_marks *marks)
{
    const struct bytes type = marks->content_type;
    const bool is_empty = event->view.raw_len == 0;

    if (!is_empty && is_cloud_type(type))
        return cloud_format_of(type);
    if (marks->cloud_prefix != NULL)
        return EVENT_CLOUD_BINARY;
    if (is_empty)
        return EVENT_EMPTY;
    if (type.size > 0 && content_type_is_text(type))
        return EVENT_TEXT;
    if (begins_msgpack_map(event) || (type.size > 0 && content_type_is_msgpack(type)))
        return EVENT_MSGPACK;
    return EVENT_JSON;
}

static int read_as(struct event *event, const struct event_marks *marks, struct error *ret_error)
{
    const struct bytes value = event_value(event);

    switch (event->format) {
    case EVENT_CLOUD_STRUCTURED:
        return event_read_cloud_structured(event, event_skip_mark(value), ret_error);
    case EVENT_CLOUD_BATCH:
        return event_parts_create(event, event_skip_mark(value), &event->parts, ret_error);
    case EVENT_CLOUD_FOREIGN:
        return error_set(ret_error, EBADMSG, "of CloudEvents' own content types only those with +json are read");
    case EVENT_CLOUD_BINARY:
        return event_read_cloud_binary(event, marks, ret_error);
    case EVENT_TEXT:
        return event_read_whole(marks->content_type, value, &event->data_part, ret_error);
    case EVENT_MSGPACK:
        return event_read_envelope(event, PART_MSGPACK, value, ret_error);
    case EVENT_JSON:
        return event_read_envelope(event, PART_JSON, event_skip_mark(value), ret_error);
    case EVENT_EMPTY:
        break;
    }
    return 0;
}

/* A row is data as a whole, under its topic's name. */
static void make_row(struct event *event)
{
    static const msgpack_object nil = { .type = MSGPACK_OBJECT_NIL };

    assert(!event->has_row);
    event->has_row = true;
    event->row = event->view;
    event->row.id = default_id(event);
    event->row.name = event->view.topic;
    event->row.ts_ms = event->timestamp_ms;
    event->row.data = &event->row_data;
    event->row.user = &nil;
    event->row.is_raw = false;
}

/* Whether a value that is no event is data for all that. */
static bool is_readable(struct event *event, const struct event_marks *marks)
{
    const struct bytes json = { "application/json", sizeof("application/json") - 1 };
    const struct bytes msgpack = { "application/msgpack", sizeof("application/msgpack") - 1 };
    const struct bytes value = event_value(event);

    if (event_is_framed(event))
        return event_read_framed_whole(event, &event->row_part, NULL) == 0;
    switch (event->format) {
    case EVENT_CLOUD_BINARY:
        return event_read_whole(marks->content_type, value, &event->row_part, NULL) == 0;
    case EVENT_MSGPACK:
        return event_read_whole(msgpack, value, &event->row_part, NULL) == 0;
    default:
        return event_read_whole(json, value, &event->row_part, NULL) == 0;
    }
}

static void keep_reason(struct event *event, const struct event_marks *marks, bool is_data, const char *reason)
{
    char text[REASON_SIZE];
    char looks[REASON_SIZE / 2] = "";

    if (!is_data)
        event_looks_like(event, marks->content_type, looks, sizeof(looks));
    int size = snprintf(text, sizeof(text), "%s%s%s", looks, looks[0] != '\0' ? ": " : "", reason);
    assert(size >= 0 && (size_t)size < sizeof(text));
    event->failure = event_keep_text(event, (struct bytes){ text, (size_t)size });
}

static void become_malformed(struct event *event, const struct event_marks *marks, const struct error *error)
{
    assert(event->said_name == NULL && event->failure == NULL);
    event->said_name = event->view.name;
    event->view.name = event->view.topic;
    event->view.id = "";
    event->view.ts_ms = event->timestamp_ms;
    event->data_part.form = PART_NIL;
    event->user_part.form = PART_NIL;
    event->source = (struct bytes){ 0 };
    event->row_part.form = PART_NIL;
    event->view.is_raw = true;
    bool is_data = is_readable(event, marks);
    if (is_data)
        make_row(event);
    keep_reason(event, marks, is_data, error->text);
}

/* `error`: why it is none; NULL: it is read. */
static void become_named(struct event *event, const struct error *error, const struct event_marks *marks)
{
    if (error != NULL)
        become_malformed(event, marks, error);
    else if (event->row_part.form != PART_NIL)
        make_row(event);
    if (event->view.id[0] == 0)
        event->view.id = default_id(event);
    atomic_store_explicit(&event->state, error != NULL ? EVENT_MALFORMED : EVENT_NAMED, memory_order_release);
}

int event_find_name(struct event *event, struct error *ret_error)
{
    struct error error;
    enum event_state state = atomic_load_explicit(&event->state, memory_order_acquire);

    if (state == EVENT_MALFORMED)
        return error_set(ret_error, EBADMSG, "%s", event->failure);
    if (state != EVENT_NEW)
        return 0;
    const struct event_marks marks = event->header_count > 0 ? event_marks_of(event) : (struct event_marks){ .cloud_prefix = NULL };
    event->format = format_of(event, &marks);
    int result = event_is_framed(event) ? event_read_framed(event, &marks, &error) : read_as(event, &marks, &error);
    become_named(event, result < 0 ? &error : NULL, &marks);
    return result < 0 ? error_set(ret_error, EBADMSG, "%s", event->failure) : 0;
}

void event_find_name_in(struct event *event, struct member *members)
{
    struct error error;
    struct event_marks marks = { .cloud_prefix = NULL };

    assert(event->part > 0 && event->format == EVENT_EMPTY); /* a part, that nobody has read yet */
    event->format = EVENT_CLOUD_STRUCTURED;
    int result = event_read_cloud_members(event, members, &error);
    if (result < 0)
        marks = event_marks_of(event);
    become_named(event, result < 0 ? &error : NULL, &marks);
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
    LOCK_GUARD(&event->decoding);
    if (atomic_load_explicit(&event->state, memory_order_relaxed) != EVENT_DECODED) {
        build(event, &event->data_part, &event->data);
        build(event, &event->user_part, &event->user);
        atomic_store_explicit(&event->state, EVENT_DECODED, memory_order_release);
    }
    return 0;
}

const struct stepd_event *event_view(struct event *event)
{
    struct error error;

    (void)!event_decode(event, &error);
    return &event->view;
}

const struct stepd_event *event_row(struct event *event)
{
    struct error error;

    (void)!event_find_name(event, &error);
    if (!event->has_row)
        return event_view(event);
    if (atomic_load_explicit(&event->is_row_decoded, memory_order_acquire))
        return &event->row;
    lock_take(&event->decoding);
    if (!atomic_load_explicit(&event->is_row_decoded, memory_order_relaxed)) {
        build(event, &event->row_part, &event->row_data);
        atomic_store_explicit(&event->is_row_decoded, true, memory_order_release);
    }
    lock_give(&event->decoding);
    return &event->row;
}
