/* SPDX-License-Identifier: Apache-2.0 */
#include "dev/wire.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

struct wire_reader wire_reader(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    return (struct wire_reader){ .at = bytes, .end = bytes + size };
}

static struct wire_span read_span(struct wire_reader *reader, int32_t size)
{
    struct wire_span span = { 0 };

    if (size < 0)
        return span;
    if (reader->is_short || (size_t)size > (size_t)(reader->end - reader->at)) {
        reader->is_short = true;
        return span;
    }
    span = (struct wire_span){ .data = reader->at, .size = (size_t)size };
    reader->at += size;
    return span;
}

int8_t wire_read_i8(struct wire_reader *reader)
{
    struct wire_span span = read_span(reader, 1);

    return span.data != NULL ? (int8_t)span.data[0] : 0;
}

int16_t wire_read_i16(struct wire_reader *reader)
{
    struct wire_span span = read_span(reader, 2);
    uint16_t value = 0;

    if (span.data != NULL)
        memcpy(&value, span.data, sizeof(value));
    return (int16_t)be16toh(value);
}

int32_t wire_read_i32(struct wire_reader *reader)
{
    struct wire_span span = read_span(reader, 4);
    uint32_t value = 0;

    if (span.data != NULL)
        memcpy(&value, span.data, sizeof(value));
    return (int32_t)be32toh(value);
}

int64_t wire_read_i64(struct wire_reader *reader)
{
    struct wire_span span = read_span(reader, 8);
    uint64_t value = 0;

    if (span.data != NULL)
        memcpy(&value, span.data, sizeof(value));
    return (int64_t)be64toh(value);
}

struct wire_span wire_read_string(struct wire_reader *reader)
{
    return read_span(reader, wire_read_i16(reader));
}

struct wire_span wire_read_bytes(struct wire_reader *reader)
{
    return read_span(reader, wire_read_i32(reader));
}

bool wire_equals(struct wire_span span, const char *text)
{
    return text != NULL && span.data != NULL && span.size == strlen(text) && memcmp(span.data, text, span.size) == 0;
}

char *wire_span_text(struct wire_span span)
{
    char *text = xcalloc(span.size + 1, 1);

    if (span.size > 0)
        memcpy(text, span.data, span.size);
    return text;
}

void wire_buffer_done(struct wire_buffer *buffer)
{
    free(buffer->memory);
    *buffer = (struct wire_buffer){ 0 };
}

uint8_t *wire_buffer_data(const struct wire_buffer *buffer)
{
    return buffer->memory + buffer->from;
}

size_t wire_buffer_size(const struct wire_buffer *buffer)
{
    return buffer->to - buffer->from;
}

uint8_t *wire_buffer_reserve(struct wire_buffer *buffer, size_t size)
{
    if (buffer->capacity - buffer->to < size && buffer->from > 0) {
        memmove(buffer->memory, buffer->memory + buffer->from, buffer->to - buffer->from);
        buffer->to -= buffer->from;
        buffer->from = 0;
    }
    if (buffer->capacity - buffer->to < size) {
        size_t wanted = buffer->to + size;
        size_t doubled = buffer->capacity * 2;
        buffer->capacity = wanted > doubled ? wanted : doubled;
        buffer->memory = xrealloc(buffer->memory, buffer->capacity);
    }
    return buffer->memory + buffer->to;
}

void wire_buffer_add(struct wire_buffer *buffer, const void *data, size_t size)
{
    if (size == 0)
        return;
    memcpy(wire_buffer_reserve(buffer, size), data, size);
    buffer->to += size;
}

void wire_buffer_take(struct wire_buffer *buffer, size_t size)
{
    assert(size <= wire_buffer_size(buffer));
    buffer->from += size;
    if (buffer->from == buffer->to)
        buffer->from = buffer->to = 0;
}

void wire_put_i8(struct wire_buffer *buffer, int8_t value)
{
    wire_buffer_add(buffer, &value, sizeof(value));
}

void wire_put_i16(struct wire_buffer *buffer, int16_t value)
{
    uint16_t wire = htobe16((uint16_t)value);
    wire_buffer_add(buffer, &wire, sizeof(wire));
}

void wire_put_i32(struct wire_buffer *buffer, int32_t value)
{
    uint32_t wire = htobe32((uint32_t)value);
    wire_buffer_add(buffer, &wire, sizeof(wire));
}

void wire_put_i64(struct wire_buffer *buffer, int64_t value)
{
    uint64_t wire = htobe64((uint64_t)value);
    wire_buffer_add(buffer, &wire, sizeof(wire));
}

void wire_put_string(struct wire_buffer *buffer, const char *text)
{
    wire_put_string_span(buffer, (struct wire_span){ .data = (const uint8_t *)text, .size = text != NULL ? strlen(text) : 0 });
}

void wire_put_string_span(struct wire_buffer *buffer, struct wire_span span)
{
    assert(span.size <= INT16_MAX);
    wire_put_i16(buffer, span.data != NULL ? (int16_t)span.size : -1);
    wire_buffer_add(buffer, span.data, span.size);
}

void wire_put_bytes(struct wire_buffer *buffer, struct wire_span span)
{
    assert(span.size <= INT32_MAX);
    wire_put_i32(buffer, span.data != NULL ? (int32_t)span.size : -1);
    wire_buffer_add(buffer, span.data, span.size);
}

void wire_put_throttle(struct wire_buffer *buffer, int16_t version, int16_t since)
{
    if (version >= since)
        wire_put_i32(buffer, 0);
}

void wire_patch_i32(uint8_t *at, int32_t value)
{
    uint32_t wire = htobe32((uint32_t)value);
    memcpy(at, &wire, sizeof(wire));
}
