/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protocol Buffers, written: fields appended to a buffer in the order of the calls. A message within another is what
 * stands between protobuf_open() and protobuf_close().
 */
#ifndef STEPD_CODEC_PROTOBUF_H
#define STEPD_CODEC_PROTOBUF_H

#include <msgpack.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* `field` is the number that the message's definition gives it, below 2^28. */
void protobuf_unsigned(msgpack_sbuffer *buffer, unsigned field, uint64_t value); /* uint32, uint64, enum, bool; int64 as two's complement */
void protobuf_fixed64(msgpack_sbuffer *buffer, unsigned field, uint64_t value);
void protobuf_fixed32(msgpack_sbuffer *buffer, unsigned field, uint32_t value);
void protobuf_bytes(msgpack_sbuffer *buffer, unsigned field, struct bytes value); /* bytes; a string, where it is UTF-8 */
void protobuf_text(msgpack_sbuffer *buffer, unsigned field, const char *text);    /* a string; what is no UTF-8 in it becomes U+FFFD */
void protobuf_raw(msgpack_sbuffer *buffer, struct bytes fields);                  /* that are written already */
/* What it answers is for protobuf_close(); up to 256 MiB may follow. */
size_t protobuf_open(msgpack_sbuffer *buffer, unsigned field);
void protobuf_close(msgpack_sbuffer *buffer, size_t opened);

/* ---- for those who know all sizes beforehand, and write several fields in one go -------------------- */

/* The end of the buffer, with room for so many bytes more. Those up to `end` are part of it from protobuf_wrote() on. */
char *protobuf_room(msgpack_sbuffer *buffer, size_t size);
void protobuf_wrote(msgpack_sbuffer *buffer, const char *end);

static inline size_t protobuf_varint_size(uint64_t value)
{
    return (size_t)(63 - __builtin_clzll(value | 1)) / 7 + 1;
}

static inline char *protobuf_write_varint(char *at, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *at++ = (char)(value | 0x80);
    *at++ = (char)value;
    return at;
}

/* The beginning of a field of bytes, or of a message of so many. */
#define PROTOBUF_HEAD_MOST 15
static inline char *protobuf_write_head(char *at, unsigned field, size_t length)
{
    return protobuf_write_varint(protobuf_write_varint(at, (uint64_t)field << 3 | 2), length);
}

#endif
