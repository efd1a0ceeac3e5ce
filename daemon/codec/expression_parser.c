/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/expression_parser_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "codec/utf8.h"

static struct node *parse_unary(struct parser *parser);

/* ---- faults and tokens ------------------------------------------------------------------------------ */

struct node *parser_refuse(struct parser *parser, const char *at, const char *format, ...)
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

struct node *parser_refuse_token(struct parser *parser, const char *wanted)
{
    const struct token *token = &parser->token;

    if (token->kind == TOKEN_FAULT)
        return parser_refuse(parser, token->at, "%s", token->fault);
    if (token->kind == TOKEN_END)
        return parser_refuse(parser, token->at, "syntax: it ends here, where %s should stand", wanted);
    return parser_refuse(parser, token->at, "syntax: '%.*s' stands where %s should", (int)(token->end - token->at), token->at, wanted);
}

void parser_advance(struct parser *parser)
{
    parser->token = lexer_next(&parser->lexer);
}

bool parser_is_at(const struct parser *parser, int operation)
{
    return parser->token.kind == TOKEN_OPERATOR && parser->token.operation == operation;
}

bool parser_take(struct parser *parser, int operation)
{
    if (!parser_is_at(parser, operation))
        return false;
    parser_advance(parser);
    return true;
}

bool parser_want(struct parser *parser, int operation, const char *wanted)
{
    if (parser_take(parser, operation))
        return true;
    (void)parser_refuse_token(parser, wanted);
    return false;
}

/* ---- words ------------------------------------------------------------------------------------------- */

bool word_is(struct bytes bytes, const char *text)
{
    return bytes.size == strlen(text) && memcmp(bytes.data, text, bytes.size) == 0;
}

bool word_is_among(struct bytes word, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (word_is(word, words[i]))
            return true;
    return false;
}

bool word_is_reserved(struct bytes name)
{
    static const char *const words[] = {
        "true", "false",  "null", "as",   "break",   "const",     "continue", "else", "for",  "function",
        "if",   "import", "let",  "loop", "package", "namespace", "return",   "var",  "void", "while",
    };

    return word_is_among(name, words, COUNT_OF(words));
}

/* ---- nodes ------------------------------------------------------------------------------------------ */

struct node *parser_make(struct parser *parser, enum node_kind kind)
{
    struct node *node = arena_take(&parser->expression->arena, sizeof(*node));

    *node = (struct node){ .kind = kind };
    return node;
}

struct node *parser_make_constant(struct parser *parser, struct value value)
{
    struct node *node = parser_make(parser, NODE_CONSTANT);

    node->constant = value;
    return node;
}

struct node *node_adopt(struct node *parent, struct node *last, struct node *child)
{
    if (last != NULL)
        last->next = child;
    else
        parent->children = child;
    parent->count++;
    return child;
}

bool node_is_constant_string(const struct node *node)
{
    return node->kind == NODE_CONSTANT && node->constant.kind == VALUE_STRING;
}

bool parse_list(struct parser *parser, struct node *parent, int closing, const char *wanted, bool may_end_with_comma)
{
    struct node *last = NULL;

    if (parser_take(parser, closing))
        return true;
    do {
        if (last != NULL && may_end_with_comma && parser_is_at(parser, closing))
            break;
        struct node *child = parse_expression(parser);
        if (child == NULL)
            return false;
        last = node_adopt(parent, last, child);
    } while (parser_take(parser, ','));
    return parser_want(parser, closing, wanted);
}

/* ---- operators ---------------------------------------------------------------------------------------- */

/* `sign` over and over, and what it stands before. */
static struct node *parse_signs(struct parser *parser, int sign)
{
    struct node *node = parser_make(parser, sign == '!' ? NODE_NOT : NODE_MINUS);

    while (parser_take(parser, sign)) {
        bool is_number = parser->token.kind == TOKEN_INT || parser->token.kind == TOKEN_DOUBLE;
        if (sign == '-' && is_number) {
            (void)node_adopt(node, NULL, parse_path(parser, parse_number(parser, true)));
            break;
        }
        node->times++;
    }
    if (node->children == NULL && node->count == 0)
        (void)node_adopt(node, NULL, parse_unary(parser));
    if (node->children == NULL)
        return NULL;
    return node->times > 0 ? node : node->children;
}

static struct node *parse_unary(struct parser *parser)
{
    if (!parser_is_at(parser, '!') && !parser_is_at(parser, '-'))
        return parse_path(parser, parse_primary(parser));
    if (++parser->depth > EXPRESSION_MOST_DEPTH + 1)
        return parser_refuse(parser, parser->token.at, "it is nested deeper than %d", EXPRESSION_MOST_DEPTH);
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
        if (parser_is_at(parser, LEVELS[level][i]))
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
            chain = parser_make(parser, NODE_CHAIN);
            (void)node_adopt(chain, NULL, last);
        }
        parser_advance(parser);
        struct node *operand = parse_operand(parser, level);
        if (operand == NULL)
            return NULL;
        operand->operation = operation;
        last = node_adopt(chain, last, operand);
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
        if (joined == NULL && !parser_is_at(parser, operation))
            return child;
        if (joined == NULL)
            joined = parser_make(parser, operation == OPERATION_OR ? NODE_OR : NODE_AND);
        last = node_adopt(joined, last, child);
        if (!parser_take(parser, operation))
            return joined;
    }
}

static struct node *parse_choice(struct parser *parser)
{
    struct node *condition = parse_joined(parser, OPERATION_OR);

    if (condition == NULL || !parser_take(parser, '?'))
        return condition;
    struct node *then = parse_joined(parser, OPERATION_OR);
    if (then == NULL || !parser_want(parser, ':', "':'"))
        return NULL;
    struct node *otherwise = parse_expression(parser);
    if (otherwise == NULL)
        return NULL;
    struct node *choice = parser_make(parser, NODE_CHOICE);
    (void)node_adopt(choice, node_adopt(choice, node_adopt(choice, NULL, condition), then), otherwise);
    return choice;
}

struct node *parse_expression(struct parser *parser)
{
    if (++parser->depth > EXPRESSION_MOST_DEPTH + 1)
        return parser_refuse(parser, parser->token.at, "it is nested deeper than %d", EXPRESSION_MOST_DEPTH);
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
    parser_advance(&parser);
    expression->root = parse_expression(&parser);
    if (expression->root != NULL && parser.token.kind != TOKEN_END)
        (void)parser_refuse_token(&parser, "its end");
    return parser.fault_at != NULL ? refuse_at(&parser, parser.fault_at, parser.fault, ret_error) : 0;
}
