/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The little of Kafka's wire format that the dev broker's front reads and writes: big-endian
 * integers, strings and bytes with a length in front, in the versions before "flexible" ones.
 * A reader never leaves its span; reading past the end sets `is_short` and gives zeros.
 */
#ifndef STEPD_DEV_WIRE_H
#define STEPD_DEV_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wire_span {
    const uint8_t *data; /* NULL: null on the wire */
    size_t size;
};

struct wire_reader {
    const uint8_t *at;
    const uint8_t *end;
    bool is_short; /* something was read past the end */
};

struct wire_reader wire_reader(const void *data, size_t size);
int8_t wire_read_i8(struct wire_reader *reader);
int16_t wire_read_i16(struct wire_reader *reader);
int32_t wire_read_i32(struct wire_reader *reader);
int64_t wire_read_i64(struct wire_reader *reader);
struct wire_span wire_read_string(struct wire_reader *reader); /* i16 length, -1 null */
struct wire_span wire_read_bytes(struct wire_reader *reader);  /* i32 length, -1 null */
bool wire_equals(struct wire_span span, const char *text);
/* A copy that ends with a NUL; the caller frees. */
char *wire_span_text(struct wire_span span);

/* Bytes that are added at the end and taken from the front. */
struct wire_buffer {
    uint8_t *memory;
    size_t from, to, capacity;
};

void wire_buffer_done(struct wire_buffer *buffer);
uint8_t *wire_buffer_data(const struct wire_buffer *buffer);
size_t wire_buffer_size(const struct wire_buffer *buffer);
uint8_t *wire_buffer_reserve(struct wire_buffer *buffer, size_t size);
void wire_buffer_add(struct wire_buffer *buffer, const void *data, size_t size);
void wire_buffer_take(struct wire_buffer *buffer, size_t size);

void wire_put_i8(struct wire_buffer *buffer, int8_t value);
void wire_put_i16(struct wire_buffer *buffer, int16_t value);
void wire_put_i32(struct wire_buffer *buffer, int32_t value);
void wire_put_i64(struct wire_buffer *buffer, int64_t value);
void wire_put_string(struct wire_buffer *buffer, const char *text); /* NULL: null */
void wire_put_string_span(struct wire_buffer *buffer, struct wire_span span);
void wire_put_bytes(struct wire_buffer *buffer, struct wire_span span);
/* No throttling, where a response of this version tells of it: from `since` on. */
void wire_put_throttle(struct wire_buffer *buffer, int16_t version, int16_t since);

/* Writes over four bytes at `at`, which are inside some buffer. */
void wire_patch_i32(uint8_t *at, int32_t value);

#endif
