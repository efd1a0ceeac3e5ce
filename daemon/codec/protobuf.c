/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/protobuf.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#include "base/memory.h"
#include "codec/utf8.h"

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

#define LENGTH_SIZE 4 /* of an open message: as a varint that says each of its bytes, needed or not */
#define LENGTH_MOST ((size_t)1 << 7 * LENGTH_SIZE)
#define FIELD_MOST 20 /* of two varints */

#define ROOM_FIRST 1024

static void grow(msgpack_sbuffer *buffer, size_t size)
{
    size_t room = buffer->alloc != 0 ? buffer->alloc : ROOM_FIRST;

    while (room - buffer->size < size)
        room *= 2;
    buffer->data = xrealloc(buffer->data, room);
    buffer->alloc = room;
}

char *protobuf_room(msgpack_sbuffer *buffer, size_t size)
{
    if (buffer->alloc - buffer->size < size)
        grow(buffer, size);
    return buffer->data + buffer->size;
}

void protobuf_wrote(msgpack_sbuffer *buffer, const char *end)
{
    assert(end >= buffer->data + buffer->size && end <= buffer->data + buffer->alloc);
    buffer->size = (size_t)(end - buffer->data);
}

static void put(msgpack_sbuffer *buffer, const void *data, size_t size)
{
    char *at = protobuf_room(buffer, size);

    if (size > 0)
        memcpy(at, data, size);
    buffer->size += size;
}

static char *write_tag(char *at, unsigned field, enum wire wire)
{
    return protobuf_write_varint(at, (uint64_t)field << 3 | wire);
}

/* The lowest byte first, whatever the processor thinks. */
static void put_fixed(msgpack_sbuffer *buffer, unsigned field, enum wire wire, uint64_t value)
{
    const size_t size = wire == WIRE_64 ? 8 : 4;
    uint64_t little_endian = htole64(value);
    char *at = write_tag(protobuf_room(buffer, FIELD_MOST), field, wire);

    memcpy(at, &little_endian, size);
    protobuf_wrote(buffer, at + size);
}

void protobuf_unsigned(msgpack_sbuffer *buffer, unsigned field, uint64_t value)
{
    protobuf_wrote(buffer, protobuf_write_varint(write_tag(protobuf_room(buffer, FIELD_MOST), field, WIRE_VARINT), value));
}

void protobuf_fixed64(msgpack_sbuffer *buffer, unsigned field, uint64_t value)
{
    put_fixed(buffer, field, WIRE_64, value);
}

void protobuf_fixed32(msgpack_sbuffer *buffer, unsigned field, uint32_t value)
{
    put_fixed(buffer, field, WIRE_32, value);
}

void protobuf_bytes(msgpack_sbuffer *buffer, unsigned field, struct bytes value)
{
    char *at = protobuf_write_head(protobuf_room(buffer, PROTOBUF_HEAD_MOST + value.size), field, value.size);

    if (value.size > 0)
        memcpy(at, value.data, value.size);
    protobuf_wrote(buffer, at + value.size);
}

void protobuf_raw(msgpack_sbuffer *buffer, struct bytes fields)
{
    put(buffer, fields.data, fields.size);
}

void protobuf_text(msgpack_sbuffer *buffer, unsigned field, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t left = strlen(text);

    if (utf8_is_valid(text, left)) {
        protobuf_bytes(buffer, field, (struct bytes){ text, left });
        return;
    }
    size_t opened = protobuf_open(buffer, field);
    while (left > 0) {
        size_t length = utf8_character(at, left);
        put(buffer, length > 0 ? (const char *)at : "\xef\xbf\xbd", length > 0 ? length : 3);
        at += length > 0 ? length : 1;
        left -= length > 0 ? length : 1;
    }
    protobuf_close(buffer, opened);
}

size_t protobuf_open(msgpack_sbuffer *buffer, unsigned field)
{
    char *at = write_tag(protobuf_room(buffer, FIELD_MOST), field, WIRE_BYTES);

    memset(at, 0, LENGTH_SIZE);
    protobuf_wrote(buffer, at + LENGTH_SIZE);
    return buffer->size;
}

void protobuf_close(msgpack_sbuffer *buffer, size_t opened)
{
    size_t length = buffer->size - opened;

    assert(length < LENGTH_MOST);
    for (size_t i = 0; i < LENGTH_SIZE; i++, length >>= 7)
        buffer->data[opened - LENGTH_SIZE + i] = (char)((length & 0x7f) | (i + 1 < LENGTH_SIZE ? 0x80 : 0));
}
