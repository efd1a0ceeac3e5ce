/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/expression_parts.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include "base/array.h"
#include "codec/expression_functions.h"
#include "codec/expression_lexer.h"
#include "codec/expression_number.h"
#include "codec/expression_time.h"

static struct value evaluate_path(struct evaluation *evaluation, const struct node *path);

void evaluation_init(struct evaluation *evaluation, const struct expression_scope *scope)
{
    evaluation->budget.steps_left = EXPRESSION_MOST_STEPS;
    evaluation->budget.over = NULL;
    arena_init(&evaluation->budget.arena, evaluation->first_memory, sizeof(evaluation->first_memory), EXPRESSION_MOST_BUILT);
    evaluation->scope = scope;
}

void evaluation_done(struct evaluation *evaluation)
{
    arena_done(&evaluation->budget.arena);
}

static struct value over(const struct evaluation *evaluation)
{
    return value_error(evaluation->budget.over);
}

/* ---- events ----------------------------------------------------------------------------------------- */

static const struct expression_event *event_of(const struct evaluation *evaluation, const struct node *node)
{
    return node->is_async ? evaluation->scope->async : evaluation->scope->event;
}

static bool has_name(const struct value_pair *pairs, size_t count, struct bytes name)
{
    for (size_t i = 0; i < count; i++)
        if (pairs[i].key.text.size == name.size && strncasecmp(pairs[i].key.text.data, name.data, name.size) == 0)
            return true;
    return false;
}

/* Of a name that stands twice the last counts: from the last to the first. */
static struct value headers_of(struct evaluation *evaluation, const struct expression_event *event)
{
    struct bytes name;
    msgpack_object object;
    size_t count = 0, kept = 0;

    while (event->read_header(event, count, &name, &object))
        count++;
    if (!budget_steps(&evaluation->budget, count))
        return over(evaluation);
    struct value_pair *pairs = budget_take(&evaluation->budget, (count + 1) * sizeof(*pairs));
    if (pairs == NULL)
        return over(evaluation);
    for (size_t i = count; i > 0; i--)
        if (event->read_header(event, i - 1, &name, &object) && !has_name(pairs, kept, name))
            pairs[kept++] = (struct value_pair){ value_string(name.data, name.size), value_of_object(&object) };
    return (struct value){ .kind = VALUE_MAP, .ignores_case = true, .map = { pairs, kept } };
}

/* Lists and maps stay where they are: their object is kept in the arena. */
static struct value keep_object(struct evaluation *evaluation, const msgpack_object *object)
{
    if (object->type != MSGPACK_OBJECT_ARRAY && object->type != MSGPACK_OBJECT_MAP)
        return value_of_object(object);
    msgpack_object *kept = budget_take(&evaluation->budget, sizeof(*kept));
    if (kept == NULL)
        return over(evaluation);
    *kept = *object;
    return value_of_object(kept);
}

static bool read_field(struct evaluation *evaluation, const struct expression_event *event, enum expression_field field,
                       struct value *ret_value)
{
    msgpack_object object;

    if (event == NULL || field == EXPRESSION_FIELD_COUNT || !event->read(event, field, &object))
        return false;
    if (field == EXPRESSION_HEADERS && event->read_header != NULL)
        *ret_value = headers_of(evaluation, event);
    else
        *ret_value = keep_object(evaluation, &object);
    return true;
}

static struct value evaluate_field(struct evaluation *evaluation, const struct node *node)
{
    struct value value;

    return read_field(evaluation, event_of(evaluation, node), node->field, &value) ? value : VALUE_NOTHING;
}

/* All that it has, as a map. */
static struct value evaluate_event(struct evaluation *evaluation, const struct node *node)
{
    static const char *const names[EXPRESSION_FIELD_COUNT] = { "id", "name", "data", "user", "ts", "v", "topic", "key", "headers" };
    const struct expression_event *event = event_of(evaluation, node);
    size_t count = 0;

    if (event == NULL)
        return VALUE_NOTHING;
    struct value_pair *pairs = budget_take(&evaluation->budget, EXPRESSION_FIELD_COUNT * sizeof(*pairs));
    if (pairs == NULL)
        return over(evaluation);
    for (size_t i = 0; i < EXPRESSION_FIELD_COUNT; i++)
        if (read_field(evaluation, event, (enum expression_field)i, &pairs[count].value))
            pairs[count++].key = value_string(names[i], strlen(names[i]));
    return (struct value){ .kind = VALUE_MAP, .map = { pairs, count } };
}

/* ---- lists and maps as they are written ----------------------------------------------------------------- */

static struct value evaluate_list(struct evaluation *evaluation, const struct node *node)
{
    struct value *items = budget_take(&evaluation->budget, node->count * sizeof(*items));
    size_t count = 0;

    if (items == NULL)
        return over(evaluation);
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

    if (pairs == NULL)
        return over(evaluation);
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

/* ---- operators ------------------------------------------------------------------------------------------ */

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

static struct value no_operator(struct evaluation *evaluation, int operation, const struct value *a, const struct value *b)
{
    return value_error_format(&evaluation->budget, "no such overload: %s of %s and %s", operator_name(operation), value_type_name(a),
                              value_type_name(b));
}

static struct value join_texts(struct evaluation *evaluation, enum value_kind kind, const struct value *a, const struct value *b)
{
    char small_a[SMALL_TEXT_SIZE], small_b[SMALL_TEXT_SIZE];
    struct bytes left = function_text(&evaluation->budget, a, small_a);
    struct bytes right = function_text(&evaluation->budget, b, small_b);
    char *joined = left.data != NULL && right.data != NULL ? budget_take(&evaluation->budget, left.size + right.size + 1) : NULL;

    if (joined == NULL)
        return over(evaluation);
    if (left.size > 0)
        memcpy(joined, left.data, left.size);
    if (right.size > 0)
        memcpy(joined + left.size, right.data, right.size);
    return (struct value){ .kind = kind, .text = { joined, left.size + right.size } };
}

static struct value join_lists(struct evaluation *evaluation, const struct value *a, const struct value *b)
{
    size_t first = value_count(a), count = first + value_count(b);
    struct value *items = budget_steps(&evaluation->budget, count / 64) ? budget_take(&evaluation->budget, count * sizeof(*items)) : NULL;

    if (items == NULL)
        return over(evaluation);
    for (size_t i = 0; i < count; i++)
        items[i] = i < first ? value_item(a, i) : value_item(b, i - first);
    return (struct value){ .kind = VALUE_LIST, .list = { items, count } };
}

static bool is_time(const struct value *value)
{
    return value->kind == VALUE_TIMESTAMP || value->kind == VALUE_DURATION;
}

static struct value add(struct evaluation *evaluation, const struct value *a, const struct value *b)
{
    if (a->kind == VALUE_NULL)
        return *b;
    if (b->kind == VALUE_NULL)
        return *a;
    if (a->kind == VALUE_STRING || b->kind == VALUE_STRING)
        return join_texts(evaluation, VALUE_STRING, a, b);
    if (a->kind == VALUE_BYTES && b->kind == VALUE_BYTES)
        return join_texts(evaluation, VALUE_BYTES, a, b);
    if (a->kind == VALUE_LIST && b->kind == VALUE_LIST)
        return join_lists(evaluation, a, b);
    return no_operator(evaluation, '+', a, b);
}

static struct value calculate(struct evaluation *evaluation, int operation, const struct value *a, const struct value *b)
{
    if (value_is_number(a) && value_is_number(b))
        return number_calculate((char)operation, a, b);
    if (is_time(a) && is_time(b) && (operation == '+' || operation == '-')) {
        struct value sum = time_calculate((char)operation, a, b);
        return sum.kind == VALUE_ERROR && strcmp(sum.error, "no such overload") == 0 ? no_operator(evaluation, operation, a, b) : sum;
    }
    return operation == '+' ? add(evaluation, a, b) : no_operator(evaluation, operation, a, b);
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

static struct value compare(struct evaluation *evaluation, int operation, const struct value *a, const struct value *b)
{
    int order;

    if (a->kind == VALUE_NULL || b->kind == VALUE_NULL)
        return value_bool(false);
    if (!value_compare(a, b, &order))
        return no_operator(evaluation, operation, a, b);
    if (!budget_look(&evaluation->budget, a->kind == VALUE_STRING ? a->text.size : 0))
        return over(evaluation);
    return value_bool(is_in_order(operation, order));
}

static struct value is_element(struct evaluation *evaluation, const struct value *value, const struct value *list)
{
    for (size_t i = 0; i < value_count(list); i++) {
        struct value item = value_item(list, i);
        if (value_equals(&evaluation->budget, &item, value))
            return value_bool(true);
    }
    return value_bool(false);
}

static struct value is_in(struct evaluation *evaluation, const struct value *value, const struct value *container)
{
    struct value found;

    switch (container->kind) {
    case VALUE_LIST:
        return is_element(evaluation, value, container);
    case VALUE_MAP:
        return value_bool(value_find(&evaluation->budget, container, value, &found));
    case VALUE_NULL:
        return value_bool(false);
    default:
        return no_operator(evaluation, OPERATION_IN, value, container);
    }
}

static struct value operate(struct evaluation *evaluation, int operation, const struct value *a, const struct value *b)
{
    switch (operation) {
    case OPERATION_EQUAL:
        return value_bool(value_equals(&evaluation->budget, a, b));
    case OPERATION_UNEQUAL:
        return value_bool(!value_equals(&evaluation->budget, a, b));
    case OPERATION_IN:
        return is_in(evaluation, a, b);
    case '<':
    case '>':
    case OPERATION_LESS_EQUAL:
    case OPERATION_MORE_EQUAL:
        return compare(evaluation, operation, a, b);
    default:
        return calculate(evaluation, operation, a, b);
    }
}

static struct value evaluate_chain(struct evaluation *evaluation, const struct node *node)
{
    const struct node *operand = node->children;
    struct value value = evaluate(evaluation, operand);

    while ((operand = operand->next) != NULL && value.kind != VALUE_ERROR) {
        struct value right = evaluate(evaluation, operand);
        if (right.kind == VALUE_ERROR || !budget_step(&evaluation->budget))
            return right.kind == VALUE_ERROR ? right : over(evaluation);
        value = operate(evaluation, operand->operation, &value, &right);
    }
    return value;
}

/* `&&` is decided by the first that is not true, `||` by the first that is, whatever errors the others have. */
static struct value evaluate_joined(struct evaluation *evaluation, const struct node *node)
{
    struct value last = VALUE_NOTHING, error = VALUE_NOTHING;

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

/* ---- the steps of a path ---------------------------------------------------------------------------------- */

static struct value select_field(const struct value *value, struct bytes name)
{
    struct value found;

    return value->kind == VALUE_MAP && value_find_text(value, name, &found) ? found : VALUE_NOTHING;
}

static struct value index_list(struct evaluation *evaluation, const struct value *list, const struct value *index)
{
    char text[NUMBER_TEXT_SIZE];
    int64_t at = -1;

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
        arguments[call.count] = evaluate(evaluation, child);
        if (arguments[call.count].kind == VALUE_ERROR)
            return arguments[call.count];
        call.count++;
    }
    return call.function->run(&call);
}

/* ---- macros: the elements of a list, the keys of a map ------------------------------------------------------ */

static struct value element(const struct value *container, size_t index)
{
    return container->kind == VALUE_LIST ? value_item(container, index) : value_key_at(container, index);
}

/* The condition for the element at `index`: true, false, or an error. */
static struct value ask(struct evaluation *evaluation, const struct node *macro, const struct value *container, size_t index)
{
    evaluation->locals[macro->over.slot] = element(container, index);
    struct value answer = evaluate(evaluation, macro->children);
    if (answer.kind == VALUE_BOOL || answer.kind == VALUE_ERROR)
        return answer;
    return value_error_format(&evaluation->budget, "no such overload: a condition that is a %s", value_type_name(&answer));
}

/* exists() is decided by one that is true, all() by one that is not. */
static struct value quantify(struct evaluation *evaluation, const struct node *macro, const struct value *container)
{
    bool decides = macro->over.macro == MACRO_EXISTS;
    struct value error = VALUE_NOTHING;

    for (size_t i = 0; i < value_count(container); i++) {
        struct value answer = ask(evaluation, macro, container, i);
        if (answer.kind == VALUE_BOOL && answer.boolean == decides)
            return answer;
        if (answer.kind == VALUE_ERROR && error.kind != VALUE_ERROR)
            error = answer;
        if (evaluation->budget.over != NULL)
            return over(evaluation);
    }
    return error.kind == VALUE_ERROR ? error : value_bool(!decides);
}

static struct value exists_one(struct evaluation *evaluation, const struct node *macro, const struct value *container)
{
    size_t found = 0;

    for (size_t i = 0; i < value_count(container); i++) {
        struct value answer = ask(evaluation, macro, container, i);
        if (answer.kind == VALUE_ERROR)
            return answer;
        found += answer.boolean;
    }
    return value_bool(found == 1);
}

/* filter(), and map() with and without a condition. */
static struct value collect(struct evaluation *evaluation, const struct node *macro, const struct value *container)
{
    size_t count = value_count(container), kept = 0;
    bool has_condition = macro->over.macro == MACRO_FILTER || macro->count == 2;
    const struct node *transformation = macro->over.macro == MACRO_FILTER ? NULL : has_condition ? macro->children->next : macro->children;
    struct value *items = budget_take(&evaluation->budget, count * sizeof(*items));

    if (items == NULL)
        return over(evaluation);
    for (size_t i = 0; i < count; i++) {
        evaluation->locals[macro->over.slot] = element(container, i);
        struct value answer = has_condition ? ask(evaluation, macro, container, i) : value_bool(true);
        if (answer.kind == VALUE_ERROR)
            return answer;
        if (!answer.boolean)
            continue;
        items[kept] = transformation != NULL ? evaluate(evaluation, transformation) : evaluation->locals[macro->over.slot];
        if (items[kept].kind == VALUE_ERROR)
            return items[kept];
        kept++;
    }
    return (struct value){ .kind = VALUE_LIST, .list = { items, kept } };
}

static struct value evaluate_macro(struct evaluation *evaluation, const struct node *macro, const struct value *container)
{
    if (container->kind != VALUE_LIST && container->kind != VALUE_MAP)
        return value_error_format(&evaluation->budget, "expected iterable type, got %s", value_type_name(container));
    switch (macro->over.macro) {
    case MACRO_EXISTS:
    case MACRO_ALL:
        return quantify(evaluation, macro, container);
    case MACRO_EXISTS_ONE:
        return exists_one(evaluation, macro, container);
    default:
        return collect(evaluation, macro, container);
    }
}

/* ---- all together ------------------------------------------------------------------------------------------- */

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

    while ((step = step->next) != NULL && value.kind != VALUE_ERROR) {
        if (!budget_step(&evaluation->budget))
            return over(evaluation);
        value = follow(evaluation, step, &value);
    }
    return value;
}

static struct value evaluate_has(struct evaluation *evaluation, const struct node *node)
{
    struct value found;

    const struct node *of = node->children;
    if (of->kind == NODE_FIELD)
        return value_bool(read_field(evaluation, event_of(evaluation, of), of->field, &found));
    struct value value = evaluate(evaluation, of);
    if (value.kind == VALUE_ERROR)
        return value;
    return value_bool(value.kind == VALUE_MAP && value_find_text(&value, node->name, &found));
}

struct value evaluate(struct evaluation *evaluation, const struct node *node)
{
    if (!budget_step(&evaluation->budget))
        return over(evaluation);
    switch (node->kind) {
    case NODE_CONSTANT:
        return node->constant;
    case NODE_LOCAL:
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
