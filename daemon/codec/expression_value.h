/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an expression computes with. A value is small and copied; what it points to (text, lists, maps) belongs
 * to the event, to the expression, or to the evaluation's arena. Lists and maps of an event stay msgpack: what
 * is not looked at is not converted.
 */
#ifndef STEPD_CODEC_EXPRESSION_VALUE_H
#define STEPD_CODEC_EXPRESSION_VALUE_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "codec/arena.h"

enum value_kind {
    VALUE_ERROR,
    VALUE_NULL,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_UINT,
    VALUE_DOUBLE,
    VALUE_STRING,
    VALUE_BYTES,
    VALUE_LIST,
    VALUE_MAP,
    VALUE_TIMESTAMP,
    VALUE_DURATION,
    VALUE_TYPE,
};

struct moment {
    int64_t seconds;     /* since 1970 */
    int32_t nanoseconds; /* 0 to 999,999,999, also before 1970 */
};

struct value {
    enum value_kind kind;
    bool is_json;      /* a number of JSON: int, uint or double as it is written, its type is double */
    bool is_packed;    /* LIST, MAP: msgpack */
    bool ignores_case; /* MAP: of headers */
    union {
        const char *error; /* why */
        bool boolean;
        int64_t integer;
        uint64_t natural;
        double number;
        struct bytes text; /* STRING, BYTES */
        const msgpack_object *packed;
        struct {
            const struct value *items;
            size_t count;
        } list;
        struct {
            const struct value_pair *pairs;
            size_t count;
        } map;
        struct moment moment; /* TIMESTAMP */
        int64_t nanoseconds;  /* DURATION */
        const char *type;     /* TYPE: its name */
    };
};

struct value_pair {
    struct value key, value;
};

/* What an evaluation may still spend. Once it is over, all it computes is its last error. */
struct budget {
    struct arena arena;
    int64_t steps_left;
    const char *over; /* why; NULL: it goes on */
};

struct value value_error(const char *reason); /* lives for ever, or in the arena */
struct value value_error_format(struct budget *budget, const char *format, ...) PRINTF_LIKE(2, 3);
struct value value_bool(bool boolean);
struct value value_int(int64_t integer);
struct value value_double(double number);
struct value value_string(const void *text, size_t size);
struct value value_type(const char *name);
/* `object` outlives the value. */
struct value value_of_object(const msgpack_object *object);

#define VALUE_NOTHING ((struct value){ .kind = VALUE_NULL })

/* "int", "null_type", "google.protobuf.Timestamp": what type() gives. */
const char *value_type_name(const struct value *value);
bool value_is_number(const struct value *value);
/* As `&&`, `||` and `?:` see it: not null, false, 0 or "". */
bool value_is_true(const struct value *value);

/* One step of the evaluation, or several. False: it is over. */
bool budget_step(struct budget *budget);
bool budget_steps(struct budget *budget, size_t count);
/* Looking through that many bytes costs a step for each KiB. */
bool budget_look(struct budget *budget, size_t bytes);
/* NULL: that is too much, and the evaluation is over. */
void *budget_take(struct budget *budget, size_t size);

size_t value_count(const struct value *list_or_map);
struct value value_item(const struct value *list, size_t index);
struct value value_key_at(const struct value *map, size_t index);
struct value value_at(const struct value *map, size_t index);
/* False: the map has no such key. */
bool value_find(struct budget *budget, const struct value *map, const struct value *key, struct value *ret_value);
bool value_find_text(const struct value *map, struct bytes key, struct value *ret_value);

/* Of different types: false. Numbers by value, in lists and maps too. */
bool value_equals(struct budget *budget, const struct value *a, const struct value *b);
/* -1, 0, 1; 2: neither (NaN). Numbers of any kind, exactly. */
int value_compare_numbers(const struct value *a, const struct value *b);
/* The same of any two values of one type; false: there is no order between them. */
bool value_compare(const struct value *a, const struct value *b, int *ret_order);

#endif
