/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/number.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define LARGE_MARK UINT32_C(0x9d1b7c35)
#define ALWAYS_FITS 18    /* characters: any integer of so many is within 64 bits */
#define SHORTEST_LARGE 20 /* characters: of 2^64, and of -2^63 - 1 */

/* The size of an ext stands where a text has nothing. */
static_assert(offsetof(msgpack_object_ext, size) >= sizeof(((msgpack_object_str *)0)->size), "the mark has no place");
static_assert(offsetof(msgpack_object_ext, size) + sizeof(uint32_t) <= offsetof(msgpack_object_str, ptr), "the mark has no place");

enum range { NO_INTEGER, WITHIN_64_BITS, BEYOND_64_BITS };

static enum range range_of(const char *text, size_t size, uint64_t *ret_magnitude)
{
    bool is_negative = size > 0 && text[0] == '-';
    uint64_t limit = is_negative ? (uint64_t)INT64_MAX + 1 : UINT64_MAX;
    enum range range = size > is_negative ? WITHIN_64_BITS : NO_INTEGER;
    uint64_t magnitude = 0;

    for (size_t i = is_negative; i < size; i++) {
        unsigned digit = (unsigned char)text[i] - (unsigned)'0';
        if (digit > 9)
            return NO_INTEGER;
        if (i >= ALWAYS_FITS && (range == BEYOND_64_BITS || magnitude > (limit - digit) / 10))
            range = BEYOND_64_BITS;
        else
            magnitude = magnitude * 10 + digit;
    }
    *ret_magnitude = magnitude;
    return range;
}

static void set_integer(bool is_negative, uint64_t magnitude, msgpack_object *ret_number)
{
    ret_number->type = is_negative ? MSGPACK_OBJECT_NEGATIVE_INTEGER : MSGPACK_OBJECT_POSITIVE_INTEGER;
    if (is_negative)
        ret_number->via.i64 = (int64_t)(0 - magnitude);
    else
        ret_number->via.u64 = magnitude;
}

static void set_large(const char *digits, size_t size, msgpack_object *ret_number)
{
    assert(size >= SHORTEST_LARGE);
    ret_number->type = MSGPACK_OBJECT_STR;
    ret_number->via.str.ptr = digits;
    ret_number->via.str.size = (uint32_t)size;
    ret_number->via.ext.size = LARGE_MARK;
}

static bool read_double(const char *text, size_t size, msgpack_object *ret_number)
{
    char small[64];
    AUTO_FREE char *large = NULL;
    char *copy = small; /* strtod wants a NUL */

    if (size >= sizeof(small))
        copy = large = xmalloc(size + 1);
    memcpy(copy, text, size);
    copy[size] = 0;
    ret_number->type = MSGPACK_OBJECT_FLOAT64;
    ret_number->via.f64 = strtod(copy, NULL);
    return isfinite(ret_number->via.f64);
}

bool number_read(const char *text, size_t size, msgpack_object *ret_number)
{
    uint64_t magnitude = 0;

    switch (range_of(text, size, &magnitude)) {
    case WITHIN_64_BITS:
        set_integer(text[0] == '-', magnitude, ret_number);
        return true;
    case BEYOND_64_BITS:
        set_large(text, size, ret_number);
        return true;
    case NO_INTEGER:
        break;
    }
    return read_double(text, size, ret_number);
}

bool number_is_large(const msgpack_object *object)
{
    uint64_t magnitude;

    return object->type == MSGPACK_OBJECT_STR && object->via.str.size >= SHORTEST_LARGE &&
           range_of(object->via.str.ptr, object->via.str.size, &magnitude) == BEYOND_64_BITS && object->via.ext.size == LARGE_MARK;
}

bool number_is_minus_zero(const msgpack_object *object)
{
    return object->type == MSGPACK_OBJECT_NEGATIVE_INTEGER && object->via.i64 == 0;
}

static bool has_leading_zero(const char *text, size_t size)
{
    size_t first = size > 0 && text[0] == '-';

    return size > first + 1 && text[first] == '0';
}

bool number_unpack(struct bytes digits, msgpack_object *ret_number)
{
    const char *text = digits.data;
    uint64_t magnitude = 0;
    enum range range = range_of(text, digits.size, &magnitude);

    if (range == NO_INTEGER || has_leading_zero(text, digits.size))
        return false;
    if (range == BEYOND_64_BITS)
        set_large(text, digits.size, ret_number);
    else
        set_integer(text[0] == '-', magnitude, ret_number);
    return true;
}

static void pack_digits(msgpack_packer *packer, const char *digits, size_t size)
{
    msgpack_pack_ext(packer, size, NUMBER_EXT);
    msgpack_pack_ext_body(packer, digits, size);
}

static void pack_double(msgpack_packer *packer, const msgpack_object *object)
{
    if (isfinite(object->via.f64))
        msgpack_pack_object(packer, *object);
    else
        msgpack_pack_nil(packer);
}

static void pack_map(msgpack_packer *packer, const msgpack_object_map *map)
{
    msgpack_pack_map(packer, map->size);
    for (uint32_t i = 0; i < map->size; i++) {
        number_pack(packer, &map->ptr[i].key);
        number_pack(packer, &map->ptr[i].val);
    }
}

static void pack_array(msgpack_packer *packer, const msgpack_object_array *array)
{
    msgpack_pack_array(packer, array->size);
    for (uint32_t i = 0; i < array->size; i++)
        number_pack(packer, &array->ptr[i]);
}

/* Recursion is as deep as the data, which was measured when it was read. */
void number_pack(msgpack_packer *packer, const msgpack_object *object)
{
    switch (object->type) {
    case MSGPACK_OBJECT_MAP:
        pack_map(packer, &object->via.map);
        return;
    case MSGPACK_OBJECT_ARRAY:
        pack_array(packer, &object->via.array);
        return;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        pack_double(packer, object);
        return;
    default:
        break;
    }
    if (number_is_large(object))
        pack_digits(packer, object->via.str.ptr, object->via.str.size);
    else if (number_is_minus_zero(object))
        pack_digits(packer, "-0", 2);
    else
        msgpack_pack_object(packer, *object);
}
