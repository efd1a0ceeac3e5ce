/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/expression_internal.h"

#include <assert.h>
#include <math.h>

#include "codec/expression_functions.h"
#include "codec/expression_number.h"
#include "codec/expression_operators.h"
#include "codec/expression_time.h"

static struct value evaluate_path(struct evaluation *evaluation, const struct node *path);

void evaluation_init(struct evaluation *evaluation, const struct expression_scope *scope)
{
    assert(scope != NULL);
    evaluation->budget.steps_left = EXPRESSION_MOST_STEPS;
    evaluation->budget.over = NULL;
    arena_init(&evaluation->budget.arena, evaluation->first_memory, sizeof(evaluation->first_memory), EXPRESSION_MOST_BUILT);
    evaluation->scope = scope;
}

void evaluation_done(struct evaluation *evaluation)
{
    arena_done(&evaluation->budget.arena);
}

struct value evaluation_over(const struct evaluation *evaluation)
{
    assert(evaluation->budget.over != NULL);
    return value_error(evaluation->budget.over);
}

/* ---- lists and maps as they are written ------------------------------------------------------------ */

static struct value evaluate_list(struct evaluation *evaluation, const struct node *node)
{
    struct value *items = budget_take(&evaluation->budget, node->count * sizeof(*items));
    size_t count = 0;

    assert(node->kind == NODE_LIST);
    if (items == NULL)
        return evaluation_over(evaluation);
    for (const struct node *child = node->children; child != NULL; child = child->next, count++) {
        items[count] = evaluate(evaluation, child);
        if (items[count].kind == VALUE_ERROR)
            return items[count];
    }
    return (struct value){ .kind = VALUE_LIST, .list = { items, count } };
}

static bool may_be_key(const struct value *value)
{
    return value->kind == VALUE_STRING || value->kind == VALUE_BOOL || value->kind == VALUE_INT || value->kind == VALUE_UINT;
}

static struct value check_key(struct evaluation *evaluation, const struct value *map, const struct value *key)
{
    struct value found;

    if (key->kind == VALUE_ERROR)
        return *key;
    if (!may_be_key(key))
        return value_error_format(&evaluation->budget, "unsupported key type: %s", value_type_name(key));
    return value_find(&evaluation->budget, map, key, &found) ? value_error("duplicate key") : VALUE_NOTHING;
}

static struct value evaluate_map(struct evaluation *evaluation, const struct node *node)
{
    struct value_pair *pairs = budget_take(&evaluation->budget, node->count / 2 * sizeof(*pairs));
    struct value map = { .kind = VALUE_MAP, .map = { pairs, 0 } };

    assert(node->kind == NODE_MAP && node->count % 2 == 0);
    if (pairs == NULL)
        return evaluation_over(evaluation);
    for (const struct node *child = node->children; child != NULL; child = child->next->next) {
        struct value_pair pair = { .key = evaluate(evaluation, child) };
        struct value fault = check_key(evaluation, &map, &pair.key);
        if (fault.kind == VALUE_ERROR)
            return fault;
        pair.value = evaluate(evaluation, child->next);
        if (pair.value.kind == VALUE_ERROR)
            return pair.value;
        pairs[map.map.count++] = pair;
    }
    return map;
}

/* ---- operators ------------------------------------------------------------ */

static struct value evaluate_chain(struct evaluation *evaluation, const struct node *node)
{
    const struct node *operand = node->children;
    struct value value = evaluate(evaluation, operand);

    assert(node->kind == NODE_CHAIN && operand != NULL);
    while ((operand = operand->next) != NULL && value.kind != VALUE_ERROR) {
        struct value right = evaluate(evaluation, operand);
        if (right.kind == VALUE_ERROR || !budget_step(&evaluation->budget))
            return right.kind == VALUE_ERROR ? right : evaluation_over(evaluation);
        value = operate(&evaluation->budget, operand->operation, &value, &right);
    }
    return value;
}

/* `&&` is decided by the first that is not true, `||` by the first that is, whatever errors the others have. */
static struct value evaluate_joined(struct evaluation *evaluation, const struct node *node)
{
    struct value last = VALUE_NOTHING, error = VALUE_NOTHING;

    assert(node->kind == NODE_AND || node->kind == NODE_OR);
    for (const struct node *child = node->children; child != NULL; child = child->next) {
        last = evaluate(evaluation, child);
        if (last.kind == VALUE_ERROR && error.kind != VALUE_ERROR)
            error = last;
        else if (last.kind != VALUE_ERROR && value_is_true(&last) == (node->kind == NODE_OR))
            return last;
    }
    return error.kind == VALUE_ERROR ? error : last;
}

static struct value evaluate_choice(struct evaluation *evaluation, const struct node *node)
{
    struct value condition = evaluate(evaluation, node->children);

    if (condition.kind == VALUE_ERROR)
        return condition;
    const struct node *then = node->children->next;
    return evaluate(evaluation, value_is_true(&condition) ? then : then->next);
}

static struct value evaluate_not(struct evaluation *evaluation, const struct node *node)
{
    struct value value = evaluate(evaluation, node->children);

    if (value.kind == VALUE_ERROR)
        return value;
    if (value.kind != VALUE_BOOL)
        return value_error_format(&evaluation->budget, "no such overload: !_ of %s", value_type_name(&value));
    return value_bool(value.boolean == (node->times % 2 == 0));
}

static struct value evaluate_minus(struct evaluation *evaluation, const struct node *node)
{
    struct value value = evaluate(evaluation, node->children);

    for (size_t i = 0; i < node->times && value.kind != VALUE_ERROR; i++) {
        if (value_is_number(&value))
            value = number_negate(&value);
        else if (value.kind == VALUE_DURATION && value.nanoseconds != INT64_MIN)
            value = time_duration(-value.nanoseconds);
        else
            value = value_error_format(&evaluation->budget, "no such overload: -_ of %s", value_type_name(&value));
    }
    return value;
}

/* ---- the steps of a path ------------------------------------------------------------ */

static struct value select_field(const struct value *value, struct bytes name)
{
    struct value found;

    return value->kind == VALUE_MAP && value_find_text(value, name, &found) ? found : VALUE_NOTHING;
}

static struct value index_list(struct evaluation *evaluation, const struct value *list, const struct value *index)
{
    char text[NUMBER_TEXT_SIZE];
    int64_t at = -1;

    assert(list->kind == VALUE_LIST);
    if (!value_is_number(index))
        return value_error_format(&evaluation->budget, "no such overload: list[%s]", value_type_name(index));
    (void)number_write(index, text);
    if (index->kind == VALUE_DOUBLE && index->number != trunc(index->number))
        return value_error_format(&evaluation->budget, "unsupported index value %s in list", text);
    if (!number_to_int(index, &at) || at < 0 || (uint64_t)at >= value_count(list))
        return value_error_format(&evaluation->budget, "index out of range: %s", text);
    return value_item(list, (size_t)at);
}

static struct value index_value(struct evaluation *evaluation, const struct value *value, const struct value *index)
{
    struct value found;

    switch (value->kind) {
    case VALUE_NULL:
        return VALUE_NOTHING;
    case VALUE_LIST:
        return index_list(evaluation, value, index);
    case VALUE_MAP:
        return value_find(&evaluation->budget, value, index, &found) ? found : VALUE_NOTHING;
    default:
        return value_error_format(&evaluation->budget, "no such overload: %s[%s]", value_type_name(value), value_type_name(index));
    }
}

/* `on` NULL: the call stands alone. */
static struct value evaluate_call(struct evaluation *evaluation, const struct node *node, const struct value *on)
{
    struct value arguments[FUNCTION_MOST_ARGUMENTS];
    struct function_call call = { evaluation, node->call.function, node->call.prepared, arguments, 0 };

    if (on != NULL)
        arguments[call.count++] = *on;
    for (const struct node *child = node->children; child != NULL; child = child->next) {
        assert(call.count < FUNCTION_MOST_ARGUMENTS); /* the parser counts them */
        arguments[call.count] = evaluate(evaluation, child);
        if (arguments[call.count].kind == VALUE_ERROR)
            return arguments[call.count];
        call.count++;
    }
    assert(call.count >= call.function->least && call.count <= call.function->most);
    return call.function->run(&call);
}

/* ---- all together ------------------------------------------------------------ */

static struct value follow(struct evaluation *evaluation, const struct node *step, const struct value *value)
{
    switch (step->kind) {
    case NODE_SELECT:
        return select_field(value, step->name);
    case NODE_CALL:
        return evaluate_call(evaluation, step, value);
    case NODE_MACRO:
        return evaluate_macro(evaluation, step, value);
    default:
        break;
    }
    struct value index = evaluate(evaluation, step->children);
    return index.kind == VALUE_ERROR ? index : index_value(evaluation, value, &index);
}

static struct value evaluate_path(struct evaluation *evaluation, const struct node *path)
{
    const struct node *step = path->children;
    struct value value = evaluate(evaluation, step);

    assert(path->kind == NODE_PATH && step != NULL);
    while ((step = step->next) != NULL && value.kind != VALUE_ERROR) {
        if (!budget_step(&evaluation->budget))
            return evaluation_over(evaluation);
        value = follow(evaluation, step, &value);
    }
    return value;
}

struct value evaluate(struct evaluation *evaluation, const struct node *node)
{
    if (!budget_step(&evaluation->budget))
        return evaluation_over(evaluation);
    switch (node->kind) {
    case NODE_CONSTANT:
        return node->constant;
    case NODE_LOCAL:
        assert(node->slot < EXPRESSION_MOST_DEPTH);
        return evaluation->locals[node->slot];
    case NODE_EVENT:
        return evaluate_event(evaluation, node);
    case NODE_FIELD:
        return evaluate_field(evaluation, node);
    case NODE_LIST:
        return evaluate_list(evaluation, node);
    case NODE_MAP:
        return evaluate_map(evaluation, node);
    case NODE_NOT:
        return evaluate_not(evaluation, node);
    case NODE_MINUS:
        return evaluate_minus(evaluation, node);
    case NODE_CHAIN:
        return evaluate_chain(evaluation, node);
    case NODE_AND:
    case NODE_OR:
        return evaluate_joined(evaluation, node);
    case NODE_CHOICE:
        return evaluate_choice(evaluation, node);
    case NODE_PATH:
        return evaluate_path(evaluation, node);
    case NODE_CALL:
        return evaluate_call(evaluation, node, NULL);
    case NODE_HAS:
        return evaluate_has(evaluation, node);
    default:
        break; /* steps of paths alone */
    }
    return value_error("it is no expression");
}
