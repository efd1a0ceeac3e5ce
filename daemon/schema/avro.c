/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/avro.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "codec/calendar.h"
#include "codec/packed.h"
#include "codec/timestamp.h"
#include "codec/utf8.h"
#include "schema/framing.h"

#define VARINT_MAX 10
#define DECIMAL_MAX 512 /* bytes; more than a thousand digits are nobody's money */
#define DIGITS_MAX (DECIMAL_MAX * 3)
#define SCALED_MAX (DIGITS_MAX + 1024)

struct reader {
    const unsigned char *at;
    const unsigned char *end;
    msgpack_sbuffer *buffer;
    size_t output_max; /* of the buffer */
    msgpack_packer packer;
    int depth;
    struct error *error;
};

static int read_value(struct reader *reader, const struct avro_type *type);

static int fail(struct reader *reader, const char *why)
{
    (void)error_set(reader->error, EBADMSG, "Avro that its schema does not fit: %s", why);
    return -EBADMSG;
}

/* ---- bytes ---------------------------------------------------------------------------------------- */

static size_t bytes_left(const struct reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

/* Zigzag: the sign is the lowest bit. */
static int read_long(struct reader *reader, int64_t *ret_value)
{
    uint64_t value = 0;

    for (int i = 0; i < VARINT_MAX && reader->at < reader->end; i++) {
        unsigned char byte = *reader->at++;
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if ((byte & 0x80) != 0)
            continue;
        *ret_value = (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
        return 0;
    }
    return fail(reader, reader->at < reader->end ? "a number of more than 64 bits" : "it ends in a number");
}

static int read_bytes(struct reader *reader, size_t size, struct bytes *ret_bytes)
{
    if (size > bytes_left(reader))
        return fail(reader, "it ends too early");
    *ret_bytes = (struct bytes){ reader->at, size };
    reader->at += size;
    return 0;
}

/* With their length before them. */
static int read_sized(struct reader *reader, struct bytes *ret_bytes)
{
    int64_t size;
    int result = read_long(reader, &size);

    if (result < 0)
        return result;
    if (size < 0)
        return fail(reader, "a negative length");
    return (uint64_t)size > bytes_left(reader) ? fail(reader, "it ends too early") : read_bytes(reader, (size_t)size, ret_bytes);
}

/* ---- what comes out ------------------------------------------------------------------------------- */

static void put_text(struct reader *reader, struct bytes text)
{
    (void)msgpack_pack_str(&reader->packer, text.size);
    (void)msgpack_pack_str_body(&reader->packer, text.data, text.size);
}

static void put_string(struct reader *reader, const char *text)
{
    put_text(reader, (struct bytes){ text, strlen(text) });
}

static void put_bytes(struct reader *reader, struct bytes bytes)
{
    (void)msgpack_pack_bin(&reader->packer, bytes.size);
    (void)msgpack_pack_bin_body(&reader->packer, bytes.data, bytes.size);
}

static int put_double(struct reader *reader, double value)
{
    if (isfinite(value))
        (void)msgpack_pack_double(&reader->packer, value);
    else
        (void)msgpack_pack_nil(&reader->packer);
    return 0;
}

/* A map or an array whose count comes last: five bytes, whose four last put_count() fills. */
static size_t put_open(struct reader *reader, unsigned char mark)
{
    const unsigned char head[5] = { mark };

    (void)msgpack_sbuffer_write(reader->buffer, (const char *)head, sizeof(head));
    return reader->buffer->size - sizeof(uint32_t);
}

static void put_count(struct reader *reader, size_t place, uint32_t count)
{
    const uint32_t big = htobe32(count);

    assert(place + sizeof(big) <= reader->buffer->size); /* put_open() left the room */
    memcpy(reader->buffer->data + place, &big, sizeof(big));
}

/* ---- times ---------------------------------------------------------------------------------------- */

/* Downwards, for times before 1970. */
static void split(int64_t value, int64_t per_second, int64_t *ret_seconds, uint32_t *ret_nanoseconds)
{
    int64_t rest = value % per_second;

    assert(per_second > 0 && 1000000000 % per_second == 0);
    *ret_seconds = value / per_second - (rest < 0);
    *ret_nanoseconds = (uint32_t)((rest < 0 ? rest + per_second : rest) * (1000000000 / per_second));
}

/* "2026-11-28T12:00:00.123Z", of which some part is meant. A time that no calendar has stays a number. */
static int put_time(struct reader *reader, const struct avro_type *type, int64_t value)
{
    char text[TIMESTAMP_TEXT_SIZE];
    int64_t seconds;
    uint32_t nanoseconds;

    split(value, type->logical == AVRO_DATE ? 1 : type->per_second, &seconds, &nanoseconds);
    if (type->logical == AVRO_DATE)
        seconds = value * DAY_SECONDS;
    bool is_day = type->logical != AVRO_TIME || (seconds >= 0 && seconds < DAY_SECONDS);
    const char *zone = type->logical == AVRO_TIMESTAMP ? "Z" : "";
    if (!is_day || timestamp_text(seconds, nanoseconds, zone, text) < 0) {
        (void)msgpack_pack_int64(&reader->packer, value);
        return 0;
    }
    if (type->logical == AVRO_DATE)
        *strchr(text, 'T') = '\0';
    put_string(reader, type->logical == AVRO_TIME ? strchr(text, 'T') + 1 : text);
    return 0;
}

static int read_integer(struct reader *reader, const struct avro_type *type)
{
    int64_t value;
    int result = read_long(reader, &value);

    if (result < 0)
        return result;
    if (type->kind == AVRO_KIND_INT && (value < INT32_MIN || value > INT32_MAX))
        return fail(reader, "an int of more than 32 bits");
    if (type->logical != AVRO_PLAIN)
        return put_time(reader, type, value);
    (void)msgpack_pack_int64(&reader->packer, value);
    return 0;
}

/* ---- decimals ------------------------------------------------------------------------------------- */

/* In place; two's complement, big-endian. */
static void negate(unsigned char *bytes, size_t size)
{
    unsigned carry = 1;

    for (size_t i = size; i-- > 0;) {
        unsigned sum = (unsigned char)~bytes[i] + carry;
        bytes[i] = (unsigned char)sum;
        carry = sum >> 8;
    }
}

/* Divides by ten in place. */
static unsigned take_digit(unsigned char *bytes, size_t size)
{
    unsigned rest = 0;

    for (size_t i = 0; i < size; i++) {
        unsigned part = rest << 8 | bytes[i];
        bytes[i] = (unsigned char)(part / 10);
        rest = part % 10;
    }
    return rest;
}

/* Its digits, the lowest first, and at least one more than `scale`. */
static size_t write_digits(unsigned char *bytes, size_t size, size_t scale, char *digits)
{
    size_t count = 0, first = 0;

    while (first < size || count <= scale) {
        while (first < size && bytes[first] == 0)
            first++;
        if (first == size && count > scale)
            break;
        digits[count++] = (char)('0' + take_digit(bytes + first, size - first));
    }
    assert(count > scale && count <= SCALED_MAX);
    return count;
}

static int put_decimal(struct reader *reader, const struct avro_type *type, struct bytes value)
{
    unsigned char bytes[DECIMAL_MAX];
    char digits[SCALED_MAX], text[SCALED_MAX + 2];
    char *at = text;

    assert(type->logical == AVRO_DECIMAL);
    if (value.size > sizeof(bytes))
        return fail(reader, "a decimal of more than 512 bytes");
    memcpy(bytes, value.data, value.size);
    bool is_negative = value.size > 0 && (bytes[0] & 0x80) != 0;
    if (is_negative) {
        negate(bytes, value.size);
        *at++ = '-';
    }
    for (size_t i = write_digits(bytes, value.size, type->scale, digits); i-- > 0;) {
        *at++ = digits[i];
        if (i == type->scale && i > 0)
            *at++ = '.';
    }
    put_text(reader, (struct bytes){ text, (size_t)(at - text) });
    return 0;
}

static int put_uuid(struct reader *reader, struct bytes value)
{
    char text[GUID_TEXT_SIZE];

    assert(value.size == GUID_SIZE); /* else it is no logical type */
    guid_write(value.data, text);
    put_string(reader, text);
    return 0;
}

static int read_binary(struct reader *reader, const struct avro_type *type)
{
    struct bytes value;
    int result = type->kind == AVRO_KIND_FIXED ? read_bytes(reader, type->size, &value) : read_sized(reader, &value);

    if (result < 0)
        return result;
    if (type->logical == AVRO_DECIMAL)
        return put_decimal(reader, type, value);
    if (type->logical == AVRO_UUID)
        return put_uuid(reader, value);
    put_bytes(reader, value);
    return 0;
}

/* ---- the other kinds ------------------------------------------------------------------------------ */

static int read_boolean(struct reader *reader)
{
    struct bytes value;
    int result = read_bytes(reader, 1, &value);

    if (result < 0)
        return result;
    if (*(const unsigned char *)value.data != 0)
        (void)msgpack_pack_true(&reader->packer);
    else
        (void)msgpack_pack_false(&reader->packer);
    return 0;
}

static int read_float(struct reader *reader)
{
    struct bytes value;
    uint32_t bits;
    float number;
    int result = read_bytes(reader, sizeof(bits), &value);

    if (result < 0)
        return result;
    memcpy(&bits, value.data, sizeof(bits));
    bits = le32toh(bits);
    memcpy(&number, &bits, sizeof(number));
    return put_double(reader, (double)number);
}

static int read_double(struct reader *reader)
{
    struct bytes value;
    uint64_t bits;
    double number;
    int result = read_bytes(reader, sizeof(bits), &value);

    if (result < 0)
        return result;
    memcpy(&bits, value.data, sizeof(bits));
    bits = le64toh(bits);
    memcpy(&number, &bits, sizeof(number));
    return put_double(reader, number);
}

static int read_string(struct reader *reader)
{
    struct bytes text;
    int result = read_sized(reader, &text);

    if (result < 0)
        return result;
    if (!utf8_is_valid(text.data, text.size))
        return fail(reader, "a string that is not UTF-8");
    put_text(reader, text);
    return 0;
}

/* A number below `count`, of a symbol or a branch. */
static int read_index(struct reader *reader, uint32_t count, const char *why, uint32_t *ret_index)
{
    int64_t index;
    int result = read_long(reader, &index);

    if (result < 0)
        return result;
    if (index < 0 || index >= count)
        return fail(reader, why);
    *ret_index = (uint32_t)index;
    return 0;
}

static int read_enum(struct reader *reader, const struct avro_type *type)
{
    uint32_t index;
    int result = read_index(reader, type->count, "a symbol that the enum has not", &index);

    if (result == 0)
        put_text(reader, type->names[index]);
    return result;
}

static int read_union(struct reader *reader, const struct avro_type *type)
{
    uint32_t index;
    int result = read_index(reader, type->count, "a branch that the union has not", &index);

    return result < 0 ? result : read_value(reader, type->types[index]);
}

static int read_record(struct reader *reader, const struct avro_type *type)
{
    int result = 0;

    (void)msgpack_pack_map(&reader->packer, type->count);
    for (uint32_t i = 0; result == 0 && i < type->count; i++) {
        put_text(reader, type->names[i]);
        result = read_value(reader, type->types[i]);
    }
    return result;
}

/* How many items follow; 0: none more. A negative count has the block's size behind it. */
static int read_block(struct reader *reader, uint64_t *ret_count)
{
    int64_t count, size;
    int result = read_long(reader, &count);

    if (result == 0 && count < 0)
        result = read_long(reader, &size);
    if (result == 0)
        *ret_count = count < 0 ? 0 - (uint64_t)count : (uint64_t)count;
    return result;
}

static int read_item(struct reader *reader, const struct avro_type *type)
{
    int result = type->kind == AVRO_KIND_MAP ? read_string(reader) : 0;

    return result < 0 ? result : read_value(reader, type->types[0]);
}

/* Items of no bytes at all are bounded by what becomes of them. */
static int read_items(struct reader *reader, const struct avro_type *type)
{
    size_t place = put_open(reader, type->kind == AVRO_KIND_MAP ? 0xdf : 0xdd);
    uint32_t total = 0;
    uint64_t count;
    int result;

    while ((result = read_block(reader, &count)) == 0 && count > 0) {
        for (; result == 0 && count > 0; count--) {
            result = read_item(reader, type);
            total++;
        }
        if (result < 0)
            return result;
    }
    put_count(reader, place, total);
    return result;
}

static int read_kind(struct reader *reader, const struct avro_type *type)
{
    switch (type->kind) {
    case AVRO_KIND_NULL:
        (void)msgpack_pack_nil(&reader->packer);
        return 0;
    case AVRO_KIND_BOOLEAN:
        return read_boolean(reader);
    case AVRO_KIND_INT:
    case AVRO_KIND_LONG:
        return read_integer(reader, type);
    case AVRO_KIND_FLOAT:
        return read_float(reader);
    case AVRO_KIND_DOUBLE:
        return read_double(reader);
    case AVRO_KIND_BYTES:
    case AVRO_KIND_FIXED:
        return read_binary(reader, type);
    case AVRO_KIND_STRING:
        return read_string(reader);
    case AVRO_KIND_ENUM:
        return read_enum(reader, type);
    case AVRO_KIND_ARRAY:
    case AVRO_KIND_MAP:
        return read_items(reader, type);
    case AVRO_KIND_UNION:
        return read_union(reader, type);
    case AVRO_KIND_RECORD:
        return read_record(reader, type);
    }
    return fail(reader, "a type that is none");
}

/* A union is no level of what comes out; it counts all the same, since unions may not hold unions. */
static int read_value(struct reader *reader, const struct avro_type *type)
{
    if (reader->buffer->size > reader->output_max)
        return fail(reader, "more than 64 MiB would become of it");
    if (++reader->depth > 2 * DATA_MAX_DEPTH)
        return fail(reader, "it is nested too deep");
    int result = read_kind(reader, type);
    reader->depth--;
    return result;
}

int avro_to_msgpack(const struct avro_type *type, struct bytes data, msgpack_sbuffer *buffer, struct error *ret_error)
{
    static const unsigned char nothing[1];
    const unsigned char *at = data.size > 0 ? data.data : nothing;
    struct reader reader = {
        .at = at, .end = at + data.size, .buffer = buffer, .output_max = buffer->size + AVRO_OUTPUT_MAX, .error = ret_error
    };

    msgpack_packer_init(&reader.packer, buffer, msgpack_sbuffer_write);
    return read_value(&reader, type);
}
