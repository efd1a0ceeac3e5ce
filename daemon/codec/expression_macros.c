/* SPDX-License-Identifier: Apache-2.0 */
/* exists(), all(), exists_one(), filter(), map(): over the elements of a list, the keys of a map. */
#include "codec/expression_internal.h"

#include <assert.h>

static struct value element(const struct value *container, size_t index)
{
    return container->kind == VALUE_LIST ? value_item(container, index) : value_key_at(container, index);
}

/* The condition for the element at `index`: true, false, or an error. */
static struct value ask(struct evaluation *evaluation, const struct node *macro, const struct value *container, size_t index)
{
    assert(macro->over.slot < EXPRESSION_MOST_DEPTH && index < value_count(container));
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
            return evaluation_over(evaluation);
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
        return evaluation_over(evaluation);
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

struct value evaluate_macro(struct evaluation *evaluation, const struct node *macro, const struct value *container)
{
    assert(container->kind != VALUE_ERROR);
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
