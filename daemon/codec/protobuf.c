/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/protobuf.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "codec/utf8.h"

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

#define LENGTH_SIZE 4 /* of an open message: as a varint that says each of its bytes, needed or not */
#define LENGTH_MOST ((size_t)1 << 7 * LENGTH_SIZE)

static void put(msgpack_sbuffer *buffer, const void *data, size_t size)
{
    if (size > 0 && msgpack_sbuffer_write(buffer, data, size) != 0)
        abort();
}

static void put_varint(msgpack_sbuffer *buffer, uint64_t value)
{
    char bytes[10];
    size_t size = 0;

    for (; value >= 0x80; value >>= 7)
        bytes[size++] = (char)(value | 0x80);
    bytes[size++] = (char)value;
    put(buffer, bytes, size);
}

static void put_tag(msgpack_sbuffer *buffer, unsigned field, enum wire wire)
{
    put_varint(buffer, (uint64_t)field << 3 | wire);
}

/* The lowest byte first, whatever the processor thinks. */
static void put_fixed(msgpack_sbuffer *buffer, uint64_t value, size_t size)
{
    char bytes[8];

    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)(value >> 8 * i);
    put(buffer, bytes, size);
}

void protobuf_unsigned(msgpack_sbuffer *buffer, unsigned field, uint64_t value)
{
    put_tag(buffer, field, WIRE_VARINT);
    put_varint(buffer, value);
}

void protobuf_fixed64(msgpack_sbuffer *buffer, unsigned field, uint64_t value)
{
    put_tag(buffer, field, WIRE_64);
    put_fixed(buffer, value, 8);
}

void protobuf_fixed32(msgpack_sbuffer *buffer, unsigned field, uint32_t value)
{
    put_tag(buffer, field, WIRE_32);
    put_fixed(buffer, value, 4);
}

void protobuf_bytes(msgpack_sbuffer *buffer, unsigned field, struct bytes value)
{
    put_tag(buffer, field, WIRE_BYTES);
    put_varint(buffer, value.size);
    put(buffer, value.data, value.size);
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
    static const char room[LENGTH_SIZE];

    put_tag(buffer, field, WIRE_BYTES);
    put(buffer, room, sizeof(room));
    return buffer->size;
}

void protobuf_close(msgpack_sbuffer *buffer, size_t opened)
{
    size_t length = buffer->size - opened;

    assert(length < LENGTH_MOST);
    for (size_t i = 0; i < LENGTH_SIZE; i++, length >>= 7)
        buffer->data[opened - LENGTH_SIZE + i] = (char)((length & 0x7f) | (i + 1 < LENGTH_SIZE ? 0x80 : 0));
}
