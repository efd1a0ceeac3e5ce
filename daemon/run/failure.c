/* SPDX-License-Identifier: Apache-2.0 */
#include "run/failure.h"

#include <string.h>

#include "codec/packed.h"
#include "codec/utf8.h"

static void skip(struct bytes *bytes, size_t size)
{
    bytes->data = (const char *)bytes->data + size;
    bytes->size -= size;
}

static uint64_t big_endian(const unsigned char *at, size_t size)
{
    uint64_t value = 0;

    for (size_t i = 0; i < size; i++)
        value = value << 8 | at[i];
    return value;
}

struct fields fields_open(struct bytes bytes)
{
    struct fields fields = { .left = bytes };
    const unsigned char *at = bytes.data;
    size_t size = 1;

    if (bytes.size >= 1 && (at[0] & 0xf0) == 0x90) {
        fields.count = at[0] & 0x0f;
    } else if (bytes.size >= 3 && at[0] == 0xdc) {
        size = 3;
        fields.count = big_endian(at + 1, 2);
    } else if (bytes.size >= 5 && at[0] == 0xdd) {
        size = 5;
        fields.count = big_endian(at + 1, 4);
    } else {
        fields.is_damaged = true;
        return fields;
    }
    skip(&fields.left, size);
    return fields;
}

struct bytes fields_take(struct fields *fields, int depth)
{
    size_t size = 0;

    if (fields->is_damaged || fields->count == 0 || packed_measure(fields->left, depth, &size, NULL) != 0) {
        fields->is_damaged = true;
        return (struct bytes){ 0 };
    }
    struct bytes field = { fields->left.data, size };
    skip(&fields->left, size);
    fields->count--;
    return field;
}

/* Nil when damaged. */
static msgpack_object take_scalar(struct fields *fields)
{
    msgpack_object object = { .type = MSGPACK_OBJECT_NIL };
    struct bytes field = fields_take(fields, 0);

    if (field.size > 0)
        packed_build(field, NULL, &object);
    return object;
}

int64_t fields_take_integer(struct fields *fields, int64_t min, int64_t max)
{
    msgpack_object object = take_scalar(fields);
    int64_t value = 0;

    if (object.type == MSGPACK_OBJECT_POSITIVE_INTEGER && object.via.u64 <= INT64_MAX)
        value = (int64_t)object.via.u64;
    else if (object.type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        value = object.via.i64;
    else
        fields->is_damaged = true;
    if (value < min || value > max)
        fields->is_damaged = true;
    return fields->is_damaged ? 0 : value;
}

struct bytes fields_take_text(struct fields *fields)
{
    msgpack_object object = take_scalar(fields);

    if (object.type == MSGPACK_OBJECT_STR)
        return (struct bytes){ object.via.str.ptr, object.via.str.size };
    if (object.type == MSGPACK_OBJECT_BIN)
        return (struct bytes){ object.via.bin.ptr, object.via.bin.size };
    if (object.type != MSGPACK_OBJECT_NIL)
        fields->is_damaged = true;
    return (struct bytes){ 0 };
}

void failure_pack_text(msgpack_packer *packer, const char *text)
{
    size_t size = strlen(text);

    if (utf8_is_valid(text, size))
        msgpack_pack_str_with_body(packer, text, size);
    else
        msgpack_pack_bin_with_body(packer, text, size);
}

void failure_blank_nuls(char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\0')
            text[i] = ' ';
    }
}

void failure_copy_text(char *to, size_t size, struct bytes text)
{
    size_t length = 0;

    if (text.data != NULL)
        length = strnlen(text.data, text.size);
    if (length >= size)
        for (length = size - 1; length > 0 && (((const unsigned char *)text.data)[length] & 0xc0) == 0x80; length--)
            continue;
    if (length > 0)
        memcpy(to, text.data, length);
    to[length] = '\0';
}
