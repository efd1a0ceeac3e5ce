/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/avro_type.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/array.h"
#include "codec/json.h"

#define DEPTH_MAX 64
#define FIXED_MAX (1 << 20)
#define SCALE_MAX 1000

/* A type that has a name. */
struct named {
    const char *name; /* in full */
    struct avro_type *type;
};

struct parser {
    msgpack_zone *zone;
    struct named *named; /* malloc'd */
    size_t count;
    size_t depth;
    struct error *error;
};

static int parse(struct parser *parser, const msgpack_object *from, const char *space, struct avro_type **ret_type);

/* ---- JSON ----------------------------------------------------------------------------------------- */

static const msgpack_object *find(const msgpack_object *map, const char *name)
{
    assert(map->type == MSGPACK_OBJECT_MAP);
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object_str *key = &map->via.map.ptr[i].key.via.str;
        if (key->size == strlen(name) && memcmp(key->ptr, name, key->size) == 0)
            return &map->via.map.ptr[i].val;
    }
    return NULL;
}

static const char *keep(struct parser *parser, struct bytes text)
{
    char *copy = zone_take(parser->zone, text.size + 1);

    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    return copy;
}

/* NULL: there is no such text. */
static const char *text_of(struct parser *parser, const msgpack_object *map, const char *name)
{
    const msgpack_object *value = find(map, name);

    if (value == NULL || value->type != MSGPACK_OBJECT_STR)
        return NULL;
    return keep(parser, (struct bytes){ value->via.str.ptr, value->via.str.size });
}

/* -1: there is no such number, or it is none that may be. */
static int64_t number_of(const msgpack_object *map, const char *name, int64_t most)
{
    const msgpack_object *value = find(map, name);

    return value != NULL && value->type == MSGPACK_OBJECT_POSITIVE_INTEGER && value->via.u64 <= (uint64_t)most ? (int64_t)value->via.u64
                                                                                                               : -1;
}

/* ---- names ---------------------------------------------------------------------------------------- */

static const char *join(struct parser *parser, const char *space, const char *name)
{
    size_t size = strlen(space) + 1 + strlen(name) + 1;
    char *text = zone_take(parser->zone, size);

    (void)snprintf(text, size, "%s.%s", space, name);
    return text;
}

/* A name without a dot is one of its namespace. */
static const char *full_name(struct parser *parser, const char *space, const char *name)
{
    return space[0] == '\0' || strchr(name, '.') != NULL ? name : join(parser, space, name);
}

static const char *space_of(struct parser *parser, const char *full)
{
    const char *dot = strrchr(full, '.');

    return dot == NULL ? "" : keep(parser, (struct bytes){ full, (size_t)(dot - full) });
}

static struct avro_type *named_find(const struct parser *parser, const char *full)
{
    for (size_t i = parser->count; i-- > 0;)
        if (strcmp(parser->named[i].name, full) == 0)
            return parser->named[i].type;
    return NULL;
}

static void named_add(struct parser *parser, const char *full, struct avro_type *type)
{
    parser->named = xrealloc(parser->named, (parser->count + 1) * sizeof(*parser->named));
    parser->named[parser->count++] = (struct named){ full, type };
}

/* Its aliases are names of it, too: a schema that was renamed may still be referred to. */
static void name_type(struct parser *parser, const msgpack_object *map, const char *full, struct avro_type *type)
{
    const msgpack_object *aliases = find(map, "aliases");
    const char *space = space_of(parser, full);

    for (uint32_t i = 0; aliases != NULL && aliases->type == MSGPACK_OBJECT_ARRAY && i < aliases->via.array.size; i++) {
        const msgpack_object *alias = &aliases->via.array.ptr[i];
        if (alias->type == MSGPACK_OBJECT_STR)
            named_add(parser, full_name(parser, space, keep(parser, (struct bytes){ alias->via.str.ptr, alias->via.str.size })), type);
    }
    named_add(parser, full, type);
}

/* ---- logical types -------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum avro_kind kind;
    enum avro_logical logical;
    int64_t per_second;
} logical_types[] = {
    { "date", AVRO_KIND_INT, AVRO_DATE, 0 },
    { "time-millis", AVRO_KIND_INT, AVRO_TIME, 1000 },
    { "time-micros", AVRO_KIND_LONG, AVRO_TIME, 1000000 },
    { "timestamp-millis", AVRO_KIND_LONG, AVRO_TIMESTAMP, 1000 },
    { "timestamp-micros", AVRO_KIND_LONG, AVRO_TIMESTAMP, 1000000 },
    { "timestamp-nanos", AVRO_KIND_LONG, AVRO_TIMESTAMP, 1000000000 },
    { "local-timestamp-millis", AVRO_KIND_LONG, AVRO_LOCAL_TIMESTAMP, 1000 },
    { "local-timestamp-micros", AVRO_KIND_LONG, AVRO_LOCAL_TIMESTAMP, 1000000 },
    { "local-timestamp-nanos", AVRO_KIND_LONG, AVRO_LOCAL_TIMESTAMP, 1000000000 },
    { "decimal", AVRO_KIND_BYTES, AVRO_DECIMAL, 0 },
    { "decimal", AVRO_KIND_FIXED, AVRO_DECIMAL, 0 },
    { "uuid", AVRO_KIND_FIXED, AVRO_UUID, 0 },
};

static void read_decimal(const msgpack_object *map, struct avro_type *type)
{
    int64_t precision = number_of(map, "precision", INT32_MAX);
    int64_t scale = find(map, "scale") == NULL ? 0 : number_of(map, "scale", SCALE_MAX);

    assert(type->kind == AVRO_KIND_BYTES || type->kind == AVRO_KIND_FIXED);
    if (precision < 1 || scale < 0 || scale > precision)
        type->logical = AVRO_PLAIN;
    else
        type->scale = (uint32_t)scale;
}

static void read_logical(struct parser *parser, const msgpack_object *map, struct avro_type *type)
{
    const char *name = text_of(parser, map, "logicalType");

    for (size_t i = 0; name != NULL && i < COUNT_OF(logical_types); i++) {
        if (strcmp(logical_types[i].name, name) != 0 || logical_types[i].kind != type->kind)
            continue;
        type->logical = logical_types[i].logical;
        type->per_second = logical_types[i].per_second;
    }
    if (type->logical == AVRO_DECIMAL)
        read_decimal(map, type);
    if (type->logical == AVRO_UUID && type->size != 16)
        type->logical = AVRO_PLAIN;
}

/* ---- types ---------------------------------------------------------------------------------------- */

static struct avro_type *type_new(struct parser *parser, enum avro_kind kind)
{
    struct avro_type *type = zone_take(parser->zone, sizeof(*type));

    *type = (struct avro_type){ .kind = kind };
    return type;
}

static bool primitive_of(const char *name, enum avro_kind *ret_kind)
{
    static const char *const names[] = { "null", "boolean", "int", "long", "float", "double", "bytes", "string" };

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(names[i], name) != 0)
            continue;
        *ret_kind = (enum avro_kind)i;
        return true;
    }
    return false;
}

static int parse_name(struct parser *parser, const char *name, const char *space, struct avro_type **ret_type)
{
    enum avro_kind kind;

    if (primitive_of(name, &kind)) {
        *ret_type = type_new(parser, kind);
        return 0;
    }
    *ret_type = named_find(parser, full_name(parser, space, name));
    if (*ret_type == NULL)
        *ret_type = named_find(parser, name);
    return *ret_type != NULL ? 0 : error_set(parser->error, EBADMSG, "its Avro has an unknown type %.80s", name);
}

static int parse_union(struct parser *parser, const msgpack_object *list, const char *space, struct avro_type **ret_type)
{
    struct avro_type *type = type_new(parser, AVRO_KIND_UNION);
    int result = 0;

    type->count = list->via.array.size;
    type->types = zone_take(parser->zone, (type->count + 1) * sizeof(*type->types));
    for (uint32_t i = 0; result == 0 && i < type->count; i++) {
        struct avro_type *branch = NULL;
        result = parse(parser, &list->via.array.ptr[i], space, &branch);
        type->types[i] = branch;
    }
    *ret_type = type;
    return result;
}

static int parse_items(struct parser *parser, const msgpack_object *map, const char *key, const char *space, struct avro_type *type)
{
    const msgpack_object *items = find(map, key);
    struct avro_type *item = NULL;

    if (items == NULL)
        return error_set(parser->error, EBADMSG, "its Avro has a type without '%s'", key);
    int result = parse(parser, items, space, &item);
    type->types = zone_take(parser->zone, sizeof(*type->types));
    type->types[0] = item;
    return result;
}

static int parse_symbols(struct parser *parser, const msgpack_object *map, struct avro_type *type)
{
    const msgpack_object *symbols = find(map, "symbols");

    if (symbols == NULL || symbols->type != MSGPACK_OBJECT_ARRAY)
        return error_set(parser->error, EBADMSG, "its Avro has an enum without 'symbols'");
    struct bytes *names = zone_take(parser->zone, (symbols->via.array.size + 1) * sizeof(*names));
    for (uint32_t i = 0; i < symbols->via.array.size; i++) {
        const msgpack_object *symbol = &symbols->via.array.ptr[i];
        if (symbol->type != MSGPACK_OBJECT_STR)
            return error_set(parser->error, EBADMSG, "its Avro has a symbol that is no text");
        names[i] = (struct bytes){ symbol->via.str.ptr, symbol->via.str.size };
    }
    type->names = names;
    type->count = symbols->via.array.size;
    return 0;
}

static int parse_field(struct parser *parser, const msgpack_object *field, const char *space, struct bytes *ret_name,
                       struct avro_type **ret_type)
{
    const msgpack_object *name = field->type == MSGPACK_OBJECT_MAP ? find(field, "name") : NULL;
    const msgpack_object *type = field->type == MSGPACK_OBJECT_MAP ? find(field, "type") : NULL;

    if (name == NULL || name->type != MSGPACK_OBJECT_STR || type == NULL)
        return error_set(parser->error, EBADMSG, "its Avro has a field without a name or a type");
    *ret_name = (struct bytes){ name->via.str.ptr, name->via.str.size };
    return parse(parser, type, space, ret_type);
}

static int parse_fields(struct parser *parser, const msgpack_object *map, const char *space, struct avro_type *type)
{
    const msgpack_object *fields = find(map, "fields");
    int result = 0;

    if (fields == NULL || fields->type != MSGPACK_OBJECT_ARRAY)
        return error_set(parser->error, EBADMSG, "its Avro has a record without 'fields'");
    type->count = fields->via.array.size;
    struct bytes *names = zone_take(parser->zone, (type->count + 1) * sizeof(*names));
    type->types = zone_take(parser->zone, (type->count + 1) * sizeof(*type->types));
    type->names = names;
    for (uint32_t i = 0; result == 0 && i < type->count; i++) {
        struct avro_type *field = NULL;
        result = parse_field(parser, &fields->via.array.ptr[i], space, &names[i], &field);
        type->types[i] = field;
    }
    return result;
}

/* A record, an enum or a fixed. */
static int parse_named(struct parser *parser, const msgpack_object *map, enum avro_kind kind, const char *space,
                       struct avro_type **ret_type)
{
    const char *name = text_of(parser, map, "name");
    const char *own_space = text_of(parser, map, "namespace");

    assert(kind == AVRO_KIND_RECORD || kind == AVRO_KIND_ENUM || kind == AVRO_KIND_FIXED);
    if (name == NULL)
        return error_set(parser->error, EBADMSG, "its Avro has a record, an enum or a fixed without a name");
    const char *full = full_name(parser, own_space != NULL ? own_space : space, name);
    struct avro_type *type = type_new(parser, kind);
    name_type(parser, map, full, type);
    *ret_type = type;
    if (kind == AVRO_KIND_RECORD)
        return parse_fields(parser, map, space_of(parser, full), type);
    if (kind == AVRO_KIND_ENUM)
        return parse_symbols(parser, map, type);
    int64_t size = number_of(map, "size", FIXED_MAX);
    if (size < 0)
        return error_set(parser->error, EBADMSG, "its Avro has a fixed whose size is none");
    type->size = (uint32_t)size;
    read_logical(parser, map, type);
    return 0;
}

static int parse_map(struct parser *parser, const msgpack_object *map, const char *space, struct avro_type **ret_type)
{
    const msgpack_object *inner = find(map, "type");
    const char *name = text_of(parser, map, "type");
    enum avro_kind kind;

    if (inner == NULL)
        return error_set(parser->error, EBADMSG, "its Avro has something without a type");
    if (name == NULL) /* a type that stands in another pair of braces */
        return parse(parser, inner, space, ret_type);
    if (strcmp(name, "record") == 0 || strcmp(name, "error") == 0)
        return parse_named(parser, map, AVRO_KIND_RECORD, space, ret_type);
    if (strcmp(name, "enum") == 0 || strcmp(name, "fixed") == 0)
        return parse_named(parser, map, name[0] == 'e' ? AVRO_KIND_ENUM : AVRO_KIND_FIXED, space, ret_type);
    if (strcmp(name, "array") == 0 || strcmp(name, "map") == 0) {
        *ret_type = type_new(parser, name[0] == 'a' ? AVRO_KIND_ARRAY : AVRO_KIND_MAP);
        return parse_items(parser, map, name[0] == 'a' ? "items" : "values", space, *ret_type);
    }
    if (!primitive_of(name, &kind))
        return parse_name(parser, name, space, ret_type);
    *ret_type = type_new(parser, kind);
    read_logical(parser, map, *ret_type);
    return 0;
}

static int parse(struct parser *parser, const msgpack_object *from, const char *space, struct avro_type **ret_type)
{
    int result = -EBADMSG;

    if (++parser->depth > DEPTH_MAX)
        return error_set(parser->error, EBADMSG, "its Avro is nested too deep");
    if (from->type == MSGPACK_OBJECT_STR)
        result = parse_name(parser, keep(parser, (struct bytes){ from->via.str.ptr, from->via.str.size }), space, ret_type);
    else if (from->type == MSGPACK_OBJECT_ARRAY)
        result = parse_union(parser, from, space, ret_type);
    else if (from->type == MSGPACK_OBJECT_MAP)
        result = parse_map(parser, from, space, ret_type);
    else
        (void)error_set(parser->error, EBADMSG, "its Avro has a type that is none");
    parser->depth--;
    return result;
}

static int parse_text(struct parser *parser, struct bytes text, struct avro_type **ret_type)
{
    msgpack_object object;

    /* Names point into the text, which is not the zone's. */
    text.data = keep(parser, text);
    int result = json_decode(text, parser->zone, &object, parser->error);
    return result < 0 ? result : parse(parser, &object, "", ret_type);
}

/* A record that holds itself, and not in a union, an array or a map, has no value that ends. */
int avro_type_parse(const struct bytes *texts, size_t count, msgpack_zone *zone, const struct avro_type **ret_type, struct error *ret_error)
{
    struct parser parser = { .zone = zone, .error = ret_error };
    struct avro_type *type = NULL;
    int result = count > 0 ? 0 : error_set(ret_error, EBADMSG, "it is empty");

    for (size_t i = 0; result == 0 && i < count; i++)
        result = parse_text(&parser, texts[i], &type);
    assert(result != 0 || (type != NULL && parser.depth == 0));
    free(parser.named);
    if (result == 0)
        *ret_type = type;
    return result;
}
