/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/expression_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/expression_number.h"
#include "codec/expression_time.h"
#include "codec/json.h"

static void append(msgpack_sbuffer *text, const void *bytes, size_t size)
{
    if (size > 0 && msgpack_sbuffer_write(text, bytes, size) != 0)
        abort();
}

static void append_text(msgpack_sbuffer *text, const char *piece)
{
    append(text, piece, strlen(piece));
}

static void append_number(const struct value *number, msgpack_sbuffer *text)
{
    char digits[NUMBER_TEXT_SIZE];
    append(text, digits, number_write(number, digits));
}

static void append_time(const struct value *time, msgpack_sbuffer *text)
{
    char written[TIME_TEXT_SIZE];
    size_t size = time->kind == VALUE_TIMESTAMP ? time_write(time->moment, written) : time_write_duration(time->nanoseconds, written);
    append(text, written, size);
}

/* ---- maps in the order of their keys ------------------------------------------------------------------- */

static int compare_keys(const struct value *a, const struct value *b)
{
    int order = 0;

    if (!value_compare(a, b, &order))
        return a->kind < b->kind ? -1 : 1;
    return order;
}

static int compare_pairs(const void *a, const void *b)
{
    return compare_keys(&((const struct value_pair *)a)->key, &((const struct value_pair *)b)->key);
}

/* The caller frees. */
static struct value_pair *sorted_pairs(const struct value *map, size_t count)
{
    struct value_pair *pairs = xcalloc(count + 1, sizeof(*pairs));

    for (size_t i = 0; i < count; i++)
        pairs[i] = (struct value_pair){ value_key_at(map, i), value_at(map, i) };
    qsort(pairs, count, sizeof(*pairs), compare_pairs);
    return pairs;
}

/* ---- as text ------------------------------------------------------------------------------------------- */

static void write_nested(const struct value *value, msgpack_sbuffer *text)
{
    if (value->kind == VALUE_NULL)
        append_text(text, "<nil>");
    else
        value_write_text(value, text);
}

static void write_list(const struct value *list, msgpack_sbuffer *text)
{
    append_text(text, "[");
    for (size_t i = 0; i < value_count(list); i++) {
        struct value item = value_item(list, i);
        append_text(text, i > 0 ? " " : "");
        write_nested(&item, text);
    }
    append_text(text, "]");
}

static void write_map(const struct value *map, msgpack_sbuffer *text)
{
    size_t count = value_count(map);
    AUTO_FREE struct value_pair *pairs = sorted_pairs(map, count);

    append_text(text, "map[");
    for (size_t i = 0; i < count; i++) {
        append_text(text, i > 0 ? " " : "");
        write_nested(&pairs[i].key, text);
        append_text(text, ":");
        write_nested(&pairs[i].value, text);
    }
    append_text(text, "]");
}

void value_write_text(const struct value *value, msgpack_sbuffer *text)
{
    switch (value->kind) {
    case VALUE_BOOL:
        append_text(text, value->boolean ? "true" : "false");
        break;
    case VALUE_INT:
    case VALUE_UINT:
    case VALUE_DOUBLE:
        append_number(value, text);
        break;
    case VALUE_STRING:
    case VALUE_BYTES:
        append(text, value->text.data, value->text.size);
        break;
    case VALUE_LIST:
        write_list(value, text);
        break;
    case VALUE_MAP:
        write_map(value, text);
        break;
    case VALUE_TIMESTAMP:
    case VALUE_DURATION:
        append_time(value, text);
        break;
    case VALUE_TYPE:
        append_text(text, value->type);
        break;
    case VALUE_NULL:
    case VALUE_ERROR:
        break;
    }
}

/* ---- as JSON ------------------------------------------------------------------------------------------- */

static void write_json_quoted(const struct value *value, msgpack_sbuffer *json)
{
    msgpack_sbuffer text;

    msgpack_sbuffer_init(&text);
    value_write_text(value, &text);
    json_write_string(json, (struct bytes){ text.data != NULL ? text.data : "", text.size });
    msgpack_sbuffer_destroy(&text);
}

static void write_json_list(const struct value *list, msgpack_sbuffer *json)
{
    append_text(json, "[");
    for (size_t i = 0; i < value_count(list); i++) {
        struct value item = value_item(list, i);
        append_text(json, i > 0 ? "," : "");
        value_write_json(&item, json);
    }
    append_text(json, "]");
}

static void write_json_map(const struct value *map, msgpack_sbuffer *json)
{
    append_text(json, "{");
    for (size_t i = 0; i < value_count(map); i++) {
        struct value key = value_key_at(map, i), value = value_at(map, i);
        append_text(json, i > 0 ? "," : "");
        write_json_quoted(&key, json);
        append_text(json, ":");
        value_write_json(&value, json);
    }
    append_text(json, "}");
}

/* Numbers and bytes: as json_write() writes them of an event. */
static void write_json_object(const struct value *value, msgpack_sbuffer *json)
{
    msgpack_object object = { .type = MSGPACK_OBJECT_NIL };

    if (value->kind == VALUE_BYTES)
        object = (msgpack_object){ .type = MSGPACK_OBJECT_BIN, .via.bin = { .ptr = value->text.data, .size = (uint32_t)value->text.size } };
    else if (value->kind == VALUE_UINT || (value->kind == VALUE_INT && value->integer >= 0))
        object = (msgpack_object){ .type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = value->natural };
    else if (value->kind == VALUE_INT)
        object = (msgpack_object){ .type = MSGPACK_OBJECT_NEGATIVE_INTEGER, .via.i64 = value->integer };
    else if (value->kind == VALUE_DOUBLE)
        object = (msgpack_object){ .type = MSGPACK_OBJECT_FLOAT64, .via.f64 = value->number };
    json_write(json, &object);
}

void value_write_json(const struct value *value, msgpack_sbuffer *json)
{
    if (value->is_packed)
        json_write(json, value->packed);
    else if (value->kind == VALUE_LIST)
        write_json_list(value, json);
    else if (value->kind == VALUE_MAP)
        write_json_map(value, json);
    else if (value->kind == VALUE_BOOL)
        append_text(json, value->boolean ? "true" : "false");
    else if (value->kind == VALUE_BYTES || value->kind == VALUE_NULL || value_is_number(value))
        write_json_object(value, json);
    else
        write_json_quoted(value, json);
}

/* ---- as what it equals --------------------------------------------------------------------------------- */

static void write_sized(char mark, struct bytes bytes, msgpack_sbuffer *text)
{
    char head[32];
    append(text, head, (size_t)snprintf(head, sizeof(head), "%c%zu:", mark, bytes.size));
    append(text, bytes.data, bytes.size);
}

/* A number that is whole is its digits, whatever its kind. */
static bool write_number_identity(const struct value *number, msgpack_sbuffer *text)
{
    struct value whole = *number;
    char digits[NUMBER_TEXT_SIZE];

    if (number->kind == VALUE_DOUBLE && isnan(number->number))
        return false;
    whole.is_json = true;
    write_sized('n', (struct bytes){ digits, number_write(&whole, digits) }, text);
    return true;
}

static bool write_list_identity(const struct value *list, msgpack_sbuffer *text)
{
    append_text(text, "[");
    for (size_t i = 0; i < value_count(list); i++) {
        struct value item = value_item(list, i);
        if (!value_write_identity(&item, text))
            return false;
    }
    append_text(text, "]");
    return true;
}

static bool write_map_identity(const struct value *map, msgpack_sbuffer *text)
{
    size_t count = value_count(map);
    AUTO_FREE struct value_pair *pairs = sorted_pairs(map, count);

    append_text(text, "{");
    for (size_t i = 0; i < count; i++)
        if (!value_write_identity(&pairs[i].key, text) || !value_write_identity(&pairs[i].value, text))
            return false;
    append_text(text, "}");
    return true;
}

bool value_write_identity(const struct value *value, msgpack_sbuffer *text)
{
    char written[TIME_TEXT_SIZE];

    switch (value->kind) {
    case VALUE_INT:
    case VALUE_UINT:
    case VALUE_DOUBLE:
        return write_number_identity(value, text);
    case VALUE_LIST:
        return write_list_identity(value, text);
    case VALUE_MAP:
        return write_map_identity(value, text);
    case VALUE_STRING:
        write_sized('s', value->text, text);
        return true;
    case VALUE_BYTES:
        write_sized('b', value->text, text);
        return true;
    case VALUE_TIMESTAMP:
        write_sized('t', (struct bytes){ written, time_write(value->moment, written) }, text);
        return true;
    case VALUE_DURATION:
        write_sized('d', (struct bytes){ written, time_write_duration(value->nanoseconds, written) }, text);
        return true;
    case VALUE_BOOL:
        append_text(text, value->boolean ? "T" : "F");
        return true;
    case VALUE_TYPE:
        write_sized('y', (struct bytes){ value->type, strlen(value->type) }, text);
        return true;
    case VALUE_NULL:
        append_text(text, "0");
        return true;
    case VALUE_ERROR:
        break;
    }
    return false;
}
