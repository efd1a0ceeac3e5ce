/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/expression_functions.h"

#include <assert.h>
#include <locale.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

#include "base/array.h"
#include "codec/base64.h"
#include "codec/expression_number.h"
#include "codec/expression_text.h"
#include "codec/expression_time.h"
#include "codec/json.h"
#include "codec/utf8.h"

struct value function_refuses(const struct function_call *call)
{
    struct budget *budget = &call->evaluation->budget;
    const char *first = call->count > 0 ? value_type_name(&call->arguments[0]) : "";

    if (call->count < 2)
        return value_error_format(budget, "no such overload: %s(%s)", call->function->name, first);
    return value_error_format(budget, "no such overload: %s(%s, %s)", call->function->name, first, value_type_name(&call->arguments[1]));
}

/* A copy in the arena, of what was written to `buffer`, which is freed. */
static struct bytes keep(struct budget *budget, msgpack_sbuffer *buffer)
{
    char *copy = budget_take(budget, buffer->size + 1);

    if (copy != NULL && buffer->size > 0)
        memcpy(copy, buffer->data, buffer->size);
    struct bytes kept = { copy, buffer->size };
    msgpack_sbuffer_destroy(buffer);
    return kept;
}

struct bytes function_text(struct budget *budget, const struct value *value, char small[SMALL_TEXT_SIZE])
{
    msgpack_sbuffer buffer;

    if (value->kind == VALUE_STRING || value->kind == VALUE_BYTES)
        return value->text;
    if (value->kind == VALUE_NULL)
        return (struct bytes){ "", 0 };
    if (value->kind == VALUE_BOOL)
        return value->boolean ? (struct bytes){ "true", 4 } : (struct bytes){ "false", 5 };
    if (value_is_number(value))
        return (struct bytes){ small, number_write(value, small) };
    if (value->kind == VALUE_TIMESTAMP)
        return (struct bytes){ small, time_write(value->moment, small) };
    if (value->kind == VALUE_DURATION)
        return (struct bytes){ small, time_write_duration(value->nanoseconds, small) };
    msgpack_sbuffer_init(&buffer);
    value_write_text(value, &buffer);
    return keep(budget, &buffer);
}

/* ---- text ------------------------------------------------------------------------------------------- */

static int64_t count_characters(struct bytes text)
{
    const char *at = text.data;
    int64_t count = 0;

    for (size_t i = 0; i < text.size; i++)
        count += ((unsigned char)at[i] & 0xc0) != 0x80;
    return count;
}

static struct value run_size(const struct function_call *call)
{
    const struct value *value = &call->arguments[0];

    if (!budget_look(&call->evaluation->budget, value->kind == VALUE_STRING ? value->text.size : 0))
        return value_error(call->evaluation->budget.over);
    switch (value->kind) {
    case VALUE_NULL:
        return value_int(0);
    case VALUE_STRING:
        return value_int(count_characters(value->text));
    case VALUE_BYTES:
        return value_int((int64_t)value->text.size);
    case VALUE_LIST:
    case VALUE_MAP:
        return value_int((int64_t)value_count(value));
    default:
        return function_refuses(call);
    }
}

enum { STARTS_WITH, ENDS_WITH, CONTAINS };

static bool text_has(int how, struct bytes text, struct bytes part)
{
    if (part.size > text.size)
        return false;
    if (part.size == 0)
        return true;
    if (how == CONTAINS)
        return memmem(text.data, text.size, part.data, part.size) != NULL;
    size_t from = how == STARTS_WITH ? 0 : text.size - part.size;
    return memcmp((const char *)text.data + from, part.data, part.size) == 0;
}

static bool are_strings(const struct function_call *call)
{
    for (size_t i = 0; i < call->count; i++)
        if (call->arguments[i].kind != VALUE_STRING)
            return false;
    return true;
}

static struct value run_text_has(const struct function_call *call)
{
    if (!are_strings(call))
        return function_refuses(call);
    if (!budget_look(&call->evaluation->budget, call->arguments[0].text.size))
        return value_error(call->evaluation->budget.over);
    return value_bool(text_has(call->function->detail, call->arguments[0].text, call->arguments[1].text));
}

/* A pattern that came with the event is compiled each time, which is a hundred steps. */
static struct value match_new(const struct function_call *call)
{
    struct budget *budget = &call->evaluation->budget;
    struct bytes text = call->arguments[0].text, pattern = call->arguments[1].text;
    char reason[200];

    if (pattern.size > EXPRESSION_MOST_BYTES)
        return value_error("the pattern is longer than 4096 bytes");
    if (!budget_steps(budget, 100))
        return value_error(budget->over);
    struct regex *regex = regex_compile(pattern.data, pattern.size, reason, sizeof(reason));
    if (regex == NULL)
        return value_error_format(budget, "no pattern: %s", reason);
    bool matches = regex_matches(regex, text.data, text.size);
    regex_destroy(regex);
    return value_bool(matches);
}

static struct value run_matches(const struct function_call *call)
{
    struct budget *budget = &call->evaluation->budget;

    if (!are_strings(call))
        return function_refuses(call);
    if (!budget_look(budget, call->arguments[0].text.size * 4))
        return value_error(budget->over);
    if (call->prepared == NULL)
        return match_new(call);
    if (call->prepared->regex == NULL)
        return value_error_format(budget, "no pattern: %s", call->prepared->fault);
    return value_bool(regex_matches(call->prepared->regex, call->arguments[0].text.data, call->arguments[0].text.size));
}

/* ---- letters ---------------------------------------------------------------------------------------- */

static locale_t unicode;
static pthread_once_t unicode_once = PTHREAD_ONCE_INIT;

static void open_unicode(void)
{
    unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0); /* glibc has it built in */
    if (unicode == (locale_t)0)
        unicode = newlocale(LC_CTYPE_MASK, "C", (locale_t)0);
}

enum { LOWERCASE, UPPERCASE };

static wint_t turn(int how, wint_t letter)
{
    return how == LOWERCASE ? towlower_l(letter, unicode) : towupper_l(letter, unicode);
}

static uint32_t decode_character(const unsigned char *at, size_t length)
{
    static const unsigned char masks[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
    uint32_t code = at[0] & masks[length];

    assert(length >= 1 && length < sizeof(masks));
    for (size_t i = 1; i < length; i++)
        code = code << 6 | (at[i] & 0x3f);
    return code;
}

/* What is no text is "", as on Inngest's server. */
static struct value run_turn(const struct function_call *call)
{
    struct budget *budget = &call->evaluation->budget;
    const struct value *value = &call->arguments[0];
    msgpack_sbuffer turned;

    if (value->kind != VALUE_STRING)
        return value_string("", 0);
    if (!budget_look(budget, value->text.size * 16) || budget->arena.most < value->text.size * 2)
        return budget_take(budget, SIZE_MAX) == NULL ? value_error(budget->over) : VALUE_NOTHING;
    (void)pthread_once(&unicode_once, open_unicode);
    msgpack_sbuffer_init(&turned);
    const unsigned char *at = value->text.data, *end = at + value->text.size;
    while (at < end) {
        char out[4];
        size_t length = utf8_character(at, (size_t)(end - at));
        if (length == 0)
            length = 1;
        uint32_t code = (uint32_t)turn(call->function->detail, decode_character(at, length));
        (void)msgpack_sbuffer_write(&turned, out, utf8_write(code, out));
        at += length;
    }
    struct bytes kept = keep(budget, &turned);
    return kept.data != NULL ? value_string(kept.data, kept.size) : value_error(budget->over);
}

/* ---- Inngest's ---------------------------------------------------------------------------------------- */

/* What is no base64 is "", as on Inngest's server. */
static struct value run_b64decode(const struct function_call *call)
{
    struct budget *budget = &call->evaluation->budget;
    const struct value *value = &call->arguments[0];
    size_t size;

    if (value->kind != VALUE_STRING || !base64_is_valid(value->text, &size))
        return value_string("", 0);
    unsigned char *decoded = budget_look(budget, value->text.size) ? budget_take(budget, size + 1) : NULL;
    if (decoded == NULL)
        return value_error(budget->over);
    base64_decode(value->text, decoded);
    bool is_text = utf8_is_valid(decoded, size);
    return (struct value){ .kind = is_text ? VALUE_STRING : VALUE_BYTES, .text = { decoded, size } };
}

static struct value copy_object(struct budget *budget, const msgpack_object *object);

static struct value copy_list(struct budget *budget, const msgpack_object_array *array)
{
    struct value *items = budget_take(budget, array->size * sizeof(*items));

    for (uint32_t i = 0; items != NULL && i < array->size; i++)
        items[i] = copy_object(budget, &array->ptr[i]);
    return (struct value){ .kind = VALUE_LIST, .list = { items, array->size } };
}

static struct value copy_map(struct budget *budget, const msgpack_object_map *map)
{
    struct value_pair *pairs = budget_take(budget, map->size * sizeof(*pairs));

    for (uint32_t i = 0; pairs != NULL && i < map->size; i++)
        pairs[i] = (struct value_pair){ copy_object(budget, &map->ptr[i].key), copy_object(budget, &map->ptr[i].val) };
    return (struct value){ .kind = VALUE_MAP, .map = { pairs, map->size } };
}

static struct value copy_text(struct budget *budget, struct value text)
{
    char *copy = budget_take(budget, text.text.size + 1);

    if (copy == NULL)
        return VALUE_NOTHING;
    if (text.text.size > 0)
        memcpy(copy, text.text.data, text.text.size);
    text.text.data = copy;
    return text;
}

/* All of it in the arena; where that is over, so is the evaluation. */
static struct value copy_object(struct budget *budget, const msgpack_object *object)
{
    struct value value = value_of_object(object);

    if (value.kind == VALUE_LIST)
        return copy_list(budget, &object->via.array);
    if (value.kind == VALUE_MAP)
        return copy_map(budget, &object->via.map);
    return value.kind == VALUE_STRING || value.kind == VALUE_BYTES ? copy_text(budget, value) : value;
}

/* An object; what is none is {}, as on Inngest's server. */
static struct value run_json_parse(const struct function_call *call)
{
    struct budget *budget = &call->evaluation->budget;
    const struct value *text = &call->arguments[0];
    struct value parsed = { .kind = VALUE_MAP };
    msgpack_object object;
    msgpack_zone zone;

    if (text->kind != VALUE_STRING)
        return parsed;
    if (!budget_look(budget, text->text.size * 16) || text->text.size > budget->arena.most)
        return budget_take(budget, SIZE_MAX) == NULL ? value_error(budget->over) : VALUE_NOTHING;
    if (!msgpack_zone_init(&zone, 4096))
        abort();
    if (json_decode(text->text, &zone, &object, NULL) == 0 && object.type == MSGPACK_OBJECT_MAP)
        parsed = copy_object(budget, &object);
    msgpack_zone_destroy(&zone);
    return budget->over == NULL ? parsed : value_error(budget->over);
}

static struct value run_now(const struct function_call *call)
{
    return time_of_ms(call->evaluation->scope->now_ms);
}

/* now_plus('1h') */
static struct value run_now_moved(const struct function_call *call)
{
    struct value now = run_now(call), by = call->arguments[0];
    int64_t nanoseconds;

    if (by.kind == VALUE_STRING && time_parse_duration(by.text, &nanoseconds))
        by = time_duration(nanoseconds);
    if (by.kind != VALUE_DURATION)
        return by.kind == VALUE_STRING ? value_error("type conversion error from 'string' to 'google.protobuf.Duration'")
                                       : function_refuses(call);
    return now.kind == VALUE_ERROR ? now : time_calculate((char)call->function->detail, &now, &by);
}

/* ---- parts of times ----------------------------------------------------------------------------------- */

static struct value part_in_zone(const struct function_call *call, enum time_part part)
{
    const struct value *name = &call->arguments[1];
    struct budget *budget = &call->evaluation->budget;
    struct error error = { 0 };
    struct zone *zone;

    if (call->prepared != NULL && call->prepared->zone == NULL)
        return value_error(call->prepared->fault);
    if (call->prepared != NULL)
        return time_part(part, &call->arguments[0], call->prepared->zone);
    if (name->kind != VALUE_STRING)
        return function_refuses(call);
    if (!budget_steps(budget, 1000)) /* a file is read */
        return value_error(budget->over);
    if (zone_open(name->text, &zone, &error) != 0)
        return value_error_format(budget, "%s", error.text);
    struct value value = time_part(part, &call->arguments[0], zone);
    zone_close(zone);
    return value;
}

static struct value run_part(const struct function_call *call)
{
    enum value_kind kind = call->arguments[0].kind;
    enum time_part part = (enum time_part)call->function->detail;

    if (kind != VALUE_TIMESTAMP && kind != VALUE_DURATION)
        return function_refuses(call);
    return call->count == 2 ? part_in_zone(call, part) : time_part(part, &call->arguments[0], NULL);
}

/* ---- all of them -------------------------------------------------------------------------------------- */

#define PART(part_name, part) \
    { \
        .name = part_name, .styles = CALLED_ON_A_VALUE, .least = 1, .most = 2, .run = run_part, .detail = part, .prepares = PREPARES_ZONE \
    }
#define ALONE(function_name, count, function) \
    { \
        .name = function_name, .styles = CALLED_ALONE, .least = count, .most = count, .run = function \
    }
#define TEXT(function_name, how) \
    { \
        .name = function_name, .styles = CALLED_ON_A_VALUE, .least = 2, .most = 2, .run = run_text_has, .detail = how \
    }

static const struct function FUNCTIONS[] = {
    { .name = "size", .styles = CALLED_ALONE | CALLED_ON_A_VALUE, .least = 1, .most = 1, .run = run_size },
    TEXT("startsWith", STARTS_WITH),
    TEXT("endsWith", ENDS_WITH),
    TEXT("contains", CONTAINS),
    { .name = "matches",
      .styles = CALLED_ALONE | CALLED_ON_A_VALUE,
      .least = 2,
      .most = 2,
      .run = run_matches,
      .prepares = PREPARES_REGEX },
    ALONE("int", 1, convert_int),
    ALONE("uint", 1, convert_uint),
    ALONE("double", 1, convert_double),
    ALONE("string", 1, convert_string),
    ALONE("bytes", 1, convert_bytes),
    ALONE("bool", 1, convert_bool),
    ALONE("timestamp", 1, convert_timestamp),
    ALONE("duration", 1, convert_duration),
    ALONE("type", 1, convert_type),
    ALONE("dyn", 1, convert_dyn),
    PART("getFullYear", TIME_FULL_YEAR),
    PART("getMonth", TIME_MONTH),
    PART("getDate", TIME_DATE),
    PART("getDayOfMonth", TIME_DAY_OF_MONTH),
    PART("getDayOfWeek", TIME_DAY_OF_WEEK),
    PART("getDayOfYear", TIME_DAY_OF_YEAR),
    PART("getHours", TIME_HOURS),
    PART("getMinutes", TIME_MINUTES),
    PART("getSeconds", TIME_SECONDS),
    PART("getMilliseconds", TIME_MILLISECONDS),
    { .name = "lowercase", .styles = CALLED_ALONE, .least = 1, .most = 1, .run = run_turn, .detail = LOWERCASE },
    { .name = "uppercase", .styles = CALLED_ALONE, .least = 1, .most = 1, .run = run_turn, .detail = UPPERCASE },
    ALONE("now", 0, run_now),
    { .name = "now_plus", .styles = CALLED_ALONE, .least = 1, .most = 1, .run = run_now_moved, .detail = '+' },
    { .name = "now_minus", .styles = CALLED_ALONE, .least = 1, .most = 1, .run = run_now_moved, .detail = '-' },
    ALONE("date", 1, convert_date),
    ALONE("b64decode", 1, run_b64decode),
    ALONE("json_parse", 1, run_json_parse),
};

const struct function *function_find(struct bytes name)
{
    for (size_t i = 0; i < COUNT_OF(FUNCTIONS); i++)
        if (strlen(FUNCTIONS[i].name) == name.size && memcmp(FUNCTIONS[i].name, name.data, name.size) == 0)
            return &FUNCTIONS[i];
    return NULL;
}
