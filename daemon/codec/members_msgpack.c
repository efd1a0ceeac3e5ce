/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/members.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "codec/packed.h"

static bool begins_map(unsigned char type)
{
    return (type >= 0x80 && type <= 0x8f) || type == 0xde || type == 0xdf;
}

static bool begins_array(unsigned char type)
{
    return (type >= 0x90 && type <= 0x9f) || type == 0xdc || type == 0xdd;
}

static bool begins_text(unsigned char type)
{
    return (type >= 0xa0 && type <= 0xbf) || (type >= 0xd9 && type <= 0xdb);
}

static unsigned char first_of(struct bytes data)
{
    assert(data.size > 0);
    return *(const unsigned char *)data.data;
}

/* How many pairs a map has, and where they begin. False: cut short. */
static bool read_map_head(struct bytes data, size_t *ret_pairs, size_t *ret_at)
{
    const unsigned char *at = data.data;
    size_t size = at[0] == 0xde ? 3 : at[0] == 0xdf ? 5 : 1;
    size_t pairs = 0;

    if (data.size < size)
        return false;
    for (size_t i = 1; i < size; i++)
        pairs = pairs << 8 | at[i];
    *ret_pairs = size == 1 ? (size_t)(at[0] & 15) : pairs;
    *ret_at = size;
    return true;
}

/* `object` is measured. What needs no zone is whole. */
static msgpack_object shallow(struct bytes object)
{
    msgpack_object value = { .type = MSGPACK_OBJECT_NIL };

    if (begins_map(first_of(object)))
        value.type = MSGPACK_OBJECT_MAP;
    else if (begins_array(first_of(object)))
        value.type = MSGPACK_OBJECT_ARRAY;
    else
        packed_build(object, NULL, &value);
    return value;
}

static struct member *find(struct member *members, struct bytes key)
{
    if (!begins_text(first_of(key)))
        return NULL;
    msgpack_object text = shallow(key);
    for (struct member *member = members; member->key != NULL; member++)
        if (member->key_size == text.via.str.size && memcmp(member->key, text.via.str.ptr, member->key_size) == 0)
            return member;
    return NULL;
}

/* Takes one object off the front of `rest`. */
static int take_object(struct bytes *rest, int max_depth, struct bytes *ret_object, struct error *ret_error)
{
    size_t size;
    int result = packed_measure(*rest, max_depth, &size, ret_error);

    if (result < 0)
        return result;
    *ret_object = (struct bytes){ rest->data, size };
    *rest = (struct bytes){ (const char *)rest->data + size, rest->size - size };
    return 0;
}

static int take_pair(struct bytes *rest, struct member *members, size_t *others, struct error *ret_error)
{
    struct bytes key, value;
    int result = take_object(rest, DATA_MAX_DEPTH - 1, &key, ret_error);

    if (result == 0)
        result = take_object(rest, DATA_MAX_DEPTH - 1, &value, ret_error);
    if (result < 0)
        return result;
    struct member *member = find(members, key);
    if (member == NULL) {
        ++*others;
        return 0;
    }
    member->is_present = true;
    member->bytes = value;
    member->value = shallow(value);
    return 0;
}

static int expect_end(struct bytes rest, struct error *ret_error)
{
    if (rest.size != 0)
        return error_set(ret_error, EBADMSG, "not valid msgpack: %zu bytes after the end", rest.size);
    return 0;
}

int members_find_msgpack(struct bytes data, struct member *members, struct members_shape *ret_shape, struct error *ret_error)
{
    struct bytes rest = data;
    struct bytes object;
    size_t pairs, at;
    int result;

    *ret_shape = (struct members_shape){ .is_map = data.size > 0 && begins_map(first_of(data)) };
    if (!ret_shape->is_map) {
        result = take_object(&rest, DATA_MAX_DEPTH, &object, ret_error);
        return result < 0 ? result : expect_end(rest, ret_error);
    }
    if (!read_map_head(data, &pairs, &at))
        return error_set(ret_error, EBADMSG, "not valid msgpack: cut short");
    rest = (struct bytes){ (const char *)data.data + at, data.size - at };
    for (size_t i = 0; i < pairs; i++) {
        result = take_pair(&rest, members, &ret_shape->others, ret_error);
        if (result < 0)
            return result;
    }
    return expect_end(rest, ret_error);
}
