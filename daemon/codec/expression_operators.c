/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/expression_operators.h"

#include <assert.h>
#include <string.h>

#include "codec/expression_functions.h"
#include "codec/expression_lexer.h"
#include "codec/expression_number.h"
#include "codec/expression_time.h"

static const char *operator_name(int operation)
{
    switch (operation) {
    case '+':
        return "_+_";
    case '-':
        return "_-_";
    case '*':
        return "_*_";
    case '/':
        return "_/_";
    case '%':
        return "_%_";
    case '<':
        return "_<_";
    case '>':
        return "_>_";
    case OPERATION_LESS_EQUAL:
        return "_<=_";
    case OPERATION_MORE_EQUAL:
        return "_>=_";
    default:
        return "_in_";
    }
}

static struct value no_operator(struct budget *budget, int operation, const struct value *a, const struct value *b)
{
    return value_error_format(budget, "no such overload: %s of %s and %s", operator_name(operation), value_type_name(a),
                              value_type_name(b));
}

static struct value join_texts(struct budget *budget, enum value_kind kind, const struct value *a, const struct value *b)
{
    char small_a[SMALL_TEXT_SIZE], small_b[SMALL_TEXT_SIZE];
    struct bytes left = function_text(budget, a, small_a);
    struct bytes right = function_text(budget, b, small_b);
    char *joined = left.data != NULL && right.data != NULL ? budget_take(budget, left.size + right.size + 1) : NULL;

    if (joined == NULL)
        return value_error(budget->over);
    if (left.size > 0)
        memcpy(joined, left.data, left.size);
    if (right.size > 0)
        memcpy(joined + left.size, right.data, right.size);
    return (struct value){ .kind = kind, .text = { joined, left.size + right.size } };
}

static struct value join_lists(struct budget *budget, const struct value *a, const struct value *b)
{
    size_t first = value_count(a), count = first + value_count(b);
    struct value *items = budget_steps(budget, count / 64) ? budget_take(budget, count * sizeof(*items)) : NULL;

    if (items == NULL)
        return value_error(budget->over);
    for (size_t i = 0; i < count; i++)
        items[i] = i < first ? value_item(a, i) : value_item(b, i - first);
    return (struct value){ .kind = VALUE_LIST, .list = { items, count } };
}

static bool is_time(const struct value *value)
{
    return value->kind == VALUE_TIMESTAMP || value->kind == VALUE_DURATION;
}

static struct value add(struct budget *budget, const struct value *a, const struct value *b)
{
    if (a->kind == VALUE_NULL)
        return *b;
    if (b->kind == VALUE_NULL)
        return *a;
    if (a->kind == VALUE_STRING || b->kind == VALUE_STRING)
        return join_texts(budget, VALUE_STRING, a, b);
    if (a->kind == VALUE_BYTES && b->kind == VALUE_BYTES)
        return join_texts(budget, VALUE_BYTES, a, b);
    if (a->kind == VALUE_LIST && b->kind == VALUE_LIST)
        return join_lists(budget, a, b);
    return no_operator(budget, '+', a, b);
}

static struct value calculate(struct budget *budget, int operation, const struct value *a, const struct value *b)
{
    if (value_is_number(a) && value_is_number(b))
        return number_calculate((char)operation, a, b);
    if (is_time(a) && is_time(b) && (operation == '+' || operation == '-')) {
        struct value sum = time_calculate((char)operation, a, b);
        return sum.kind == VALUE_ERROR && strcmp(sum.error, "no such overload") == 0 ? no_operator(budget, operation, a, b) : sum;
    }
    return operation == '+' ? add(budget, a, b) : no_operator(budget, operation, a, b);
}

static bool is_in_order(int operation, int order)
{
    switch (operation) {
    case '<':
        return order == -1;
    case '>':
        return order == 1;
    case OPERATION_LESS_EQUAL:
        return order == -1 || order == 0;
    default:
        return order == 1 || order == 0;
    }
}

static struct value compare(struct budget *budget, int operation, const struct value *a, const struct value *b)
{
    int order;

    if (a->kind == VALUE_NULL || b->kind == VALUE_NULL)
        return value_bool(false);
    if (!value_compare(a, b, &order))
        return no_operator(budget, operation, a, b);
    if (!budget_look(budget, a->kind == VALUE_STRING ? a->text.size : 0))
        return value_error(budget->over);
    return value_bool(is_in_order(operation, order));
}

static struct value is_element(struct budget *budget, const struct value *value, const struct value *list)
{
    for (size_t i = 0; i < value_count(list); i++) {
        struct value item = value_item(list, i);
        if (value_equals(budget, &item, value))
            return value_bool(true);
    }
    return value_bool(false);
}

static struct value is_in(struct budget *budget, const struct value *value, const struct value *container)
{
    struct value found;

    switch (container->kind) {
    case VALUE_LIST:
        return is_element(budget, value, container);
    case VALUE_MAP:
        return value_bool(value_find(budget, container, value, &found));
    case VALUE_NULL:
        return value_bool(false);
    default:
        return no_operator(budget, OPERATION_IN, value, container);
    }
}

struct value operate(struct budget *budget, int operation, const struct value *a, const struct value *b)
{
    assert(a->kind != VALUE_ERROR && b->kind != VALUE_ERROR);
    switch (operation) {
    case OPERATION_EQUAL:
        return value_bool(value_equals(budget, a, b));
    case OPERATION_UNEQUAL:
        return value_bool(!value_equals(budget, a, b));
    case OPERATION_IN:
        return is_in(budget, a, b);
    case '<':
    case '>':
    case OPERATION_LESS_EQUAL:
    case OPERATION_MORE_EQUAL:
        return compare(budget, operation, a, b);
    default:
        return calculate(budget, operation, a, b);
    }
}
