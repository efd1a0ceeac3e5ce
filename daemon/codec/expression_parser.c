/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/expression_parts.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "codec/expression_functions.h"
#include "codec/expression_lexer.h"
#include "codec/utf8.h"

struct parser {
    struct expression *expression;
    const char *text;
    struct lexer lexer;
    struct token token; /* the next that is not taken yet */
    size_t depth;
    struct bytes variables[EXPRESSION_MOST_DEPTH]; /* of the macros around, the innermost last */
    size_t variable_count;
    const char *fault_at; /* the first fault's place; NULL: none */
    char fault[200];
};

static struct node *parse_expression(struct parser *parser);
static struct node *parse_unary(struct parser *parser);

/* ---- faults and tokens ------------------------------------------------------------------------------ */

PRINTF_LIKE(3, 4)
static struct node *refuse(struct parser *parser, const char *at, const char *format, ...)
{
    va_list arguments;

    if (parser->fault_at != NULL)
        return NULL;
    parser->fault_at = at;
    va_start(arguments, format);
    (void)vsnprintf(parser->fault, sizeof(parser->fault), format, arguments);
    va_end(arguments);
    return NULL;
}

static struct node *refuse_token(struct parser *parser, const char *wanted)
{
    const struct token *token = &parser->token;

    if (token->kind == TOKEN_FAULT)
        return refuse(parser, token->at, "%s", token->fault);
    if (token->kind == TOKEN_END)
        return refuse(parser, token->at, "syntax: it ends here, where %s should stand", wanted);
    return refuse(parser, token->at, "syntax: '%.*s' stands where %s should", (int)(token->end - token->at), token->at, wanted);
}

static void advance(struct parser *parser)
{
    parser->token = lexer_next(&parser->lexer);
}

static bool is_at(const struct parser *parser, int operation)
{
    return parser->token.kind == TOKEN_OPERATOR && parser->token.operation == operation;
}

static bool take(struct parser *parser, int operation)
{
    if (!is_at(parser, operation))
        return false;
    advance(parser);
    return true;
}

static bool want(struct parser *parser, int operation, const char *wanted)
{
    if (take(parser, operation))
        return true;
    (void)refuse_token(parser, wanted);
    return false;
}

static bool is_text(struct bytes bytes, const char *text)
{
    return bytes.size == strlen(text) && memcmp(bytes.data, text, bytes.size) == 0;
}

static bool is_among(struct bytes word, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_text(word, words[i]))
            return true;
    return false;
}

/* ---- nodes ------------------------------------------------------------------------------------------ */

static struct node *make(struct parser *parser, enum node_kind kind)
{
    struct node *node = arena_take(&parser->expression->arena, sizeof(*node));

    *node = (struct node){ .kind = kind };
    return node;
}

static struct node *make_constant(struct parser *parser, struct value value)
{
    struct node *node = make(parser, NODE_CONSTANT);

    node->constant = value;
    return node;
}

/* `last` NULL: the parent has no child yet. Returns the child. */
static struct node *adopt(struct node *parent, struct node *last, struct node *child)
{
    if (last != NULL)
        last->next = child;
    else
        parent->children = child;
    parent->count++;
    return child;
}

static bool is_constant_string(const struct node *node)
{
    return node->kind == NODE_CONSTANT && node->constant.kind == VALUE_STRING;
}

/* ---- calls ------------------------------------------------------------------------------------------ */

/* Of a call whose bracket was just taken: how many arguments it has, by their commas. Reads on a copy. */
static size_t count_arguments(const struct parser *parser)
{
    struct lexer lexer = parser->lexer;
    struct token token = parser->token;
    size_t depth = 0, commas = 0;

    if (is_at(parser, ')'))
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

/* `a, b)` behind the bracket, or `a, b]`: they become children of `parent`. */
static bool parse_list(struct parser *parser, struct node *parent, int closing, const char *wanted, bool may_end_with_comma)
{
    struct node *last = NULL;

    if (take(parser, closing))
        return true;
    do {
        if (last != NULL && may_end_with_comma && is_at(parser, closing))
            break;
        struct node *child = parse_expression(parser);
        if (child == NULL)
            return false;
        last = adopt(parent, last, child);
    } while (take(parser, ','));
    return want(parser, closing, wanted);
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
    if (is_constant_string(last))
        call->call.prepared = prepare(parser, call->call.function, &last->constant);
}

static bool check_call(struct parser *parser, const struct token *name, const struct function *function, enum function_style style)
{
    size_t given = count_arguments(parser) + (style == CALLED_ON_A_VALUE);

    if (function == NULL) {
        (void)refuse(parser, name->at, "unknown function %.*s", (int)name->text.size, (const char *)name->text.data);
        return false;
    }
    if ((function->styles & style) == 0) {
        (void)refuse(parser, name->at,
                     style == CALLED_ALONE ? "%s() is called on a value: VALUE.%s(…)" : "%s() is not called on a value: %s(…)",
                     function->name, function->name);
        return false;
    }
    size_t own = style == CALLED_ON_A_VALUE;
    if (given >= function->least && given <= function->most)
        return true;
    if (function->least == function->most)
        (void)refuse(parser, name->at, "%s() takes %zu argument%s, not %zu", function->name, function->least - own,
                     function->least - own == 1 ? "" : "s", given - own);
    else
        (void)refuse(parser, name->at, "%s() takes %zu to %zu arguments, not %zu", function->name, function->least - own,
                     function->most - own, given - own);
    return false;
}

/* Behind the bracket. */
static struct node *parse_call(struct parser *parser, const struct token *name, enum function_style style)
{
    const struct function *function = function_find(name->text);
    struct node *call = make(parser, NODE_CALL);

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
        if (is_text(name, MACROS[i].name)) {
            *ret_macro = MACROS[i].macro;
            return true;
        }
    }
    return false;
}

static bool is_reserved(struct bytes name)
{
    static const char *const words[] = {
        "true", "false",  "null", "as",   "break",   "const",     "continue", "else", "for",  "function",
        "if",   "import", "let",  "loop", "package", "namespace", "return",   "var",  "void", "while",
    };

    return is_among(name, words, COUNT_OF(words));
}

/* `x, ` at the begin of a macro. */
static bool take_variable(struct parser *parser, struct bytes macro)
{
    struct token name = parser->token;

    if (name.kind == TOKEN_NAME && !is_reserved(name.text)) {
        advance(parser);
        if (take(parser, ',')) {
            parser->variables[parser->variable_count++] = name.text;
            return true;
        }
    }
    (void)refuse(parser, name.at, "not a variable: %.*s() takes a name first, which stands for each element", (int)macro.size,
                 (const char *)macro.data);
    return false;
}

/* Behind the bracket. */
static struct node *parse_macro(struct parser *parser, const struct token *name, enum macro macro)
{
    struct node *node = make(parser, NODE_MACRO);
    size_t count = count_arguments(parser);

    if (count != 2 && !(macro == MACRO_MAP && count == 3))
        return refuse(parser, name->at, "%.*s() takes a variable and a %s", (int)name->text.size, (const char *)name->text.data,
                      macro == MACRO_MAP ? "transformation, or a condition between them" : "condition");
    if (parser->variable_count == COUNT_OF(parser->variables))
        return refuse(parser, name->at, "it is nested deeper than %d", EXPRESSION_MOST_DEPTH);
    if (!take_variable(parser, name->text))
        return NULL;
    if (is_at(parser, ')'))
        return refuse_token(parser, "a condition");
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
    struct node *has = make(parser, NODE_HAS);

    if (path->kind == NODE_FIELD) {
        has->children = path;
        return has;
    }
    struct node *before = path->kind == NODE_PATH ? path->children : NULL;
    while (before != NULL && before->next != NULL && before->next->next != NULL)
        before = before->next;
    if (before == NULL || before->next == NULL || before->next->kind != NODE_SELECT)
        return refuse(parser, at, "has() takes a field: has(event.data.name)");
    has->name = before->next->name;
    before->next = NULL;
    has->children = path;
    return has;
}

/* Behind the bracket. */
static struct node *parse_has(struct parser *parser, const struct token *name)
{
    if (count_arguments(parser) != 1)
        return refuse(parser, name->at, "has() takes a field: has(event.data.name)");
    const char *at = parser->token.at;
    struct node *path = parse_expression(parser);
    if (path == NULL || !want(parser, ')', "')'"))
        return NULL;
    return has_of(parser, path, at);
}

/* ---- what stands for itself --------------------------------------------------------------------------- */

static struct node *parse_list_literal(struct parser *parser)
{
    struct node *list = make(parser, NODE_LIST);
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

    if (key == NULL || !want(parser, ':', "':'"))
        return false;
    if (key->kind == NODE_CONSTANT && has_literal_key(map, &key->constant)) {
        (void)refuse(parser, at, "duplicate key");
        return false;
    }
    struct node *value = parse_expression(parser);
    if (value == NULL)
        return false;
    *last = adopt(map, adopt(map, *last, key), value);
    return true;
}

static struct node *parse_map_literal(struct parser *parser)
{
    struct node *map = make(parser, NODE_MAP), *last = NULL;

    while (!is_at(parser, '}')) {
        if (!parse_entry(parser, map, &last))
            return NULL;
        if (!take(parser, ','))
            break;
    }
    return want(parser, '}', "',' or '}'") ? map : NULL;
}

static struct node *parse_whole(struct parser *parser, bool is_negative)
{
    uint64_t natural = parser->token.natural;

    if (!is_negative && natural > INT64_MAX)
        return refuse(parser, parser->token.at, "the number is beyond what an int can be");
    advance(parser);
    return make_constant(parser, value_int(is_negative ? (int64_t)(0 - natural) : (int64_t)natural));
}

/* A number with the sign right before it. */
static struct node *parse_number(struct parser *parser, bool is_negative)
{
    struct value value = { .kind = VALUE_UINT, .natural = parser->token.natural };

    if (parser->token.kind == TOKEN_INT)
        return parse_whole(parser, is_negative);
    if (parser->token.kind == TOKEN_DOUBLE)
        value = value_double(is_negative ? -parser->token.number : parser->token.number);
    advance(parser);
    return make_constant(parser, value);
}

static struct node *parse_text(struct parser *parser)
{
    enum value_kind kind = parser->token.kind == TOKEN_STRING ? VALUE_STRING : VALUE_BYTES;
    struct value value = { .kind = kind, .text = parser->token.text };

    advance(parser);
    return make_constant(parser, value);
}

/* ---- names -------------------------------------------------------------------------------------------- */

static struct node *find_variable(struct parser *parser, struct bytes name)
{
    for (size_t i = parser->variable_count; i > 0; i--) {
        struct bytes variable = parser->variables[i - 1];
        if (variable.size == name.size && memcmp(variable.data, name.data, name.size) == 0) {
            struct node *local = make(parser, NODE_LOCAL);
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
        if (is_text(name, types[i]))
            return make_constant(parser, value_type(types[i]));
    return NULL;
}

/* `google.protobuf.Timestamp`: the one type whose name has points, and Duration. */
static struct node *find_long_type(struct parser *parser, struct bytes name)
{
    static const char *const types[] = { "google.protobuf.Timestamp", "google.protobuf.Duration" };

    if (!is_text(name, "google"))
        return NULL;
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        size_t size = strlen(types[i]);
        const char *begin = name.data;
        if ((size_t)(parser->lexer.end - begin) < size || memcmp(begin, types[i], size) != 0)
            continue;
        parser->lexer.at = begin + size;
        advance(parser);
        return make_constant(parser, value_type(types[i]));
    }
    return NULL;
}

static struct node *find_event(struct parser *parser, struct bytes name)
{
    if (!is_text(name, "event") && !is_text(name, "async"))
        return NULL;
    struct node *event = make(parser, NODE_EVENT);
    event->is_async = is_text(name, "async");
    return event;
}

static struct node *find_word(struct parser *parser, struct bytes name)
{
    if (is_text(name, "true") || is_text(name, "false"))
        return make_constant(parser, value_bool(is_text(name, "true")));
    return is_text(name, "null") ? make_constant(parser, VALUE_NOTHING) : NULL;
}

static struct node *parse_name(struct parser *parser)
{
    struct token name = parser->token;
    struct node *node = find_word(parser, name.text);

    if (node == NULL && is_reserved(name.text))
        return refuse_token(parser, "a value");
    advance(parser);
    if (node == NULL && is_at(parser, '(')) {
        advance(parser);
        return is_text(name.text, "has") ? parse_has(parser, &name) : parse_call(parser, &name, CALLED_ALONE);
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
        return refuse(parser, name.at, "unknown variable %.*s", (int)name.text.size, (const char *)name.text.data);
    return node;
}

static struct node *parse_primary(struct parser *parser)
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
    if (take(parser, '['))
        return parse_list_literal(parser);
    if (take(parser, '{'))
        return parse_map_literal(parser);
    if (take(parser, '.'))
        return parser->token.kind == TOKEN_NAME ? parse_name(parser) : refuse_token(parser, "a name");
    if (!take(parser, '('))
        return refuse_token(parser, "a value");
    struct node *inner = parse_expression(parser);
    return inner != NULL && want(parser, ')', "')'") ? inner : NULL;
}

/* ---- paths -------------------------------------------------------------------------------------------- */

static enum expression_field field_of(struct bytes name)
{
    static const char *const names[] = { "id", "name", "data", "user", "ts", "v", "topic", "key", "headers" };

    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (is_text(name, names[i]))
            return (enum expression_field)i;
    return EXPRESSION_FIELD_COUNT;
}

/* `event.data` is one node, and so is `event['data']`. */
static struct node *field_node(struct parser *parser, const struct node *event, const struct node *step)
{
    struct node *field = make(parser, NODE_FIELD);

    field->is_async = event->is_async;
    field->field = field_of(step->kind == NODE_SELECT ? step->name : step->children->constant.text);
    return field;
}

static bool is_named_step(const struct node *step)
{
    return step->kind == NODE_SELECT || (step->kind == NODE_INDEX && is_constant_string(step->children));
}

static struct node *parse_index(struct parser *parser)
{
    struct node *step = make(parser, NODE_INDEX);
    struct node *index = parse_expression(parser);

    if (index == NULL || !want(parser, ']', "']'"))
        return NULL;
    (void)adopt(step, NULL, index);
    return step;
}

/* Behind the point. */
static struct node *parse_member(struct parser *parser)
{
    static const char *const keywords[] = { "true", "false", "null" };
    struct token name = parser->token;
    enum macro macro;

    if (name.kind != TOKEN_NAME || is_among(name.text, keywords, COUNT_OF(keywords)))
        return refuse_token(parser, "a name");
    advance(parser);
    if (take(parser, '('))
        return find_macro(name.text, &macro) ? parse_macro(parser, &name, macro) : parse_call(parser, &name, CALLED_ON_A_VALUE);
    struct node *step = make(parser, NODE_SELECT);
    step->name = name.text;
    return step;
}

static struct node *parse_path(struct parser *parser, struct node *start)
{
    struct node *path = NULL, *last = start;

    while (start != NULL && (is_at(parser, '.') || is_at(parser, '['))) {
        struct node *step = take(parser, '.') ? parse_member(parser) : (advance(parser), parse_index(parser));
        if (step == NULL)
            return NULL;
        if (path == NULL && last->kind == NODE_EVENT && is_named_step(step)) {
            last = field_node(parser, last, step);
            continue;
        }
        if (path == NULL) {
            path = make(parser, NODE_PATH);
            last = adopt(path, NULL, last);
        }
        last = adopt(path, last, step);
    }
    return path != NULL ? path : last;
}

/* ---- operators ---------------------------------------------------------------------------------------- */

/* `sign` over and over, and what it stands before. */
static struct node *parse_signs(struct parser *parser, int sign)
{
    struct node *node = make(parser, sign == '!' ? NODE_NOT : NODE_MINUS);

    while (take(parser, sign)) {
        bool is_number = parser->token.kind == TOKEN_INT || parser->token.kind == TOKEN_DOUBLE;
        if (sign == '-' && is_number) {
            (void)adopt(node, NULL, parse_path(parser, parse_number(parser, true)));
            break;
        }
        node->times++;
    }
    if (node->children == NULL && node->count == 0)
        (void)adopt(node, NULL, parse_unary(parser));
    if (node->children == NULL)
        return NULL;
    return node->times > 0 ? node : node->children;
}

static struct node *parse_unary(struct parser *parser)
{
    if (!is_at(parser, '!') && !is_at(parser, '-'))
        return parse_path(parser, parse_primary(parser));
    if (++parser->depth > EXPRESSION_MOST_DEPTH + 1)
        return refuse(parser, parser->token.at, "it is nested deeper than %d", EXPRESSION_MOST_DEPTH);
    struct node *node = parse_signs(parser, parser->token.operation);
    parser->depth--;
    return node;
}

/* The operators of two operands, those that bind least first. */
static const int LEVELS[][8] = {
    { OPERATION_EQUAL, OPERATION_UNEQUAL, '<', OPERATION_LESS_EQUAL, '>', OPERATION_MORE_EQUAL, OPERATION_IN },
    { '+', '-' },
    { '*', '/', '%' },
};

static bool is_of_level(const struct parser *parser, size_t level)
{
    for (size_t i = 0; i < COUNT_OF(LEVELS[level]) && LEVELS[level][i] != 0; i++)
        if (is_at(parser, LEVELS[level][i]))
            return true;
    return false;
}

/* What begins at `start` and ends where the next token begins, without the blanks between. */
static struct bytes source_from(const struct parser *parser, const char *start)
{
    const char *end = parser->token.at;

    while (end > start && memchr(" \t\r\n\f", end[-1], 5) != NULL)
        end--;
    return (struct bytes){ start, (size_t)(end - start) };
}

static struct node *parse_chain(struct parser *parser, size_t level);

static struct node *parse_operand(struct parser *parser, size_t level)
{
    const char *start = parser->token.at;
    struct node *operand = level + 1 < COUNT_OF(LEVELS) ? parse_chain(parser, level + 1) : parse_unary(parser);

    if (operand != NULL)
        operand->source = source_from(parser, start);
    return operand;
}

static struct node *parse_chain(struct parser *parser, size_t level)
{
    struct node *chain = NULL, *last = parse_operand(parser, level);

    while (last != NULL && is_of_level(parser, level)) {
        int operation = parser->token.operation;
        if (chain == NULL) {
            chain = make(parser, NODE_CHAIN);
            (void)adopt(chain, NULL, last);
        }
        advance(parser);
        struct node *operand = parse_operand(parser, level);
        if (operand == NULL)
            return NULL;
        operand->operation = operation;
        last = adopt(chain, last, operand);
    }
    return chain != NULL && last != NULL ? chain : last;
}

static struct node *parse_joined(struct parser *parser, int operation)
{
    struct node *joined = NULL, *last = NULL;

    for (;;) {
        struct node *child = operation == OPERATION_OR ? parse_joined(parser, OPERATION_AND) : parse_chain(parser, 0);
        if (child == NULL)
            return NULL;
        if (joined == NULL && !is_at(parser, operation))
            return child;
        if (joined == NULL)
            joined = make(parser, operation == OPERATION_OR ? NODE_OR : NODE_AND);
        last = adopt(joined, last, child);
        if (!take(parser, operation))
            return joined;
    }
}

static struct node *parse_choice(struct parser *parser)
{
    struct node *condition = parse_joined(parser, OPERATION_OR);

    if (condition == NULL || !take(parser, '?'))
        return condition;
    struct node *then = parse_joined(parser, OPERATION_OR);
    if (then == NULL || !want(parser, ':', "':'"))
        return NULL;
    struct node *otherwise = parse_expression(parser);
    if (otherwise == NULL)
        return NULL;
    struct node *choice = make(parser, NODE_CHOICE);
    (void)adopt(choice, adopt(choice, adopt(choice, NULL, condition), then), otherwise);
    return choice;
}

static struct node *parse_expression(struct parser *parser)
{
    if (++parser->depth > EXPRESSION_MOST_DEPTH + 1)
        return refuse(parser, parser->token.at, "it is nested deeper than %d", EXPRESSION_MOST_DEPTH);
    struct node *node = parse_choice(parser);
    parser->depth--;
    return node;
}

/* ---- the whole ---------------------------------------------------------------------------------------- */

/* "3:14": lines and characters from 1. */
static int refuse_at(const struct parser *parser, const char *at, const char *why, struct error *ret_error)
{
    size_t line = 1, column = 1;

    for (const char *c = parser->text; c < at; c++) {
        bool is_line_end = *c == '\n', is_tail = ((unsigned char)*c & 0xc0) == 0x80;
        line += is_line_end;
        column = is_line_end ? 1 : column + !is_tail;
    }
    return error_set(ret_error, EINVAL, "%zu:%zu: %s", line, column, why);
}

static const char *find_invalid(const char *text, size_t size)
{
    for (size_t at = 0; at < size;) {
        size_t length = utf8_character((const unsigned char *)text + at, size - at);
        if (length == 0)
            return text + at;
        at += length;
    }
    return NULL;
}

int expression_parse(struct expression *expression, struct bytes text, struct error *ret_error)
{
    if (text.size > EXPRESSION_MOST_BYTES)
        return error_set(ret_error, EINVAL, "1:1: it has %zu bytes, and more than %d are refused", text.size, EXPRESSION_MOST_BYTES);
    char *copy = arena_take(&expression->arena, text.size + 1);
    if (text.size > 0)
        memcpy(copy, text.data, text.size);
    struct parser parser = { .expression = expression,
                             .text = copy,
                             .lexer = { .at = copy, .end = copy + text.size, .arena = &expression->arena } };
    const char *invalid = find_invalid(copy, text.size);
    if (invalid != NULL)
        return refuse_at(&parser, invalid, "syntax: it is not UTF-8", ret_error);
    advance(&parser);
    expression->root = parse_expression(&parser);
    if (expression->root != NULL && parser.token.kind != TOKEN_END)
        (void)refuse_token(&parser, "its end");
    return parser.fault_at != NULL ? refuse_at(&parser, parser.fault_at, parser.fault, ret_error) : 0;
}
