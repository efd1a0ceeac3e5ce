/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/object.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/memory.h"
#include "codec/packed.h"

#define WHOLE_MAX 9007199254740992.0 /* from there on doubles skip whole numbers */

char *object_text(const msgpack_object *object)
{
    if (object == NULL || object->type != MSGPACK_OBJECT_STR || memchr(object->via.str.ptr, '\0', object->via.str.size) != NULL)
        return NULL;
    return xstrndup(object->via.str.ptr, object->via.str.size);
}

char *object_find_text(const msgpack_object *object, const char *key)
{
    return object_text(packed_find(object, key));
}

bool object_is_text(const msgpack_object *object, const char *text)
{
    return object != NULL && object->type == MSGPACK_OBJECT_STR && object->via.str.size == strlen(text) &&
           memcmp(object->via.str.ptr, text, object->via.str.size) == 0;
}

bool object_is_given(const msgpack_object *object)
{
    return object != NULL && object->type != MSGPACK_OBJECT_NIL;
}

bool object_is_nothing(const msgpack_object *object)
{
    if (!object_is_given(object))
        return true;
    switch (object->type) {
    case MSGPACK_OBJECT_BOOLEAN:
        return !object->via.boolean;
    case MSGPACK_OBJECT_STR:
        return object->via.str.size == 0;
    case MSGPACK_OBJECT_ARRAY:
        return object->via.array.size == 0;
    case MSGPACK_OBJECT_MAP:
        return object->via.map.size == 0;
    default:
        return false;
    }
}

int64_t object_int(const msgpack_object *object, int64_t otherwise)
{
    if (object == NULL)
        return otherwise;
    if (object->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        return object->via.i64;
    if (object->type == MSGPACK_OBJECT_FLOAT64 && fabs(object->via.f64) < WHOLE_MAX && trunc(object->via.f64) == object->via.f64)
        return (int64_t)object->via.f64;
    return object->type == MSGPACK_OBJECT_POSITIVE_INTEGER && object->via.u64 <= INT64_MAX ? (int64_t)object->via.u64 : otherwise;
}

void object_pack_text(msgpack_packer *packer, const char *text)
{
    msgpack_pack_str_with_body(packer, text, strlen(text));
}
