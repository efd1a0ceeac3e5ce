/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/answer.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "codec/json.h"
#include "codec/packed.h"

#define WORDS_SIZE 160

static const msgpack_object *find(const msgpack_object *map, const char *name, msgpack_object_type type)
{
    for (uint32_t i = 0; map->type == MSGPACK_OBJECT_MAP && i < map->via.map.size; i++) {
        const msgpack_object_kv *pair = &map->via.map.ptr[i];
        if (pair->key.via.str.size == strlen(name) && memcmp(pair->key.via.str.ptr, name, strlen(name)) == 0)
            return pair->val.type == type ? &pair->val : NULL;
    }
    return NULL;
}

static const char *keep(msgpack_zone *zone, struct bytes text)
{
    char *copy = zone_take(zone, text.size + 1);

    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    return copy;
}

/* NULL: there is no such text. */
static const char *text_of(const msgpack_object *map, const char *name, msgpack_zone *zone)
{
    const msgpack_object *value = find(map, name, MSGPACK_OBJECT_STR);

    return value != NULL ? keep(zone, (struct bytes){ value->via.str.ptr, value->via.str.size }) : NULL;
}

static void read_references(const msgpack_object *body, struct answer *answer, msgpack_zone *zone)
{
    const msgpack_object *list = find(body, "references", MSGPACK_OBJECT_ARRAY);
    size_t count = list != NULL ? list->via.array.size : 0;

    answer->references = zone_take(zone, (count + 1) * sizeof(*answer->references));
    for (size_t i = 0; i < count; i++) {
        const msgpack_object *item = &list->via.array.ptr[i];
        const char *subject = text_of(item, "subject", zone);
        const msgpack_object *version = find(item, "version", MSGPACK_OBJECT_POSITIVE_INTEGER);
        if (subject != NULL && version != NULL)
            answer->references[answer->reference_count++] =
                (struct answer_reference){ text_of(item, "name", zone), subject, (int64_t)version->via.u64 };
    }
}

static struct answer read_schema(const msgpack_object *body, msgpack_zone *zone)
{
    const char *type = text_of(body, "schemaType", zone);
    const char *schema = text_of(body, "schema", zone);
    struct answer answer = { .verdict = ANSWER_SCHEMA, .type = type != NULL ? type : "AVRO" };

    if (schema == NULL)
        return (struct answer){ .verdict = ANSWER_AWAY, .words = "200, without a schema: is that a registry?" };
    answer.schema = (struct bytes){ schema, strlen(schema) };
    read_references(body, &answer, zone);
    return answer;
}

/* "404, Schema not found" */
static const char *words_of(long status, const msgpack_object *body, msgpack_zone *zone)
{
    const char *message = text_of(body, "message", zone);
    char *words = zone_take(zone, WORDS_SIZE);

    (void)snprintf(words, WORDS_SIZE, "%ld%s%s", status, message != NULL ? ", " : "", message != NULL ? message : "");
    return words;
}

static bool is_unknown(long status, const msgpack_object *body, bool has_codes)
{
    const msgpack_object *code = find(body, "error_code", MSGPACK_OBJECT_POSITIVE_INTEGER);

    return status == 404 && (!has_codes || (code != NULL && code->via.u64 / 100 == 404));
}

struct answer answer_read(long status, struct bytes body, bool has_codes, msgpack_zone *zone)
{
    msgpack_object object;
    const struct bytes copy = { keep(zone, body), body.size };

    if (json_decode(copy, zone, &object, NULL) != 0)
        object.type = MSGPACK_OBJECT_NIL;
    if (status == 200)
        return read_schema(&object, zone);
    struct answer answer = { .verdict = ANSWER_AWAY, .words = words_of(status, &object, zone) };
    if (status == 401 || status == 403)
        answer.verdict = ANSWER_REFUSED;
    else if (is_unknown(status, &object, has_codes))
        answer.verdict = ANSWER_UNKNOWN;
    return answer;
}
