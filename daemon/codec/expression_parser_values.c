/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/expression_parser_internal.h"

#include <string.h>

#include "base/array.h"

static struct node *parse_list_literal(struct parser *parser)
{
    struct node *list = parser_make(parser, NODE_LIST);
    return parse_list(parser, list, ']', "an element, or ']',", true) ? list : NULL;
}

static bool has_literal_key(const struct node *map, const struct value *key)
{
    struct budget budget = { .steps_left = EXPRESSION_MOST_STEPS };

    for (const struct node *child = map->children; child != NULL && child->next != NULL; child = child->next->next)
        if (child->kind == NODE_CONSTANT && value_equals(&budget, &child->constant, key))
            return true;
    return false;
}

static bool parse_entry(struct parser *parser, struct node *map, struct node **last)
{
    const char *at = parser->token.at;
    struct node *key = parse_expression(parser);

    if (key == NULL || !parser_want(parser, ':', "':'"))
        return false;
    if (key->kind == NODE_CONSTANT && has_literal_key(map, &key->constant)) {
        (void)parser_refuse(parser, at, "duplicate key");
        return false;
    }
    struct node *value = parse_expression(parser);
    if (value == NULL)
        return false;
    *last = node_adopt(map, node_adopt(map, *last, key), value);
    return true;
}

static struct node *parse_map_literal(struct parser *parser)
{
    struct node *map = parser_make(parser, NODE_MAP), *last = NULL;

    while (!parser_is_at(parser, '}')) {
        if (!parse_entry(parser, map, &last))
            return NULL;
        if (!parser_take(parser, ','))
            break;
    }
    return parser_want(parser, '}', "',' or '}'") ? map : NULL;
}

static struct node *parse_whole(struct parser *parser, bool is_negative)
{
    uint64_t natural = parser->token.natural;

    if (!is_negative && natural > INT64_MAX)
        return parser_refuse(parser, parser->token.at, "the number is beyond what an int can be");
    parser_advance(parser);
    return parser_make_constant(parser, value_int(is_negative ? (int64_t)(0 - natural) : (int64_t)natural));
}

struct node *parse_number(struct parser *parser, bool is_negative)
{
    struct value value = { .kind = VALUE_UINT, .natural = parser->token.natural };

    if (parser->token.kind == TOKEN_INT)
        return parse_whole(parser, is_negative);
    if (parser->token.kind == TOKEN_DOUBLE)
        value = value_double(is_negative ? -parser->token.number : parser->token.number);
    parser_advance(parser);
    return parser_make_constant(parser, value);
}

static struct node *parse_text(struct parser *parser)
{
    enum value_kind kind = parser->token.kind == TOKEN_STRING ? VALUE_STRING : VALUE_BYTES;
    struct value value = { .kind = kind, .text = parser->token.text };

    parser_advance(parser);
    return parser_make_constant(parser, value);
}

/* ---- names -------------------------------------------------------------------------------------------- */

static struct node *find_variable(struct parser *parser, struct bytes name)
{
    for (size_t i = parser->variable_count; i > 0; i--) {
        struct bytes variable = parser->variables[i - 1];
        if (variable.size == name.size && memcmp(variable.data, name.data, name.size) == 0) {
            struct node *local = parser_make(parser, NODE_LOCAL);
            local->slot = i - 1;
            return local;
        }
    }
    return NULL;
}

/* `int` and the others stand for the type itself. */
static struct node *find_type(struct parser *parser, struct bytes name)
{
    static const char *const types[] = { "int", "uint", "double", "bool", "string", "bytes", "list", "map", "null_type", "type" };

    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (word_is(name, types[i]))
            return parser_make_constant(parser, value_type(types[i]));
    return NULL;
}

/* `google.protobuf.Timestamp`: the one type whose name has points, and Duration. */
static struct node *find_long_type(struct parser *parser, struct bytes name)
{
    static const char *const types[] = { "google.protobuf.Timestamp", "google.protobuf.Duration" };

    if (!word_is(name, "google"))
        return NULL;
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        size_t size = strlen(types[i]);
        const char *begin = name.data;
        if ((size_t)(parser->lexer.end - begin) < size || memcmp(begin, types[i], size) != 0)
            continue;
        parser->lexer.at = begin + size;
        parser_advance(parser);
        return parser_make_constant(parser, value_type(types[i]));
    }
    return NULL;
}

static struct node *find_event(struct parser *parser, struct bytes name)
{
    if (!word_is(name, "event") && !word_is(name, "async"))
        return NULL;
    struct node *event = parser_make(parser, NODE_EVENT);
    event->is_async = word_is(name, "async");
    return event;
}

static struct node *find_word(struct parser *parser, struct bytes name)
{
    if (word_is(name, "true") || word_is(name, "false"))
        return parser_make_constant(parser, value_bool(word_is(name, "true")));
    return word_is(name, "null") ? parser_make_constant(parser, VALUE_NOTHING) : NULL;
}

static struct node *parse_name(struct parser *parser)
{
    struct token name = parser->token;
    struct node *node = find_word(parser, name.text);

    if (node == NULL && word_is_reserved(name.text))
        return parser_refuse_token(parser, "a value");
    parser_advance(parser);
    if (node == NULL && parser_is_at(parser, '(')) {
        parser_advance(parser);
        return word_is(name.text, "has") ? parse_has(parser, &name) : parse_call(parser, &name, CALLED_ALONE);
    }
    if (node == NULL)
        node = find_variable(parser, name.text);
    if (node == NULL)
        node = find_event(parser, name.text);
    if (node == NULL)
        node = find_type(parser, name.text);
    if (node == NULL)
        node = find_long_type(parser, name.text);
    if (node == NULL)
        return parser_refuse(parser, name.at, "unknown variable %.*s", (int)name.text.size, (const char *)name.text.data);
    return node;
}

struct node *parse_primary(struct parser *parser)
{
    switch (parser->token.kind) {
    case TOKEN_INT:
    case TOKEN_UINT:
    case TOKEN_DOUBLE:
        return parse_number(parser, false);
    case TOKEN_STRING:
    case TOKEN_BYTES:
        return parse_text(parser);
    case TOKEN_NAME:
        return parse_name(parser);
    default:
        break;
    }
    if (parser_take(parser, '['))
        return parse_list_literal(parser);
    if (parser_take(parser, '{'))
        return parse_map_literal(parser);
    if (parser_take(parser, '.'))
        return parser->token.kind == TOKEN_NAME ? parse_name(parser) : parser_refuse_token(parser, "a name");
    if (!parser_take(parser, '('))
        return parser_refuse_token(parser, "a value");
    struct node *inner = parse_expression(parser);
    return inner != NULL && parser_want(parser, ')', "')'") ? inner : NULL;
}

/* ---- paths -------------------------------------------------------------------------------------------- */

static enum expression_field field_of(struct bytes name)
{
    static const char *const names[] = { "id", "name", "data", "user", "ts", "v", "topic", "key", "headers" };

    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (word_is(name, names[i]))
            return (enum expression_field)i;
    return EXPRESSION_FIELD_COUNT;
}

/* `event.data` is one node, and so is `event['data']`. */
static struct node *field_node(struct parser *parser, const struct node *event, const struct node *step)
{
    struct node *field = parser_make(parser, NODE_FIELD);

    field->is_async = event->is_async;
    field->field = field_of(step->kind == NODE_SELECT ? step->name : step->children->constant.text);
    return field;
}

static bool is_named_step(const struct node *step)
{
    return step->kind == NODE_SELECT || (step->kind == NODE_INDEX && node_is_constant_string(step->children));
}

static struct node *parse_index(struct parser *parser)
{
    struct node *step = parser_make(parser, NODE_INDEX);
    struct node *index = parse_expression(parser);

    if (index == NULL || !parser_want(parser, ']', "']'"))
        return NULL;
    (void)node_adopt(step, NULL, index);
    return step;
}

/* Behind the point. */
static struct node *parse_member(struct parser *parser)
{
    static const char *const keywords[] = { "true", "false", "null" };
    struct token name = parser->token;

    bool is_quoted = name.kind == TOKEN_QUOTED_NAME;

    if (!is_quoted && (name.kind != TOKEN_NAME || word_is_among(name.text, keywords, COUNT_OF(keywords))))
        return parser_refuse_token(parser, "a name");
    parser_advance(parser);
    if (!is_quoted && parser_take(parser, '('))
        return parse_call_on_value(parser, &name);
    struct node *step = parser_make(parser, NODE_SELECT);
    step->name = name.text;
    return step;
}

struct node *parse_path(struct parser *parser, struct node *start)
{
    struct node *path = NULL, *last = start;

    while (start != NULL && (parser_is_at(parser, '.') || parser_is_at(parser, '['))) {
        struct node *step = parser_take(parser, '.') ? parse_member(parser) : (parser_advance(parser), parse_index(parser));
        if (step == NULL)
            return NULL;
        if (path == NULL && last->kind == NODE_EVENT && is_named_step(step)) {
            last = field_node(parser, last, step);
            continue;
        }
        if (path == NULL) {
            path = parser_make(parser, NODE_PATH);
            last = node_adopt(path, NULL, last);
        }
        last = node_adopt(path, last, step);
    }
    return path != NULL ? path : last;
}
