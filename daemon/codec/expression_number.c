/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/expression_number.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define EXACT_TO 0x1p53 /* from there on a double leaves out whole numbers */

__extension__ typedef __int128 wide;

static bool is_whole_kind(const struct value *value)
{
    return value->kind != VALUE_DOUBLE;
}

static wide wide_of(const struct value *whole)
{
    assert(whole->kind == VALUE_INT || whole->kind == VALUE_UINT);
    return whole->kind == VALUE_INT ? (wide)whole->integer : (wide)whole->natural;
}

double number_to_double(const struct value *number)
{
    assert(number->kind == VALUE_DOUBLE || number->kind == VALUE_INT || number->kind == VALUE_UINT);
    if (number->kind == VALUE_DOUBLE)
        return number->number;
    return number->kind == VALUE_INT ? (double)number->integer : (double)number->natural;
}

/* ---- whole numbers --------------------------------------------------------------------------------- */

static struct value overflow(const struct value *a, const struct value *b)
{
    bool is_unsigned = a->kind == VALUE_UINT && b->kind == VALUE_UINT && !a->is_json && !b->is_json;
    return value_error(is_unsigned ? "unsigned integer overflow" : "integer overflow");
}

/* The value of the kind that two such operands make. */
static struct value whole_result(wide result, const struct value *a, const struct value *b)
{
    bool is_json = a->is_json || b->is_json;
    bool is_unsigned = !is_json && a->kind == VALUE_UINT && b->kind == VALUE_UINT;
    bool takes_unsigned = is_json || a->kind == VALUE_UINT || b->kind == VALUE_UINT;

    if (!is_unsigned && result >= INT64_MIN && result <= INT64_MAX)
        return (struct value){ .kind = VALUE_INT, .is_json = is_json, .integer = (int64_t)result };
    if (takes_unsigned && result >= 0 && result <= UINT64_MAX)
        return (struct value){ .kind = VALUE_UINT, .is_json = is_json, .natural = (uint64_t)result };
    return overflow(a, b);
}

static struct value calculate_whole(char operation, const struct value *a, const struct value *b)
{
    wide left = wide_of(a), right = wide_of(b), result;

    switch (operation) {
    case '+':
        return whole_result(left + right, a, b);
    case '-':
        return whole_result(left - right, a, b);
    case '*':
        return __builtin_mul_overflow(left, right, &result) ? overflow(a, b) : whole_result(result, a, b);
    case '/':
        return right == 0 ? value_error("division by zero") : whole_result(left / right, a, b);
    default:
        return right == 0 ? value_error("modulus by zero") : whole_result(left % right, a, b);
    }
}

/* ---- doubles --------------------------------------------------------------------------------------- */

static bool to_wide(const struct value *number, wide *ret_wide)
{
    if (is_whole_kind(number)) {
        *ret_wide = wide_of(number);
        return true;
    }
    if (!(fabs(number->number) < 0x1p64) || number->number != trunc(number->number))
        return false;
    *ret_wide = (wide)number->number;
    return true;
}

static double calculate_double(char operation, double left, double right)
{
    switch (operation) {
    case '+':
        return left + right;
    case '-':
        return left - right;
    case '*':
        return left * right;
    case '/':
        return left / right;
    default:
        return fmod(left, right);
    }
}

/* A whole number and a double that is whole, beyond where doubles are exact: in whole numbers, then rounded once. */
static bool calculate_mixed(char operation, const struct value *a, const struct value *b, struct value *ret_value)
{
    wide left, right;

    if (operation == '/' || is_whole_kind(a) == is_whole_kind(b) || !to_wide(a, &left) || !to_wide(b, &right))
        return false;
    struct value whole_a = { .kind = VALUE_INT, .is_json = true }, whole_b = whole_a;
    if (left < INT64_MIN || left > INT64_MAX || right < INT64_MIN || right > INT64_MAX)
        return false;
    whole_a.integer = (int64_t)left;
    whole_b.integer = (int64_t)right;
    struct value result = calculate_whole(operation, &whole_a, &whole_b);
    if (result.kind == VALUE_ERROR)
        return false;
    bool is_json = (is_whole_kind(a) || a->is_json) && (is_whole_kind(b) || b->is_json);
    *ret_value = is_json ? result : value_double(number_to_double(&result));
    return true;
}

struct value number_calculate(char operation, const struct value *a, const struct value *b)
{
    struct value result;
    bool is_json = a->is_json || b->is_json;

    if (is_whole_kind(a) && is_whole_kind(b) && (operation != '/' || !is_json))
        return calculate_whole(operation, a, b);
    double left = number_to_double(a), right = number_to_double(b);
    if (operation == '%' && right == 0)
        return value_error("modulus by zero");
    if (operation == '%' && !(left == trunc(left) && right == trunc(right)))
        return value_error("no such overload: _%_ of numbers that are not whole");
    result = value_double(calculate_double(operation, left, right));
    if ((fabs(left) >= EXACT_TO || fabs(right) >= EXACT_TO || fabs(result.number) >= EXACT_TO) && calculate_mixed(operation, a, b, &result))
        return result;
    bool has_literal = (a->kind == VALUE_DOUBLE && !a->is_json) || (b->kind == VALUE_DOUBLE && !b->is_json);
    result.is_json = is_json && !has_literal;
    return result;
}

struct value number_negate(const struct value *number)
{
    struct value zero = { .kind = VALUE_INT, .is_json = number->is_json };

    if (number->kind == VALUE_DOUBLE)
        return (struct value){ .kind = VALUE_DOUBLE, .is_json = number->is_json, .number = -number->number };
    if (number->kind == VALUE_UINT && !number->is_json)
        return value_error("no such overload: -_ of uint");
    return calculate_whole('-', &zero, number);
}

/* ---- text ------------------------------------------------------------------------------------------ */

/* The fewest significant digits that give the number back, as "d.ddde±xx". */
static void write_shortest(double number, char *text, size_t size)
{
    for (int digits = 0; digits < 17; digits++) {
        (void)snprintf(text, size, "%.*e", digits, number);
        if (strtod(text, NULL) == number)
            return;
    }
}

size_t number_write_double(double number, char text[NUMBER_TEXT_SIZE])
{
    if (isnan(number) || isinf(number))
        return (size_t)snprintf(text, NUMBER_TEXT_SIZE, "%s", isnan(number) ? "NaN" : number > 0 ? "+Inf" : "-Inf");
    write_shortest(number, text, NUMBER_TEXT_SIZE);
    const char *mark = strchr(text, 'e');
    assert(mark != NULL);
    int exponent = atoi(mark + 1);
    if (exponent < -4 || exponent >= 6)
        return strlen(text);
    int mantissa = (int)(mark - text) - (text[0] == '-');
    int decimals = (mantissa > 1 ? mantissa - 1 : 1) - 1 - exponent;
    return (size_t)snprintf(text, NUMBER_TEXT_SIZE, "%.*f", decimals > 0 ? decimals : 0, number);
}

size_t number_write(const struct value *number, char text[NUMBER_TEXT_SIZE])
{
    int64_t integer;
    uint64_t natural;

    if (number->kind == VALUE_DOUBLE && (!number->is_json || number->number != trunc(number->number)))
        return number_write_double(number->number, text);
    if (number_to_int(number, &integer))
        return (size_t)snprintf(text, NUMBER_TEXT_SIZE, "%lld", (long long)integer);
    if (number_to_uint(number, &natural))
        return (size_t)snprintf(text, NUMBER_TEXT_SIZE, "%llu", (unsigned long long)natural);
    return number_write_double(number->number, text);
}

/* ---- conversions ----------------------------------------------------------------------------------- */

bool number_to_int(const struct value *number, int64_t *ret_integer)
{
    assert(number->kind == VALUE_DOUBLE || number->kind == VALUE_INT || number->kind == VALUE_UINT);
    if (number->kind == VALUE_DOUBLE) {
        if (!(number->number >= -0x1p63 && number->number < 0x1p63))
            return false;
        *ret_integer = (int64_t)number->number;
        return true;
    }
    if (number->kind == VALUE_UINT && number->natural > INT64_MAX)
        return false;
    *ret_integer = number->integer;
    return true;
}

bool number_to_uint(const struct value *number, uint64_t *ret_natural)
{
    assert(number->kind == VALUE_DOUBLE || number->kind == VALUE_INT || number->kind == VALUE_UINT);
    if (number->kind == VALUE_DOUBLE) {
        if (!(number->number > -1 && number->number < 0x1p64))
            return false;
        *ret_natural = number->number > 0 ? (uint64_t)number->number : 0;
        return true;
    }
    if (number->kind == VALUE_INT && number->integer < 0)
        return false;
    *ret_natural = number->natural;
    return true;
}

static bool parse_digits(const char *at, const char *end, uint64_t *ret_natural)
{
    uint64_t natural = 0;

    if (at == end)
        return false;
    for (; at < end; at++)
        if (*at < '0' || *at > '9' || __builtin_mul_overflow(natural, UINT64_C(10), &natural) ||
            __builtin_add_overflow(natural, (uint64_t)(*at - '0'), &natural))
            return false;
    *ret_natural = natural;
    return true;
}

bool number_parse_uint(struct bytes text, uint64_t *ret_natural)
{
    const char *at = text.data;

    if (text.size == 0)
        return false;
    size_t sign = at[0] == '+';
    return parse_digits(at + sign, at + text.size, ret_natural);
}

bool number_parse_int(struct bytes text, int64_t *ret_integer)
{
    const char *at = text.data;
    uint64_t natural;

    if (text.size == 0)
        return false;
    bool is_negative = at[0] == '-';
    size_t sign = is_negative || at[0] == '+';
    if (!parse_digits(at + sign, at + text.size, &natural) || natural > (uint64_t)INT64_MAX + is_negative)
        return false;
    *ret_integer = is_negative ? (int64_t)(0 - natural) : (int64_t)natural;
    return true;
}

static size_t count_digits(const char *at, const char *end)
{
    size_t count = 0;

    while (at + count < end && at[count] >= '0' && at[count] <= '9')
        count++;
    return count;
}

/* Digits with at most one point among or beside them, then an exponent. */
static bool is_decimal(const char *at, const char *end)
{
    size_t whole = count_digits(at, end), fraction = 0;

    at += whole;
    if (at < end && *at == '.') {
        fraction = count_digits(at + 1, end);
        at += 1 + fraction;
    }
    if (whole + fraction == 0)
        return false;
    if (at == end)
        return true;
    if (*at != 'e' && *at != 'E')
        return false;
    at++;
    at += at < end && (*at == '+' || *at == '-');
    size_t exponent = count_digits(at, end);
    return exponent > 0 && at + exponent == end;
}

static bool parse_word(const char *word, double *ret_number)
{
    if (strcasecmp(word, "nan") == 0)
        *ret_number = (double)NAN;
    else if (strcasecmp(word, "inf") == 0 || strcasecmp(word, "infinity") == 0)
        *ret_number = (double)INFINITY;
    else
        return false;
    return true;
}

bool number_parse_double(struct bytes text, double *ret_number)
{
    if (text.size == 0 || memchr(text.data, '\0', text.size) != NULL)
        return false;
    AUTO_FREE char *copy = xstrndup(text.data, text.size);
    const char *at = copy + (copy[0] == '-' || copy[0] == '+');
    double number;

    if (!parse_word(at, &number)) {
        if (!is_decimal(at, copy + text.size))
            return false;
        number = strtod(at, NULL);
        if (isinf(number))
            return false;
    }
    *ret_number = copy[0] == '-' ? -number : number;
    return true;
}
