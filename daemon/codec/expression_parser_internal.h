/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the parser share, a stage each: expression_parser.c (tokens, operators, the whole), expression_parser_values.c
 * (literals, names, paths), expression_parser_calls.c (calls, has(), the macros of lists). What they make is the expression's arena's.
 * Each parse_…() takes what it reads; on a fault it returns NULL or false, and the first fault is kept with its place.
 */
#ifndef STEPD_CODEC_EXPRESSION_PARSER_INTERNAL_H
#define STEPD_CODEC_EXPRESSION_PARSER_INTERNAL_H

#include "codec/expression_functions.h"
#include "codec/expression_internal.h"
#include "codec/expression_lexer.h"

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

/* Keep the fault where it is the first. Both return NULL. */
PRINTF_LIKE(3, 4)
struct node *parser_refuse(struct parser *parser, const char *at, const char *format, ...);
struct node *parser_refuse_token(struct parser *parser, const char *wanted);

/* The next token: is it that operator; if it is, take it; take it, or refuse what stands there. */
void parser_advance(struct parser *parser);
bool parser_is_at(const struct parser *parser, int operation);
bool parser_take(struct parser *parser, int operation);
bool parser_want(struct parser *parser, int operation, const char *wanted);

struct node *parser_make(struct parser *parser, enum node_kind kind);
struct node *parser_make_constant(struct parser *parser, struct value value);

/* `last` NULL: the parent has no child yet. Returns the child. */
struct node *node_adopt(struct node *parent, struct node *last, struct node *child);
bool node_is_constant_string(const struct node *node);

/* Words of the language. */
bool word_is(struct bytes word, const char *text);
bool word_is_among(struct bytes word, const char *const *words, size_t count);
bool word_is_reserved(struct bytes word);

/* From the whole down to what stands for itself. */
struct node *parse_expression(struct parser *parser);
struct node *parse_path(struct parser *parser, struct node *start);
struct node *parse_primary(struct parser *parser);
struct node *parse_number(struct parser *parser, bool is_negative); /* with the sign right before it, which is taken */

/* `a, b)` behind the bracket, or `a, b]`: they become children of `parent`. */
bool parse_list(struct parser *parser, struct node *parent, int closing, const char *wanted, bool may_end_with_comma);

/* Behind the bracket of `name(`. */
struct node *parse_call(struct parser *parser, const struct token *name, enum function_style style);
struct node *parse_has(struct parser *parser, const struct token *name);

/* Behind the bracket of `value.name(`: a macro, or a call on the value. */
struct node *parse_call_on_value(struct parser *parser, const struct token *name);

#endif
