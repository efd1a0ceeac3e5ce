/* SPDX-License-Identifier: Apache-2.0 */
#include "common/payload.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/text.h"

#define MEMBERS_MAX 16

static const char *const NAMES[] = {
    [PAYLOAD_CLOUDEVENT] = "cloudevent",
    [PAYLOAD_EVENT] = "event",
    [PAYLOAD_DATA] = "data",
    [PAYLOAD_RAW] = "raw",
};

/* A map under construction; what its values point to is the event's. */
struct members {
    msgpack_object_kv pairs[MEMBERS_MAX];
    uint32_t count;
};

bool payload_form_parse(const char *name, enum payload_form *ret_form)
{
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        if (strcmp(NAMES[i], name) != 0)
            continue;
        *ret_form = (enum payload_form)i;
        return true;
    }
    return false;
}

/* ---- members ---------------------------------------------------------------------------------- */

static msgpack_object string_of(const void *text, size_t size)
{
    msgpack_object object = { .type = MSGPACK_OBJECT_STR };

    object.via.str.ptr = text;
    object.via.str.size = (uint32_t)size;
    return object;
}

static msgpack_object bytes_of(const void *bytes, size_t size)
{
    msgpack_object object = { .type = MSGPACK_OBJECT_BIN };

    object.via.bin.ptr = bytes;
    object.via.bin.size = (uint32_t)size;
    return object;
}

static void add(struct members *members, const char *name, msgpack_object value)
{
    assert(members->count < MEMBERS_MAX);
    members->pairs[members->count++] = (msgpack_object_kv){ .key = string_of(name, strlen(name)), .val = value };
}

static void add_text(struct members *members, const char *name, const char *text)
{
    add(members, name, string_of(text, strlen(text)));
}

static void add_integer(struct members *members, const char *name, int64_t value)
{
    msgpack_object object = { .type = value < 0 ? MSGPACK_OBJECT_NEGATIVE_INTEGER : MSGPACK_OBJECT_POSITIVE_INTEGER };

    object.via.i64 = value;
    add(members, name, object);
}

/* ---- the event's parts ------------------------------------------------------------------------ */

/* No tombstone, which has no value at all. */
static bool is_empty_value(const struct stepd_event *event)
{
    return event->raw != NULL && event->raw_len == 0 && event->data->type == MSGPACK_OBJECT_NIL && strcmp(event->name, event->topic) == 0;
}

/* A message that nobody could decode has no data but its bytes. */
static bool is_bytes(const struct stepd_event *event, msgpack_object *ret_bytes)
{
    if (event->data->type == MSGPACK_OBJECT_BIN) {
        *ret_bytes = *event->data;
        return true;
    }
    if (!event->is_raw && !is_empty_value(event))
        return false;
    *ret_bytes = bytes_of(event->raw, event->raw_len);
    return true;
}

/* JSON writes bytes as base64. */
static void add_data(struct members *members, const struct stepd_event *event)
{
    msgpack_object bytes;

    if (is_bytes(event, &bytes))
        add(members, "data_base64", bytes);
    else
        add(members, "data", *event->data);
}

/* As a schema registry's clients write keys: bytes, though they may happen to be UTF-8. */
static bool is_framed(const struct stepd_event *event)
{
    static const char start[] = { 0, 0, 0, 0 };

    return event->key_len > sizeof(start) && *(const char *)event->key == 0 &&
           memcmp((const char *)event->key + 1, start, sizeof(start)) != 0;
}

static void add_key(struct members *members, const struct stepd_event *event, const char *name, const char *base64_name)
{
    if (event->key == NULL)
        return;
    if (text_is_utf8(event->key, event->key_len) && !is_framed(event))
        add(members, name, string_of(event->key, event->key_len));
    else if (base64_name != NULL)
        add(members, base64_name, bytes_of(event->key, event->key_len));
}

/* Of headers with one name the last counts. */
static bool is_repeated(const struct stepd_event *event, size_t index)
{
    for (size_t i = index + 1; i < event->header_count; i++) {
        if (strcmp(event->headers[i].name, event->headers[index].name) == 0)
            return true;
    }
    return false;
}

/* The schema that the value was written by, where a registry read it: a number, or a GUID as text. */
static void add_schema_id(struct stepd_ctx *ctx, struct members *members)
{
    size_t size;
    const char *id = stepd_header(ctx, "stepd-schema-id", &size);
    int64_t number = 0;

    if (id == NULL || size == 0)
        return;
    bool is_number = size <= 18;
    for (size_t i = 0; i < size && is_number; i++) {
        is_number = id[i] >= '0' && id[i] <= '9';
        number = number * 10 + (id[i] - '0');
    }
    if (is_number)
        add_integer(members, "schema_id", number);
    else
        add(members, "schema_id", string_of(id, size));
}

static msgpack_object header_value(const struct stepd_header *header, msgpack_object_kv *base64)
{
    msgpack_object value = { .type = MSGPACK_OBJECT_NIL };

    if (header->value == NULL)
        return value;
    if (text_is_plain(header->value, header->size))
        return string_of(header->value, header->size);
    *base64 = (msgpack_object_kv){ .key = string_of("base64", strlen("base64")), .val = bytes_of(header->value, header->size) };
    value.type = MSGPACK_OBJECT_MAP;
    value.via.map.ptr = base64;
    value.via.map.size = 1;
    return value;
}

/* What holds the map lives until the caller frees `*ret_memory`. */
static msgpack_object headers_of(const struct stepd_event *event, void **ret_memory)
{
    msgpack_object map = { .type = MSGPACK_OBJECT_MAP };

    *ret_memory = NULL;
    if (event->header_count == 0)
        return map;
    msgpack_object_kv *pairs = calloc(2 * event->header_count, sizeof(*pairs));
    if (pairs == NULL)
        abort();
    for (size_t i = 0; i < event->header_count; i++) {
        const struct stepd_header *header = &event->headers[i];
        if (is_repeated(event, i))
            continue;
        pairs[map.via.map.size++] = (msgpack_object_kv){
            .key = string_of(header->name, strlen(header->name)),
            .val = header_value(header, &pairs[event->header_count + i]),
        };
    }
    map.via.map.ptr = pairs;
    *ret_memory = pairs;
    return map;
}

static bool time_write(int64_t unix_ms, char *text, size_t size)
{
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm parts;
    char date[32];

    if (unix_ms < 0 || gmtime_r(&seconds, &parts) == NULL || strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &parts) == 0)
        return false;
    (void)snprintf(text, size, "%s.%03dZ", date, (int)(unix_ms % 1000));
    return true;
}

/* ---- forms ------------------------------------------------------------------------------------ */

/* An event as a map, and what the map points to beside the event. */
struct told {
    struct members members;
    char source[300], time[64];
    void *headers;
};

static void tell_cloudevent(struct stepd_ctx *ctx, const struct stepd_event *event, struct told *told)
{
    struct members *members = &told->members;
    msgpack_object bytes;

    (void)ctx;
    (void)snprintf(told->source, sizeof(told->source), "/topics/%s", event->topic);
    add_text(members, "specversion", "1.0");
    add_text(members, "id", event->id);
    add_text(members, "source", told->source);
    add_text(members, "type", event->name);
    if (time_write(event->ts_ms, told->time, sizeof(told->time)))
        add_text(members, "time", told->time);
    if (event->traceparent != NULL)
        add_text(members, "traceparent", event->traceparent);
    add_key(members, event, "partitionkey", NULL);
    if (!is_bytes(event, &bytes))
        add_text(members, "datacontenttype", "application/json");
    add_data(members, event);
}

static void tell_event(struct stepd_ctx *ctx, const struct stepd_event *event, struct told *told)
{
    struct members *members = &told->members;

    add_text(members, "id", event->id);
    add_text(members, "name", event->name);
    add_data(members, event);
    if (event->user->type != MSGPACK_OBJECT_NIL)
        add(members, "user", *event->user);
    add_integer(members, "ts", event->ts_ms);
    add_text(members, "topic", event->topic);
    add_integer(members, "partition", event->partition);
    add_integer(members, "offset", event->offset);
    add_key(members, event, "key", "key_base64");
    if (event->traceparent != NULL)
        add_text(members, "traceparent", event->traceparent);
    if (event == stepd_event(ctx))
        add_schema_id(ctx, members);
    add(members, "headers", headers_of(event, &told->headers));
}

static msgpack_object map_of(struct told *told)
{
    msgpack_object map = { .type = MSGPACK_OBJECT_MAP };

    map.via.map.ptr = told->members.pairs;
    map.via.map.size = told->members.count;
    return map;
}

static const char *told_to_json(struct stepd_ctx *ctx, struct told *told)
{
    const msgpack_object map = map_of(told);
    const char *json = stepd_to_json(ctx, &map);

    free(told->headers);
    return json;
}

static const char *cloudevent(struct stepd_ctx *ctx, const struct stepd_event *event)
{
    struct told told = { .headers = NULL };

    tell_cloudevent(ctx, event, &told);
    return told_to_json(ctx, &told);
}

const char *payload_event(struct stepd_ctx *ctx, const struct stepd_event *event)
{
    struct told told = { .headers = NULL };

    tell_event(ctx, event, &told);
    return told_to_json(ctx, &told);
}

static struct payload json_payload(const char *json, const char *content_type)
{
    return (struct payload){ .bytes = json, .size = strlen(json), .content_type = content_type };
}

static struct payload bytes_payload(const void *bytes, size_t size)
{
    return (struct payload){ .bytes = size > 0 ? bytes : "", .size = size, .content_type = "application/octet-stream" };
}

/* ---- several events --------------------------------------------------------------------------- */

/* Bytes stand in a map of their own. */
static msgpack_object tell_one(struct stepd_ctx *ctx, const struct stepd_event *event, enum payload_form form, struct told *told)
{
    msgpack_object bytes;

    if (form == PAYLOAD_DATA && !is_bytes(event, &bytes))
        return *event->data;
    if (form == PAYLOAD_DATA)
        add_data(&told->members, event);
    else if (form == PAYLOAD_CLOUDEVENT)
        tell_cloudevent(ctx, event, told);
    else
        tell_event(ctx, event, told);
    return map_of(told);
}

const char *payload_events(struct stepd_ctx *ctx, enum payload_form form)
{
    size_t count = stepd_event_count(ctx);
    struct told *each = calloc(count, sizeof(*each));
    msgpack_object *objects = calloc(count, sizeof(*objects));
    msgpack_object array = { .type = MSGPACK_OBJECT_ARRAY };

    if (each == NULL || objects == NULL)
        abort();
    for (size_t i = 0; i < count; i++)
        objects[i] = tell_one(ctx, stepd_event_at(ctx, i), form, &each[i]);
    array.via.array.ptr = objects;
    array.via.array.size = (uint32_t)count;
    const char *json = stepd_to_json(ctx, &array);
    for (size_t i = 0; i < count; i++)
        free(each[i].headers);
    free(objects);
    free(each);
    return json;
}

struct payload payload_make(struct stepd_ctx *ctx, enum payload_form form)
{
    if (stepd_has_batch(ctx))
        return json_payload(payload_events(ctx, form),
                            form == PAYLOAD_CLOUDEVENT ? "application/cloudevents-batch+json" : "application/json");
    const struct stepd_event *event = stepd_event(ctx);
    msgpack_object bytes;

    switch (form) {
    case PAYLOAD_CLOUDEVENT:
        return json_payload(cloudevent(ctx, event), "application/cloudevents+json");
    case PAYLOAD_EVENT:
        return json_payload(payload_event(ctx, event), "application/json");
    case PAYLOAD_DATA:
        if (is_bytes(event, &bytes))
            return bytes_payload(bytes.via.bin.ptr, bytes.via.bin.size);
        return json_payload(stepd_to_json(ctx, event->data), "application/json");
    case PAYLOAD_RAW:
        break;
    }
    return bytes_payload(event->raw, event->raw_len);
}
