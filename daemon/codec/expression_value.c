/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/expression_value.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "codec/expression_scope.h"

struct value value_error(const char *reason)
{
    return (struct value){ .kind = VALUE_ERROR, .error = reason };
}

struct value value_error_format(struct budget *budget, const char *format, ...)
{
    char text[200];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    char *kept = budget_take(budget, strlen(text) + 1);
    return value_error(kept != NULL ? strcpy(kept, text) : budget->over);
}

struct value value_bool(bool boolean)
{
    return (struct value){ .kind = VALUE_BOOL, .boolean = boolean };
}

struct value value_int(int64_t integer)
{
    return (struct value){ .kind = VALUE_INT, .integer = integer };
}

struct value value_double(double number)
{
    return (struct value){ .kind = VALUE_DOUBLE, .number = number };
}

struct value value_string(const void *text, size_t size)
{
    return (struct value){ .kind = VALUE_STRING, .text = { text, size } };
}

struct value value_type(const char *name)
{
    return (struct value){ .kind = VALUE_TYPE, .type = name };
}

static struct value value_of_natural(uint64_t natural)
{
    if (natural <= INT64_MAX)
        return (struct value){ .kind = VALUE_INT, .is_json = true, .integer = (int64_t)natural };
    return (struct value){ .kind = VALUE_UINT, .is_json = true, .natural = natural };
}

struct value value_of_object(const msgpack_object *object)
{
    switch (object->type) {
    case MSGPACK_OBJECT_BOOLEAN:
        return value_bool(object->via.boolean);
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return value_of_natural(object->via.u64);
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return (struct value){ .kind = VALUE_INT, .is_json = true, .integer = object->via.i64 };
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return (struct value){ .kind = VALUE_DOUBLE, .is_json = true, .number = object->via.f64 };
    case MSGPACK_OBJECT_STR:
        return value_string(object->via.str.ptr, object->via.str.size);
    case MSGPACK_OBJECT_BIN:
        return (struct value){ .kind = VALUE_BYTES, .text = { object->via.bin.ptr, object->via.bin.size } };
    case MSGPACK_OBJECT_EXT:
        return (struct value){ .kind = VALUE_BYTES, .text = { object->via.ext.ptr, object->via.ext.size } };
    case MSGPACK_OBJECT_ARRAY:
        return (struct value){ .kind = VALUE_LIST, .is_packed = true, .packed = object };
    case MSGPACK_OBJECT_MAP:
        return (struct value){ .kind = VALUE_MAP, .is_packed = true, .packed = object };
    case MSGPACK_OBJECT_NIL:
        break;
    }
    return VALUE_NOTHING;
}

const char *value_type_name(const struct value *value)
{
    static const char *const names[] = {
        [VALUE_ERROR] = "error",
        [VALUE_NULL] = "null_type",
        [VALUE_BOOL] = "bool",
        [VALUE_INT] = "int",
        [VALUE_UINT] = "uint",
        [VALUE_DOUBLE] = "double",
        [VALUE_STRING] = "string",
        [VALUE_BYTES] = "bytes",
        [VALUE_LIST] = "list",
        [VALUE_MAP] = "map",
        [VALUE_TIMESTAMP] = "google.protobuf.Timestamp",
        [VALUE_DURATION] = "google.protobuf.Duration",
        [VALUE_TYPE] = "type",
    };

    return value->is_json ? names[VALUE_DOUBLE] : names[value->kind];
}

bool value_is_number(const struct value *value)
{
    return value->kind == VALUE_INT || value->kind == VALUE_UINT || value->kind == VALUE_DOUBLE;
}

bool value_is_true(const struct value *value)
{
    switch (value->kind) {
    case VALUE_NULL:
        return false;
    case VALUE_BOOL:
        return value->boolean;
    case VALUE_INT:
        return value->integer != 0;
    case VALUE_UINT:
        return value->natural != 0;
    case VALUE_DOUBLE:
        return value->number != 0;
    case VALUE_STRING:
        return value->text.size > 0;
    default:
        return true;
    }
}

/* ---- what an evaluation may spend ------------------------------------------------------------------ */

bool budget_steps(struct budget *budget, size_t count)
{
    if (budget->over != NULL)
        return false;
    if (count <= (size_t)budget->steps_left) {
        budget->steps_left -= (int64_t)count;
        return true;
    }
    budget->over = "it takes more than 100000 steps";
    return false;
}

bool budget_step(struct budget *budget)
{
    return budget_steps(budget, 1);
}

bool budget_look(struct budget *budget, size_t bytes)
{
    return budget_steps(budget, bytes / 1024);
}

void *budget_take(struct budget *budget, size_t size)
{
    void *memory = budget->over == NULL ? arena_take(&budget->arena, size) : NULL;

    if (memory == NULL && budget->over == NULL)
        budget->over = "it builds more than 1 MiB";
    return memory;
}

/* ---- lists and maps -------------------------------------------------------------------------------- */

size_t value_count(const struct value *list_or_map)
{
    assert(list_or_map->kind == VALUE_LIST || list_or_map->kind == VALUE_MAP);
    if (list_or_map->kind == VALUE_LIST)
        return list_or_map->is_packed ? list_or_map->packed->via.array.size : list_or_map->list.count;
    return list_or_map->is_packed ? list_or_map->packed->via.map.size : list_or_map->map.count;
}

struct value value_item(const struct value *list, size_t index)
{
    assert(list->kind == VALUE_LIST && index < value_count(list));
    return list->is_packed ? value_of_object(&list->packed->via.array.ptr[index]) : list->list.items[index];
}

struct value value_key_at(const struct value *map, size_t index)
{
    return map->is_packed ? value_of_object(&map->packed->via.map.ptr[index].key) : map->map.pairs[index].key;
}

struct value value_at(const struct value *map, size_t index)
{
    assert(map->kind == VALUE_MAP && index < value_count(map));
    return map->is_packed ? value_of_object(&map->packed->via.map.ptr[index].val) : map->map.pairs[index].value;
}

static bool is_same_text(struct bytes a, struct bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static bool find_text_packed(const msgpack_object_map *map, struct bytes key, struct value *ret_value)
{
    for (uint32_t i = 0; i < map->size; i++) {
        const msgpack_object *name = &map->ptr[i].key;
        if (name->type == MSGPACK_OBJECT_STR && is_same_text((struct bytes){ name->via.str.ptr, name->via.str.size }, key)) {
            *ret_value = value_of_object(&map->ptr[i].val);
            return true;
        }
    }
    return false;
}

static bool is_key(const struct value *map, const struct value *key, struct bytes text)
{
    if (key->kind != VALUE_STRING)
        return false;
    if (!map->ignores_case)
        return is_same_text(key->text, text);
    return key->text.size == text.size && strncasecmp(key->text.data, text.data, text.size) == 0;
}

bool value_find_text(const struct value *map, struct bytes key, struct value *ret_value)
{
    if (map->is_packed)
        return find_text_packed(&map->packed->via.map, key, ret_value);
    for (size_t i = 0; i < map->map.count; i++) {
        if (is_key(map, &map->map.pairs[i].key, key)) {
            *ret_value = map->map.pairs[i].value;
            return true;
        }
    }
    return false;
}

bool value_find(struct budget *budget, const struct value *map, const struct value *key, struct value *ret_value)
{
    size_t count = value_count(map);

    if (!budget_steps(budget, count / 64))
        return false;
    if (key->kind == VALUE_STRING)
        return value_find_text(map, key->text, ret_value);
    for (size_t i = 0; i < count; i++) {
        struct value one = value_key_at(map, i);
        if (value_equals(budget, &one, key)) {
            *ret_value = value_at(map, i);
            return true;
        }
    }
    return false;
}

/* ---- equality and order ---------------------------------------------------------------------------- */

static int order_of(bool is_less, bool is_more)
{
    return is_less ? -1 : is_more ? 1 : 0;
}

static int compare_int_double(int64_t integer, double number)
{
    if (isnan(number))
        return 2;
    if (number >= 0x1p63)
        return -1;
    if (number < -0x1p63)
        return 1;
    int64_t cut = (int64_t)number;
    if (integer != cut)
        return integer < cut ? -1 : 1;
    return order_of((double)cut<number, (double)cut> number);
}

static int compare_uint_double(uint64_t natural, double number)
{
    if (isnan(number))
        return 2;
    if (number >= 0x1p64)
        return -1;
    if (number < 0)
        return 1;
    uint64_t cut = (uint64_t)number;
    if (natural != cut)
        return natural < cut ? -1 : 1;
    return order_of((double)cut<number, (double)cut> number);
}

static int compare_int_uint(int64_t integer, uint64_t natural)
{
    if (integer < 0)
        return -1;
    return order_of((uint64_t)integer<natural, (uint64_t)integer> natural);
}

static int turned(int order)
{
    return order == 2 ? 2 : -order;
}

int value_compare_numbers(const struct value *a, const struct value *b)
{
    if (a->kind > b->kind)
        return turned(value_compare_numbers(b, a));
    if (a->kind == VALUE_INT && b->kind == VALUE_INT)
        return order_of(a->integer<b->integer, a->integer> b->integer);
    if (a->kind == VALUE_INT && b->kind == VALUE_UINT)
        return compare_int_uint(a->integer, b->natural);
    if (a->kind == VALUE_INT)
        return compare_int_double(a->integer, b->number);
    if (b->kind == VALUE_UINT)
        return order_of(a->natural<b->natural, a->natural> b->natural);
    if (a->kind == VALUE_UINT)
        return compare_uint_double(a->natural, b->number);
    if (isnan(a->number) || isnan(b->number))
        return 2;
    return order_of(a->number<b->number, a->number> b->number);
}

static bool lists_equal(struct budget *budget, const struct value *a, const struct value *b)
{
    size_t count = value_count(a);

    if (count != value_count(b))
        return false;
    for (size_t i = 0; i < count; i++) {
        struct value left = value_item(a, i), right = value_item(b, i);
        if (!value_equals(budget, &left, &right))
            return false;
    }
    return true;
}

static bool maps_equal(struct budget *budget, const struct value *a, const struct value *b)
{
    size_t count = value_count(a);

    if (count != value_count(b))
        return false;
    for (size_t i = 0; i < count; i++) {
        struct value key = value_key_at(a, i), left = value_at(a, i), right;
        if (!value_find(budget, b, &key, &right) || !value_equals(budget, &left, &right))
            return false;
    }
    return true;
}

bool value_equals(struct budget *budget, const struct value *a, const struct value *b)
{
    if (!budget_step(budget))
        return false;
    if (value_is_number(a) && value_is_number(b))
        return value_compare_numbers(a, b) == 0;
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case VALUE_NULL:
        return true;
    case VALUE_BOOL:
        return a->boolean == b->boolean;
    case VALUE_STRING:
    case VALUE_BYTES:
        return is_same_text(a->text, b->text);
    case VALUE_LIST:
        return lists_equal(budget, a, b);
    case VALUE_MAP:
        return maps_equal(budget, a, b);
    case VALUE_TIMESTAMP:
        return a->moment.seconds == b->moment.seconds && a->moment.nanoseconds == b->moment.nanoseconds;
    case VALUE_DURATION:
        return a->nanoseconds == b->nanoseconds;
    case VALUE_TYPE:
        return strcmp(a->type, b->type) == 0;
    default:
        return false;
    }
}

static int compare_texts(struct bytes a, struct bytes b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size > 0 ? memcmp(a.data, b.data, size) : 0;

    return order != 0 ? order_of(order<0, order> 0) : order_of(a.size<b.size, a.size> b.size);
}

static int compare_moments(struct moment a, struct moment b)
{
    if (a.seconds != b.seconds)
        return order_of(a.seconds < b.seconds, true);
    return order_of(a.nanoseconds<b.nanoseconds, a.nanoseconds> b.nanoseconds);
}

bool value_compare(const struct value *a, const struct value *b, int *ret_order)
{
    if (value_is_number(a) && value_is_number(b)) {
        *ret_order = value_compare_numbers(a, b);
        return true;
    }
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case VALUE_BOOL:
        *ret_order = order_of(!a->boolean && b->boolean, a->boolean && !b->boolean);
        return true;
    case VALUE_STRING:
    case VALUE_BYTES:
        *ret_order = compare_texts(a->text, b->text);
        return true;
    case VALUE_TIMESTAMP:
        *ret_order = compare_moments(a->moment, b->moment);
        return true;
    case VALUE_DURATION:
        *ret_order = order_of(a->nanoseconds<b->nanoseconds, a->nanoseconds> b->nanoseconds);
        return true;
    default:
        return false;
    }
}
