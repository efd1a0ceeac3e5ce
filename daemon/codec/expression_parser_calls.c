/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/expression_parser_internal.h"

#include <string.h>

#include "base/array.h"

/* Of a call whose bracket was just taken: how many arguments it has, by their commas. Reads on a copy. */
static size_t count_arguments(const struct parser *parser)
{
    struct lexer lexer = parser->lexer;
    struct token token = parser->token;
    size_t depth = 0, commas = 0;

    if (parser_is_at(parser, ')'))
        return 0;
    for (; token.kind != TOKEN_END && token.kind != TOKEN_FAULT; token = lexer_next(&lexer)) {
        int operation = token.kind == TOKEN_OPERATOR ? token.operation : 0;
        if (operation == '(' || operation == '[' || operation == '{')
            depth++;
        else if (depth == 0 && operation == ')')
            break;
        else if (operation == ')' || operation == ']' || operation == '}')
            depth -= depth > 0;
        commas += depth == 0 && operation == ',';
    }
    return commas + 1;
}

static const struct prepared *prepare(struct parser *parser, const struct function *function, const struct value *literal)
{
    struct arena *arena = &parser->expression->arena;
    struct prepared *prepared = arena_take(arena, sizeof(*prepared));
    char reason[200] = "";
    struct error error = { 0 };

    *prepared = (struct prepared){ .next = parser->expression->prepared };
    parser->expression->prepared = prepared;
    if (function->prepares == PREPARES_REGEX)
        prepared->regex = regex_compile(literal->text.data, literal->text.size, reason, sizeof(reason));
    else if (zone_open(literal->text, &prepared->zone, &error) != 0)
        memcpy(reason, error.text, sizeof(error.text));
    if (prepared->regex == NULL && prepared->zone == NULL)
        prepared->fault = strcpy(arena_take(arena, strlen(reason) + 1), reason);
    return prepared;
}

static void prepare_last(struct parser *parser, struct node *call)
{
    const struct node *last = call->children;

    if (call->call.function->prepares == PREPARES_NOTHING || last == NULL)
        return;
    while (last->next != NULL)
        last = last->next;
    if (node_is_constant_string(last))
        call->call.prepared = prepare(parser, call->call.function, &last->constant);
}

static bool check_call(struct parser *parser, const struct token *name, const struct function *function, enum function_style style)
{
    size_t given = count_arguments(parser) + (style == CALLED_ON_A_VALUE);

    if (function == NULL) {
        (void)parser_refuse(parser, name->at, "unknown function %.*s", (int)name->text.size, (const char *)name->text.data);
        return false;
    }
    if ((function->styles & style) == 0) {
        (void)parser_refuse(parser, name->at,
                            style == CALLED_ALONE ? "%s() is called on a value: VALUE.%s(…)" : "%s() is not called on a value: %s(…)",
                            function->name, function->name);
        return false;
    }
    size_t own = style == CALLED_ON_A_VALUE;
    if (given >= function->least && given <= function->most)
        return true;
    if (function->least == function->most)
        (void)parser_refuse(parser, name->at, "%s() takes %zu argument%s, not %zu", function->name, function->least - own,
                            function->least - own == 1 ? "" : "s", given - own);
    else
        (void)parser_refuse(parser, name->at, "%s() takes %zu to %zu arguments, not %zu", function->name, function->least - own,
                            function->most - own, given - own);
    return false;
}

struct node *parse_call(struct parser *parser, const struct token *name, enum function_style style)
{
    const struct function *function = function_find(name->text);
    struct node *call = parser_make(parser, NODE_CALL);

    if (!check_call(parser, name, function, style))
        return NULL;
    call->call.function = function;
    if (!parse_list(parser, call, ')', "an argument, or ')',", false))
        return NULL;
    prepare_last(parser, call);
    return call;
}

/* ---- has() and the macros of lists ------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum macro macro;
} MACROS[] = {
    { "exists", MACRO_EXISTS },        { "all", MACRO_ALL },       { "exists_one", MACRO_EXISTS_ONE },
    { "existsOne", MACRO_EXISTS_ONE }, { "filter", MACRO_FILTER }, { "map", MACRO_MAP },
};

static bool find_macro(struct bytes name, enum macro *ret_macro)
{
    for (size_t i = 0; i < COUNT_OF(MACROS); i++) {
        if (word_is(name, MACROS[i].name)) {
            *ret_macro = MACROS[i].macro;
            return true;
        }
    }
    return false;
}

/* `x, ` at the begin of a macro. */
static bool take_variable(struct parser *parser, struct bytes macro)
{
    struct token name = parser->token;

    if (name.kind == TOKEN_NAME && !word_is_reserved(name.text)) {
        parser_advance(parser);
        if (parser_take(parser, ',')) {
            parser->variables[parser->variable_count++] = name.text;
            return true;
        }
    }
    (void)parser_refuse(parser, name.at, "not a variable: %.*s() takes a name first, which stands for each element", (int)macro.size,
                        (const char *)macro.data);
    return false;
}

static struct node *parse_macro(struct parser *parser, const struct token *name, enum macro macro)
{
    struct node *node = parser_make(parser, NODE_MACRO);
    size_t count = count_arguments(parser);

    if (count != 2 && !(macro == MACRO_MAP && count == 3))
        return parser_refuse(parser, name->at, "%.*s() takes a variable and a %s", (int)name->text.size, (const char *)name->text.data,
                             macro == MACRO_MAP ? "transformation, or a condition between them" : "condition");
    if (parser->variable_count == COUNT_OF(parser->variables))
        return parser_refuse(parser, name->at, "it is nested deeper than %d", EXPRESSION_MOST_DEPTH);
    if (!take_variable(parser, name->text))
        return NULL;
    if (parser_is_at(parser, ')'))
        return parser_refuse_token(parser, "a condition");
    node->over.macro = macro;
    node->over.slot = parser->variable_count - 1;
    if (!parse_list(parser, node, ')', "')'", false))
        return NULL;
    parser->variable_count--;
    return node;
}

/* The path `a.b.c` as `a.b` and a node that asks for its c. */
static struct node *has_of(struct parser *parser, struct node *path, const char *at)
{
    struct node *has = parser_make(parser, NODE_HAS);

    if (path->kind == NODE_FIELD) {
        has->children = path;
        return has;
    }
    struct node *before = path->kind == NODE_PATH ? path->children : NULL;
    while (before != NULL && before->next != NULL && before->next->next != NULL)
        before = before->next;
    if (before == NULL || before->next == NULL || before->next->kind != NODE_SELECT)
        return parser_refuse(parser, at, "has() takes a field: has(event.data.name)");
    has->name = before->next->name;
    before->next = NULL;
    has->children = path;
    return has;
}

struct node *parse_has(struct parser *parser, const struct token *name)
{
    if (count_arguments(parser) != 1)
        return parser_refuse(parser, name->at, "has() takes a field: has(event.data.name)");
    const char *at = parser->token.at;
    struct node *path = parse_expression(parser);
    if (path == NULL || !parser_want(parser, ')', "')'"))
        return NULL;
    return has_of(parser, path, at);
}

struct node *parse_call_on_value(struct parser *parser, const struct token *name)
{
    enum macro macro;

    return find_macro(name->text, &macro) ? parse_macro(parser, name, macro) : parse_call(parser, name, CALLED_ON_A_VALUE);
}
