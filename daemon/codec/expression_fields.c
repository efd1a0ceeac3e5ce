/* SPDX-License-Identifier: Apache-2.0 */
/* What an expression reads of an event. */
#include "codec/expression_internal.h"

#include <string.h>
#include <strings.h>

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
        return evaluation_over(evaluation);
    struct value_pair *pairs = budget_take(&evaluation->budget, (count + 1) * sizeof(*pairs));
    if (pairs == NULL)
        return evaluation_over(evaluation);
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
        return evaluation_over(evaluation);
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

struct value evaluate_field(struct evaluation *evaluation, const struct node *node)
{
    struct value value;

    return read_field(evaluation, event_of(evaluation, node), node->field, &value) ? value : VALUE_NOTHING;
}

/* All that it has, as a map. */
struct value evaluate_event(struct evaluation *evaluation, const struct node *node)
{
    static const char *const names[EXPRESSION_FIELD_COUNT] = { "id", "name", "data", "user", "ts", "v", "topic", "key", "headers" };
    const struct expression_event *event = event_of(evaluation, node);
    size_t count = 0;

    if (event == NULL)
        return VALUE_NOTHING;
    struct value_pair *pairs = budget_take(&evaluation->budget, EXPRESSION_FIELD_COUNT * sizeof(*pairs));
    if (pairs == NULL)
        return evaluation_over(evaluation);
    for (size_t i = 0; i < EXPRESSION_FIELD_COUNT; i++)
        if (read_field(evaluation, event, (enum expression_field)i, &pairs[count].value))
            pairs[count++].key = value_string(names[i], strlen(names[i]));
    return (struct value){ .kind = VALUE_MAP, .map = { pairs, count } };
}

struct value evaluate_has(struct evaluation *evaluation, const struct node *node)
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
