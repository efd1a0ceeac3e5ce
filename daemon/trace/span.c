/* SPDX-License-Identifier: Apache-2.0 */
#include "trace/span.h"

#include <stdio.h>
#include <string.h>

#include "codec/protobuf.h"
#include "codec/utf8.h"

#define KEY_MOST 200   /* bytes of a message's key that are shown */
#define STATE_MOST 512 /* of a tracestate */

/* Numbers of fields, by message. */
enum { REQUEST_RESOURCE_SPANS = 1 };
enum { RESOURCE_SPANS_RESOURCE = 1, RESOURCE_SPANS_SCOPE_SPANS = 2, RESOURCE_SPANS_SCHEMA_URL = 3 };
enum { RESOURCE_ATTRIBUTES = 1 };
enum { SCOPE_SPANS_SCOPE = 1, SCOPE_SPANS_SPANS = 2, SCOPE_SPANS_SCHEMA_URL = 3 };
enum { SCOPE_NAME = 1, SCOPE_VERSION = 2 };
enum {
    SPAN_TRACE_ID = 1,
    SPAN_ID = 2,
    SPAN_TRACE_STATE = 3,
    SPAN_PARENT_ID = 4,
    SPAN_NAME = 5,
    SPAN_KIND = 6,
    SPAN_START = 7,
    SPAN_END = 8,
    SPAN_ATTRIBUTES = 9,
    SPAN_EVENTS = 11,
    SPAN_STATUS = 15,
    SPAN_FLAGS = 16,
};
enum { EVENT_TIME = 1, EVENT_NAME = 2, EVENT_ATTRIBUTES = 3 };
enum { STATUS_MESSAGE = 2, STATUS_CODE = 3 };
enum { STATUS_ERROR = 2 };
enum { ATTRIBUTE_KEY = 1, ATTRIBUTE_VALUE = 2 };
enum { VALUE_STRING = 1, VALUE_INT = 3 };
enum { FLAG_SAMPLED = 0x1, FLAG_KNOWS_REMOTE = 0x100, FLAG_IS_REMOTE = 0x200 };

/* ---- attributes ------------------------------------------------------------------------------------ */

/* A KeyValue begins, with an AnyValue of so many bytes, which the caller has room for and writes. */
static char *begin_attribute(msgpack_sbuffer *buffer, unsigned field, const char *key, size_t any)
{
    const size_t key_size = strlen(key);
    const size_t size = 1 + protobuf_varint_size(key_size) + key_size + 1 + protobuf_varint_size(any) + any;
    char *at = protobuf_write_head(protobuf_room(buffer, PROTOBUF_HEAD_MOST + size), field, size);

    at = protobuf_write_head(at, ATTRIBUTE_KEY, key_size);
    memcpy(at, key, key_size);
    return protobuf_write_head(at + key_size, ATTRIBUTE_VALUE, any);
}

/* What is no UTF-8 grows as it is mended. */
static void put_mended(msgpack_sbuffer *buffer, unsigned field, const char *key, const char *value)
{
    size_t attribute = protobuf_open(buffer, field);
    protobuf_text(buffer, ATTRIBUTE_KEY, key);
    size_t any = protobuf_open(buffer, ATTRIBUTE_VALUE);
    protobuf_text(buffer, VALUE_STRING, value);
    protobuf_close(buffer, any);
    protobuf_close(buffer, attribute);
}

/* `value` NULL: there is none. */
static void put_text(msgpack_sbuffer *buffer, unsigned field, const char *key, const char *value)
{
    if (value == NULL)
        return;
    const size_t size = strlen(value);
    if (!utf8_is_valid(value, size)) {
        put_mended(buffer, field, key, value);
        return;
    }
    char *at = begin_attribute(buffer, field, key, 1 + protobuf_varint_size(size) + size);
    at = protobuf_write_head(at, VALUE_STRING, size);
    memcpy(at, value, size);
    protobuf_wrote(buffer, at + size);
}

static void put_number(msgpack_sbuffer *buffer, unsigned field, const char *key, int64_t value)
{
    char *at = begin_attribute(buffer, field, key, 1 + protobuf_varint_size((uint64_t)value));

    *at++ = VALUE_INT << 3; /* a varint */
    protobuf_wrote(buffer, protobuf_write_varint(at, (uint64_t)value));
}

static void put_run(msgpack_sbuffer *buffer, const struct span *span)
{
    put_text(buffer, SPAN_ATTRIBUTES, "stepd.run_id", span->run->id.text);
    put_text(buffer, SPAN_ATTRIBUTES, "stepd.function", span->run->function->id);
    put_number(buffer, SPAN_ATTRIBUTES, "stepd.attempt", span->attempt);
    put_text(buffer, SPAN_ATTRIBUTES, "stepd.step", span->step);
    put_text(buffer, SPAN_ATTRIBUTES, "stepd.outcome", span->outcome);
}

/* A key that is a text is shown, as far as it is short. Values of headers are shown nowhere. */
static void put_key(msgpack_sbuffer *buffer, const struct stepd_event *event)
{
    char key[KEY_MOST + 1];

    if (event->key == NULL || event->key_len == 0 || event->key_len > KEY_MOST || !utf8_is_valid(event->key, event->key_len) ||
        memchr(event->key, '\0', event->key_len) != NULL)
        return;
    memcpy(key, event->key, event->key_len);
    key[event->key_len] = '\0';
    put_text(buffer, SPAN_ATTRIBUTES, "messaging.kafka.message.key", key);
}

/* They stand at the end of `room`. */
static const char *digits_of(int32_t number, char room[static 16])
{
    char *at = room + 15;
    uint32_t left = number < 0 ? 0 - (uint32_t)number : (uint32_t)number;

    *at = '\0';
    do {
        *--at = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (number < 0)
        *--at = '-';
    return at;
}

void span_write_common(msgpack_sbuffer *buffer, const char *group)
{
    put_text(buffer, SPAN_ATTRIBUTES, "messaging.system", "kafka");
    put_text(buffer, SPAN_ATTRIBUTES, "messaging.operation.name", "process");
    put_text(buffer, SPAN_ATTRIBUTES, "messaging.operation.type", "process");
    put_text(buffer, SPAN_ATTRIBUTES, "messaging.consumer.group.name", group);
}

static void put_message(msgpack_sbuffer *buffer, const struct span *span)
{
    const struct stepd_event *event = &span->run->event->view;
    char partition[16];

    protobuf_raw(buffer, span->common);
    put_text(buffer, SPAN_ATTRIBUTES, "messaging.destination.name", event->topic);
    put_text(buffer, SPAN_ATTRIBUTES, "messaging.destination.partition.id", digits_of(event->partition, partition));
    put_number(buffer, SPAN_ATTRIBUTES, "messaging.kafka.offset", event->offset);
    put_text(buffer, SPAN_ATTRIBUTES, "messaging.message.id", event->id);
    put_number(buffer, SPAN_ATTRIBUTES, "messaging.message.body.size", (int64_t)event->raw_len);
    put_key(buffer, event);
}

/* ---- what went wrong ------------------------------------------------------------------------------- */

static void put_failure(msgpack_sbuffer *buffer, const struct span *span)
{
    const struct failure *failure = span->failure;

    put_text(buffer, SPAN_ATTRIBUTES, "error.type", failure->name);
    size_t event = protobuf_open(buffer, SPAN_EVENTS);
    protobuf_fixed64(buffer, EVENT_TIME, (uint64_t)span->ended_ns);
    protobuf_text(buffer, EVENT_NAME, "exception");
    put_text(buffer, EVENT_ATTRIBUTES, "exception.type", failure->name);
    put_text(buffer, EVENT_ATTRIBUTES, "exception.message", failure->message);
    protobuf_close(buffer, event);
    size_t status = protobuf_open(buffer, SPAN_STATUS);
    protobuf_text(buffer, STATUS_MESSAGE, failure->message);
    protobuf_unsigned(buffer, STATUS_CODE, STATUS_ERROR);
    protobuf_close(buffer, status);
}

/* ---- the span -------------------------------------------------------------------------------------- */

static void put_id(msgpack_sbuffer *buffer, unsigned field, uint64_t id)
{
    uint8_t bytes[8];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(id >> 8 * (7 - i));
    protobuf_bytes(buffer, field, (struct bytes){ bytes, sizeof(bytes) });
}

static void put_name(msgpack_sbuffer *buffer, const struct span *span)
{
    char name[512];
    size_t verb = strlen(span->verb), of = span->of != NULL ? strlen(span->of) : 0;

    if (verb + 1 + of < sizeof(name)) {
        memcpy(name, span->verb, verb + 1);
        if (span->of != NULL) {
            name[verb] = ' ';
            memcpy(name + verb + 1, span->of, of + 1);
        }
    } else {
        (void)snprintf(name, sizeof(name), "%s %s", span->verb, span->of);
    }
    protobuf_text(buffer, SPAN_NAME, name);
}

static uint32_t flags_of(const struct span *span)
{
    return FLAG_SAMPLED | FLAG_KNOWS_REMOTE | (span->is_parent_remote ? FLAG_IS_REMOTE : 0);
}

void span_write(msgpack_sbuffer *buffer, const struct span *span)
{
    const char *state = span->run->event->tracestate;
    size_t opened = protobuf_open(buffer, SCOPE_SPANS_SPANS);

    protobuf_bytes(buffer, SPAN_TRACE_ID, (struct bytes){ span->place->id, sizeof(span->place->id) });
    put_id(buffer, SPAN_ID, span->id);
    if (state != NULL && strnlen(state, STATE_MOST + 1) <= STATE_MOST)
        protobuf_text(buffer, SPAN_TRACE_STATE, state);
    if (span->parent != 0)
        put_id(buffer, SPAN_PARENT_ID, span->parent);
    put_name(buffer, span);
    protobuf_unsigned(buffer, SPAN_KIND, span->kind);
    protobuf_fixed64(buffer, SPAN_START, (uint64_t)span->begun_ns);
    protobuf_fixed64(buffer, SPAN_END, (uint64_t)(span->ended_ns > span->begun_ns ? span->ended_ns : span->begun_ns));
    put_run(buffer, span);
    if (span->kind == SPAN_CONSUMER)
        put_message(buffer, span);
    if (span->failure != NULL)
        put_failure(buffer, span);
    protobuf_fixed32(buffer, SPAN_FLAGS, flags_of(span));
    protobuf_close(buffer, opened);
}

/* ---- a request ------------------------------------------------------------------------------------- */

struct span_request span_request_begin(msgpack_sbuffer *buffer, const struct span_sender *sender)
{
    struct span_request request = { .buffer = buffer, .resource_spans = protobuf_open(buffer, REQUEST_RESOURCE_SPANS) };
    size_t resource = protobuf_open(buffer, RESOURCE_SPANS_RESOURCE);

    put_text(buffer, RESOURCE_ATTRIBUTES, "service.name", "stepd");
    put_text(buffer, RESOURCE_ATTRIBUTES, "service.version", sender->version);
    put_text(buffer, RESOURCE_ATTRIBUTES, "service.instance.id", sender->instance);
    put_text(buffer, RESOURCE_ATTRIBUTES, "host.name", sender->host);
    protobuf_close(buffer, resource);
    request.scope_spans = protobuf_open(buffer, RESOURCE_SPANS_SCOPE_SPANS);
    size_t scope = protobuf_open(buffer, SCOPE_SPANS_SCOPE);
    protobuf_text(buffer, SCOPE_NAME, "stepd");
    protobuf_text(buffer, SCOPE_VERSION, sender->version);
    protobuf_close(buffer, scope);
    return request;
}

void span_request_add(const struct span_request *request, struct bytes spans)
{
    protobuf_raw(request->buffer, spans);
}

void span_request_end(const struct span_request *request)
{
    protobuf_text(request->buffer, SCOPE_SPANS_SCHEMA_URL, SPAN_SCHEMA_URL);
    protobuf_close(request->buffer, request->scope_spans);
    protobuf_text(request->buffer, RESOURCE_SPANS_SCHEMA_URL, SPAN_SCHEMA_URL);
    protobuf_close(request->buffer, request->resource_spans);
}
