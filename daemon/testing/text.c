/* SPDX-License-Identifier: Apache-2.0 */
#include "testing/text.h"

#include <stdlib.h>
#include <string.h>

#include <libfyaml.h>

#include "base/memory.h"
#include "codec/json.h"
#include "testing/test_internal.h"

static bool is_json(const char *text)
{
    struct error error;
    msgpack_sbuffer buffer;

    msgpack_sbuffer_init(&buffer);
    int status = json_to_msgpack((struct bytes){ text, strlen(text) }, &buffer, &error);
    msgpack_sbuffer_destroy(&buffer);
    return status == 0;
}

char *text_to_json(const char *text)
{
    static const struct fy_parse_cfg quiet = { .flags = FYPCF_QUIET | FYPCF_DEFAULT_PARSE };

    if (is_json(text))
        return xstrdup(text);
    struct fy_document *document = fy_document_build_from_string(&quiet, text, FY_NT);
    char *json =
        document != NULL ? fy_emit_document_to_string(document, FYECF_MODE_JSON_ONELINE | FYECF_WIDTH_INF | FYECF_NO_ENDING_NEWLINE) : NULL;
    fy_document_destroy(document);
    if (json == NULL || !is_json(json))
        test_die("neither JSON nor YAML: %s", text);
    return json;
}

/* ---- what is equal ------------------------------------------------------------------------------- */

static bool is_number(const msgpack_object *object)
{
    switch (object->type) {
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return true;
    default:
        return false;
    }
}

static double number_of(const msgpack_object *object)
{
    if (object->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        return (double)object->via.u64;
    return object->type == MSGPACK_OBJECT_NEGATIVE_INTEGER ? (double)object->via.i64 : object->via.f64;
}

static const msgpack_object *map_find(const msgpack_object_map *map, const msgpack_object *key)
{
    for (uint32_t i = 0; i < map->size; i++) {
        if (values_equal(&map->ptr[i].key, key))
            return &map->ptr[i].val;
    }
    return NULL;
}

static bool maps_equal(const msgpack_object_map *one, const msgpack_object_map *other)
{
    if (one->size != other->size)
        return false;
    for (uint32_t i = 0; i < one->size; i++) {
        const msgpack_object *value = map_find(other, &one->ptr[i].key);
        if (value == NULL || !values_equal(&one->ptr[i].val, value))
            return false;
    }
    return true;
}

static bool arrays_equal(const msgpack_object_array *one, const msgpack_object_array *other)
{
    if (one->size != other->size)
        return false;
    for (uint32_t i = 0; i < one->size; i++) {
        if (!values_equal(&one->ptr[i], &other->ptr[i]))
            return false;
    }
    return true;
}

bool values_equal(const msgpack_object *one, const msgpack_object *other)
{
    if (one->type == MSGPACK_OBJECT_MAP && other->type == MSGPACK_OBJECT_MAP)
        return maps_equal(&one->via.map, &other->via.map);
    if (one->type == MSGPACK_OBJECT_ARRAY && other->type == MSGPACK_OBJECT_ARRAY)
        return arrays_equal(&one->via.array, &other->via.array);
    if (one->type != other->type && is_number(one) && is_number(other))
        return number_of(one) == number_of(other);
    return msgpack_object_equal(*one, *other);
}
