/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/json.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/base64.h"
#include "codec/json_mend.h"
#include "codec/number.h"
#include "codec/timestamp.h"
#include "codec/utf8.h"
#include "codec/yajl_run.h"

#define INLINE_OBJECTS 32
#define WRITE_MAX_DEPTH (2 * DATA_MAX_DEPTH) /* what modules pack is bounded elsewhere; the stack, here */

/* Values wait on a stack until their container closes, and are then moved into the zone. */
struct builder {
    struct json_depth depth;
    struct bytes text;
    const char *original; /* `text` before it was mended */
    msgpack_zone *zone;
    msgpack_object *objects;
    size_t count;
    size_t capacity;
    size_t starts[DATA_MAX_DEPTH]; /* where each open container's values begin */
    msgpack_object first_objects[INLINE_OBJECTS];
};

/* Not inline, so that push() is. */
__attribute__((noinline)) static void builder_grow(struct builder *builder)
{
    msgpack_object *old = builder->objects == builder->first_objects ? NULL : builder->objects;

    builder->capacity *= 2;
    builder->objects = xrealloc(old, builder->capacity * sizeof(*builder->objects));
    if (old == NULL)
        memcpy(builder->objects, builder->first_objects, sizeof(builder->first_objects));
}

static inline msgpack_object *push(struct builder *builder)
{
    if (builder->count == builder->capacity)
        builder_grow(builder);
    return &builder->objects[builder->count++];
}

static int on_null(void *context)
{
    push(context)->type = MSGPACK_OBJECT_NIL;
    return 1;
}

static int on_boolean(void *context, int value)
{
    msgpack_object *object = push(context);

    object->type = MSGPACK_OBJECT_BOOLEAN;
    object->via.boolean = value != 0;
    return 1;
}

/* yajl hands out a piece of the text itself, but for strings with escapes. */
static const char *keep(struct builder *builder, const char *text, size_t size)
{
    if ((uintptr_t)text - (uintptr_t)builder->text.data <= builder->text.size)
        return text;
    char *copy = zone_take(builder->zone, size + 1);
    memcpy(copy, text, size);
    return copy;
}

static int on_number(void *context, const char *text, size_t size)
{
    struct builder *builder = context;

    if (json_is_no_number(builder->text, builder->original, text))
        return on_null(builder);
    builder->depth.is_out_of_range = !number_read(keep(builder, text, size), size, push(builder));
    return !builder->depth.is_out_of_range;
}

static int on_string(void *context, const unsigned char *text, size_t size)
{
    struct builder *builder = context;
    msgpack_object *object = push(builder);
    const char *kept = keep(builder, (const char *)text, size);

    object->type = MSGPACK_OBJECT_STR;
    object->via.ext.size = 0; /* unmarked: see number.h */
    object->via.str.ptr = kept;
    object->via.str.size = (uint32_t)size;
    return 1;
}

static int on_open(void *context)
{
    struct builder *builder = context;

    if (!json_open(&builder->depth))
        return 0;
    builder->starts[builder->depth.depth - 1] = builder->count;
    return 1;
}

/* Takes the container's values off the stack; returns how many. */
static size_t close_container(struct builder *builder, const msgpack_object **ret_values)
{
    size_t start = builder->starts[--builder->depth.depth];
    size_t count = builder->count - start;

    assert(start <= builder->count);
    *ret_values = &builder->objects[start];
    builder->count = start;
    return count;
}

static int on_array_end(void *context)
{
    struct builder *builder = context;
    const msgpack_object *values;
    size_t count = close_container(builder, &values);
    msgpack_object array = { .type = MSGPACK_OBJECT_ARRAY };

    array.via.array.size = (uint32_t)count;
    array.via.array.ptr = zone_take(builder->zone, count * sizeof(msgpack_object));
    memcpy(array.via.array.ptr, values, count * sizeof(msgpack_object));
    *push(builder) = array;
    return 1;
}

static int on_map_end(void *context)
{
    struct builder *builder = context;
    const msgpack_object *values;
    size_t count = close_container(builder, &values) / 2;
    msgpack_object map = { .type = MSGPACK_OBJECT_MAP };

    map.via.map.size = (uint32_t)count;
    map.via.map.ptr = zone_take(builder->zone, count * sizeof(msgpack_object_kv));
    for (size_t i = 0; i < count; i++)
        map.via.map.ptr[i] = (msgpack_object_kv){ .key = values[2 * i], .val = values[2 * i + 1] };
    map_drop_duplicates(&map.via.map);
    *push(builder) = map;
    return 1;
}

/* `original` is what `text` was before it was mended. */
static int decode(struct bytes text, const char *original, msgpack_zone *zone, msgpack_object *ret_object, struct error *ret_error)
{
    static const yajl_callbacks callbacks = {
        .yajl_null = on_null,
        .yajl_boolean = on_boolean,
        .yajl_number = on_number,
        .yajl_string = on_string,
        .yajl_map_key = on_string,
        .yajl_start_map = on_open,
        .yajl_end_map = on_map_end,
        .yajl_start_array = on_open,
        .yajl_end_array = on_array_end,
    };
    struct builder builder;

    builder.depth = (struct json_depth){ 0 };
    builder.text = text;
    builder.original = original;
    builder.zone = zone;
    builder.objects = builder.first_objects;
    builder.count = 0;
    builder.capacity = INLINE_OBJECTS;
    int result = yajl_run(text, &callbacks, &builder, &builder.depth, NULL, ret_error);
    assert(result != 0 || builder.count == 1); /* every container is closed */
    if (result == 0)
        *ret_object = builder.objects[0];
    if (builder.objects != builder.first_objects)
        free(builder.objects);
    return result;
}

/* Lone surrogates have to be mended before: yajl lets them pass. Words that are no JSON it refuses. */
int json_decode(struct bytes text, msgpack_zone *zone, msgpack_object *ret_object, struct error *ret_error)
{
    if (!json_has_surrogates(text)) {
        int result = decode(text, text.data, zone, ret_object, ret_error);
        if (result == 0 || text.size == 0)
            return result;
    }
    char *mended = zone_take(zone, text.size + 1);
    bool has_changed = json_mend(text, mended);
    return decode(has_changed ? (struct bytes){ mended, text.size } : text, text.data, zone, ret_object, ret_error);
}

int json_to_msgpack(struct bytes text, msgpack_sbuffer *buffer, struct error *ret_error)
{
    msgpack_zone zone;
    msgpack_object object;
    msgpack_packer packer;

    if (!msgpack_zone_init(&zone, 1024))
        abort();
    int result = json_decode(text, &zone, &object, ret_error);
    if (result == 0) {
        msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
        number_pack(&packer, &object);
    }
    msgpack_zone_destroy(&zone);
    return result;
}

static void put(msgpack_sbuffer *buffer, const char *text, size_t size)
{
    if (msgpack_sbuffer_write(buffer, text, size) != 0)
        abort();
}

static void put_text(msgpack_sbuffer *buffer, const char *text)
{
    put(buffer, text, strlen(text));
}

static void put_escaped(msgpack_sbuffer *buffer, unsigned char c)
{
    static const char letters[] = { ['"'] = '"', ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't' };
    char escape[8];

    if (c < sizeof(letters) && letters[c] != 0)
        (void)snprintf(escape, sizeof(escape), "\\%c", letters[c]);
    else
        (void)snprintf(escape, sizeof(escape), "\\u%04x", c);
    put_text(buffer, escape);
}

#define EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))

/* Whether the first eight bytes stand in JSON as they are: no control character, '"', '\\', DEL, and all ASCII. What is below zero
 * takes from the byte above, which is of no matter then. */
static bool begins_plain(const unsigned char *text, size_t size)
{
    uint64_t eight;

    if (size < sizeof(eight))
        return false;
    memcpy(&eight, text, sizeof(eight));
    const uint64_t quote = eight ^ EACH_BYTE('"'), backslash = eight ^ EACH_BYTE('\\'), del = eight ^ EACH_BYTE(0x7f);
    const uint64_t below = (eight - EACH_BYTE(0x20)) | (quote - EACH_BYTE(1)) | (backslash - EACH_BYTE(1)) | (del - EACH_BYTE(1));
    return ((below | eight) & EACH_BYTE(0x80)) == 0;
}

/* How many bytes from here on stand in JSON as they are. */
static size_t plain_run(const unsigned char *text, size_t size)
{
    size_t at = 0;

    while (at < size) {
        if (begins_plain(text + at, size - at)) {
            at += sizeof(uint64_t);
            continue;
        }
        if (text[at] < 0x20 || text[at] == '"' || text[at] == '\\' || text[at] == 0x7f)
            break;
        size_t length = utf8_character(text + at, size - at);
        if (length == 0)
            break;
        at += length;
    }
    return at;
}

void json_write_string(msgpack_sbuffer *buffer, struct bytes text)
{
    const unsigned char *at = text.data;
    size_t left = text.size;

    put(buffer, "\"", 1);
    while (left > 0) {
        size_t plain = plain_run(at, left);
        put(buffer, (const char *)at, plain);
        at += plain;
        left -= plain;
        if (left == 0)
            break;
        if (*at >= 0x80)
            put_text(buffer, "\xef\xbf\xbd");
        else
            put_escaped(buffer, *at);
        at++;
        left--;
    }
    put(buffer, "\"", 1);
}

/* The shortest that reads back as the same number, and as a double. */
static void write_double(msgpack_sbuffer *buffer, double value)
{
    char text[40];

    if (!isfinite(value)) {
        put_text(buffer, "null");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    put_text(buffer, text);
    if (strpbrk(text, ".e") == NULL)
        put_text(buffer, ".0");
}

static void write_base64(msgpack_sbuffer *buffer, const char *data, size_t size)
{
    AUTO_FREE char *text = xmalloc(BASE64_SIZE(size) + 1);

    base64_encode((struct bytes){ data, size }, text);
    put(buffer, "\"", 1);
    put(buffer, text, BASE64_SIZE(size));
    put(buffer, "\"", 1);
}

/* A timestamp is a time; of others only their writers know what they are. */
static void write_extension(msgpack_sbuffer *buffer, const msgpack_object_ext *extension)
{
    char time[TIMESTAMP_TEXT_SIZE];

    if (timestamp_write(extension, time) < 0) {
        write_base64(buffer, extension->ptr, extension->size);
        return;
    }
    json_write_string(buffer, (struct bytes){ time, strlen(time) });
}

static void write_object(msgpack_sbuffer *buffer, const msgpack_object *object, int depth);

/* JSON knows no keys but strings: others stand in quotes. A map or array as a key is only named,
 * since quotes within quotes within quotes double with each level. */
static void write_key(msgpack_sbuffer *buffer, const msgpack_object *key)
{
    switch (key->type) {
    case MSGPACK_OBJECT_STR:
        json_write_string(buffer, (struct bytes){ key->via.str.ptr, key->via.str.size });
        return;
    case MSGPACK_OBJECT_BIN:
    case MSGPACK_OBJECT_EXT:
        write_object(buffer, key, 0);
        return;
    case MSGPACK_OBJECT_ARRAY:
        put_text(buffer, "\"(array)\"");
        return;
    case MSGPACK_OBJECT_MAP:
        put_text(buffer, "\"(map)\"");
        return;
    default:
        put(buffer, "\"", 1);
        write_object(buffer, key, 0);
        put(buffer, "\"", 1);
    }
}

static void write_array(msgpack_sbuffer *buffer, const msgpack_object_array *array, int depth)
{
    put(buffer, "[", 1);
    for (uint32_t i = 0; i < array->size; i++) {
        if (i > 0)
            put(buffer, ",", 1);
        write_object(buffer, &array->ptr[i], depth);
    }
    put(buffer, "]", 1);
}

static void write_map(msgpack_sbuffer *buffer, const msgpack_object_map *map, int depth)
{
    put(buffer, "{", 1);
    for (uint32_t i = 0; i < map->size; i++) {
        if (i > 0)
            put(buffer, ",", 1);
        write_key(buffer, &map->ptr[i].key);
        put(buffer, ":", 1);
        write_object(buffer, &map->ptr[i].val, depth);
    }
    put(buffer, "}", 1);
}

static void put_digits(msgpack_sbuffer *buffer, uint64_t number)
{
    char text[20], *end = text + sizeof(text), *at = end;

    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    put(buffer, at, (size_t)(end - at));
}

void json_write_integer(msgpack_sbuffer *buffer, int64_t number)
{
    if (number < 0)
        put(buffer, "-", 1);
    put_digits(buffer, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
}

static void write_integer(msgpack_sbuffer *buffer, const msgpack_object *object)
{
    if (number_is_minus_zero(object))
        put_text(buffer, "-0");
    else if (object->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        put_digits(buffer, object->via.u64);
    else
        json_write_integer(buffer, object->via.i64);
}

static void write_object(msgpack_sbuffer *buffer, const msgpack_object *object, int depth)
{
    bool is_too_deep = depth == WRITE_MAX_DEPTH;

    switch (is_too_deep ? MSGPACK_OBJECT_NIL : object->type) {
    case MSGPACK_OBJECT_BOOLEAN:
        put_text(buffer, object->via.boolean ? "true" : "false");
        return;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        write_integer(buffer, object);
        return;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        write_double(buffer, object->via.f64);
        return;
    case MSGPACK_OBJECT_STR:
        if (number_is_large(object))
            put(buffer, object->via.str.ptr, object->via.str.size);
        else
            json_write_string(buffer, (struct bytes){ object->via.str.ptr, object->via.str.size });
        return;
    case MSGPACK_OBJECT_BIN:
        write_base64(buffer, object->via.bin.ptr, object->via.bin.size);
        return;
    case MSGPACK_OBJECT_EXT:
        write_extension(buffer, &object->via.ext);
        return;
    case MSGPACK_OBJECT_ARRAY:
        write_array(buffer, &object->via.array, depth + 1);
        return;
    case MSGPACK_OBJECT_MAP:
        write_map(buffer, &object->via.map, depth + 1);
        return;
    case MSGPACK_OBJECT_NIL:
        break;
    }
    put_text(buffer, "null");
}

void json_write(msgpack_sbuffer *buffer, const msgpack_object *object)
{
    write_object(buffer, object, 0);
}

char *json_text(const msgpack_object *object)
{
    msgpack_sbuffer buffer;

    msgpack_sbuffer_init(&buffer);
    json_write(&buffer, object);
    put(&buffer, "", 1);
    return msgpack_sbuffer_release(&buffer);
}
