/* SPDX-License-Identifier: Apache-2.0 */
/* The header's calls that read and write data: a value out of a msgpack object by its path, JSON. */
#include <stdlib.h>
#include <string.h>

#include <stepd/stepd.h>

#include "codec/json.h"
#include "codec/number.h"
#include "run/context.h"

#define TEXT_ROOM 1024 /* for a text of JSON, mostly; msgpack's own first room is eight times that, which malloc() does not keep at hand */

static const msgpack_object *member(const msgpack_object *object, const char *name, size_t size)
{
    if (object->type == MSGPACK_OBJECT_MAP) {
        for (uint32_t i = 0; i < object->via.map.size; i++) {
            const msgpack_object_kv *pair = &object->via.map.ptr[i];
            if (pair->key.type == MSGPACK_OBJECT_STR && pair->key.via.str.size == size && memcmp(pair->key.via.str.ptr, name, size) == 0)
                return &pair->val;
        }
        return NULL;
    }
    if (object->type != MSGPACK_OBJECT_ARRAY || size == 0 || size > 9)
        return NULL;
    size_t index = 0;
    for (size_t i = 0; i < size; i++) {
        if (name[i] < '0' || name[i] > '9')
            return NULL;
        index = index * 10 + (size_t)(name[i] - '0');
    }
    return index < object->via.array.size ? &object->via.array.ptr[index] : NULL;
}

const msgpack_object *stepd_get(struct stepd_ctx *ctx, const msgpack_object *object, const char *path)
{
    (void)ctx;
    while (object != NULL && *path != '\0') {
        size_t size = strcspn(path, ".");
        object = member(object, path, size);
        path += size + (path[size] == '.');
    }
    return object;
}

int64_t stepd_get_int(struct stepd_ctx *ctx, const msgpack_object *object, const char *path, int64_t otherwise)
{
    const msgpack_object *found = stepd_get(ctx, object, path);

    if (found == NULL)
        return otherwise;
    switch (found->type) {
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return found->via.u64 <= INT64_MAX ? (int64_t)found->via.u64 : otherwise;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return found->via.i64;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        /* 3.0, as some producers write 3; 2^63 is the first double that int64 cannot hold. */
        if (found->via.f64 >= -9223372036854775808.0 && found->via.f64 < 9223372036854775808.0 &&
            (double)(int64_t)found->via.f64 == found->via.f64)
            return (int64_t)found->via.f64;
        return otherwise;
    default:
        return otherwise;
    }
}

double stepd_get_double(struct stepd_ctx *ctx, const msgpack_object *object, const char *path, double otherwise)
{
    const msgpack_object *found = stepd_get(ctx, object, path);

    if (found == NULL)
        return otherwise;
    switch (found->type) {
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return (double)found->via.u64;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return (double)found->via.i64;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return found->via.f64;
    case MSGPACK_OBJECT_STR:
        return number_is_large(found) ? strtod(stepd_get_str(ctx, found, "", ""), NULL) : otherwise;
    default:
        return otherwise;
    }
}

bool stepd_get_bool(struct stepd_ctx *ctx, const msgpack_object *object, const char *path, bool otherwise)
{
    const msgpack_object *found = stepd_get(ctx, object, path);

    return found != NULL && found->type == MSGPACK_OBJECT_BOOLEAN ? found->via.boolean : otherwise;
}

const char *stepd_get_str(struct stepd_ctx *ctx, const msgpack_object *object, const char *path, const char *otherwise)
{
    const msgpack_object *found = stepd_get(ctx, object, path);

    if (found == NULL || found->type != MSGPACK_OBJECT_STR)
        return otherwise;
    return context_strdup(ctx, found->via.str.ptr, found->via.str.size);
}

const char *stepd_to_json(struct stepd_ctx *ctx, const msgpack_object *object)
{
    msgpack_sbuffer buffer = { .data = xmalloc(TEXT_ROOM), .alloc = TEXT_ROOM };

    json_write(&buffer, object);
    const char *text = context_strdup(ctx, buffer.data, buffer.size);
    msgpack_sbuffer_destroy(&buffer);
    return text;
}

const msgpack_object *stepd_from_json(struct stepd_ctx *ctx, const void *text, size_t size)
{
    struct error error;
    struct bytes copy = { context_strdup(ctx, text, size), size }; /* strings point into it */
    msgpack_object *object = context_alloc(ctx, sizeof(*object));

    return json_decode(copy, ctx->zone, object, &error) == 0 ? object : NULL;
}

void stepd_pack(struct stepd_ctx *ctx, msgpack_packer *packer, const msgpack_object *object)
{
    (void)ctx;
    number_pack(packer, object);
}
