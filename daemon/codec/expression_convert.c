/* SPDX-License-Identifier: Apache-2.0 */
/* int(), string() and the others that make one type of another. */
#include "codec/expression_functions.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "codec/expression_number.h"
#include "codec/expression_time.h"
#include "codec/utf8.h"

static struct value not_converted(const struct function_call *call, const char *to)
{
    return value_error_format(&call->evaluation->budget, "type conversion error from '%s' to '%s'", value_type_name(&call->arguments[0]),
                              to);
}

struct value convert_int(const struct function_call *call)
{
    const struct value *value = &call->arguments[0];
    int64_t integer;

    if (value->kind == VALUE_STRING)
        return number_parse_int(value->text, &integer) ? value_int(integer) : not_converted(call, "int");
    if (value->kind == VALUE_TIMESTAMP)
        return value_int(value->moment.seconds);
    if (!value_is_number(value))
        return function_refuses(call);
    bool is_at_the_edge = value->kind == VALUE_DOUBLE && value->number == -0x1p63; /* cel-spec takes it for one beyond */
    return !is_at_the_edge && number_to_int(value, &integer) ? value_int(integer) : value_error("integer overflow");
}

struct value convert_uint(const struct function_call *call)
{
    const struct value *value = &call->arguments[0];
    struct value natural = { .kind = VALUE_UINT };

    if (value->kind == VALUE_STRING)
        return number_parse_uint(value->text, &natural.natural) ? natural : not_converted(call, "uint");
    if (!value_is_number(value))
        return function_refuses(call);
    return number_to_uint(value, &natural.natural) ? natural : value_error("unsigned integer overflow");
}

struct value convert_double(const struct function_call *call)
{
    const struct value *value = &call->arguments[0];
    double number;

    if (value->kind == VALUE_STRING)
        return number_parse_double(value->text, &number) ? value_double(number) : not_converted(call, "double");
    return value_is_number(value) ? value_double(number_to_double(value)) : function_refuses(call);
}

struct value convert_string(const struct function_call *call)
{
    struct budget *budget = &call->evaluation->budget;
    const struct value *value = &call->arguments[0];
    char small[SMALL_TEXT_SIZE];

    if (value->kind == VALUE_NULL || value->kind == VALUE_LIST || value->kind == VALUE_MAP)
        return function_refuses(call);
    if (value->kind == VALUE_BYTES && !utf8_is_valid(value->text.data, value->text.size))
        return value_error("invalid UTF-8 in bytes, cannot convert to string");
    if (value->kind == VALUE_STRING || value->kind == VALUE_BYTES)
        return value_string(value->text.data, value->text.size);
    struct bytes text = function_text(budget, value, small);
    char *copy = text.data != NULL ? budget_take(budget, text.size + 1) : NULL;
    if (copy == NULL)
        return value_error(budget->over);
    memcpy(copy, text.data, text.size);
    return value_string(copy, text.size);
}

struct value convert_bytes(const struct function_call *call)
{
    struct value value = call->arguments[0];

    if (value.kind != VALUE_STRING && value.kind != VALUE_BYTES)
        return function_refuses(call);
    value.kind = VALUE_BYTES;
    return value;
}

static bool is_word(struct bytes text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(words[i]) == text.size && memcmp(words[i], text.data, text.size) == 0)
            return true;
    return false;
}

struct value convert_bool(const struct function_call *call)
{
    static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" };
    static const char *const no[] = { "0", "f", "F", "false", "FALSE", "False" };
    const struct value *value = &call->arguments[0];

    if (value->kind == VALUE_BOOL)
        return *value;
    if (value->kind != VALUE_STRING)
        return function_refuses(call);
    if (is_word(value->text, yes, COUNT_OF(yes)))
        return value_bool(true);
    return is_word(value->text, no, COUNT_OF(no)) ? value_bool(false) : not_converted(call, "bool");
}

/* The day that does not exist is told from what is no time at all. */
static struct value no_timestamp(const struct function_call *call, struct bytes text)
{
    return value_error_format(&call->evaluation->budget,
                              "type conversion error from 'string' to 'google.protobuf.Timestamp': invalid RFC 3339 timestamp \"%.*s\"",
                              text.size < 60 ? (int)text.size : 60, (const char *)text.data);
}

static bool is_whole(const struct value *number)
{
    int64_t integer;

    if (number->kind != VALUE_DOUBLE)
        return true;
    return number->is_json && number_to_int(number, &integer) && (double)integer == number->number;
}

struct value convert_timestamp(const struct function_call *call)
{
    const struct value *value = &call->arguments[0];
    struct moment moment;
    int64_t seconds;

    if (value->kind == VALUE_TIMESTAMP)
        return *value;
    if (value->kind == VALUE_STRING)
        return time_parse(value->text, &moment) ? time_timestamp(moment) : no_timestamp(call, value->text);
    if (!value_is_number(value) || !is_whole(value))
        return function_refuses(call);
    return number_to_int(value, &seconds) ? time_of_seconds(seconds) : value_error("timestamp overflow");
}

struct value convert_date(const struct function_call *call)
{
    const struct value *value = &call->arguments[0];
    struct moment moment;

    if (value->kind == VALUE_TIMESTAMP)
        return *value;
    if (value->kind != VALUE_STRING)
        return function_refuses(call);
    return time_parse_loosely(value->text, &moment) ? time_timestamp(moment) : no_timestamp(call, value->text);
}

struct value convert_duration(const struct function_call *call)
{
    const struct value *value = &call->arguments[0];
    int64_t nanoseconds;

    if (value->kind == VALUE_DURATION)
        return *value;
    if (value->kind != VALUE_STRING)
        return function_refuses(call);
    if (!time_parse_duration(value->text, &nanoseconds))
        return not_converted(call, "google.protobuf.Duration");
    return time_duration(nanoseconds);
}

struct value convert_type(const struct function_call *call)
{
    return value_type(value_type_name(&call->arguments[0]));
}

struct value convert_dyn(const struct function_call *call)
{
    return call->arguments[0];
}
