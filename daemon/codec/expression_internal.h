/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an expression is compiled to, for the files of expression_*.c alone: a tree without long spines, so that an
 * evaluation is as deep as the text's brackets. `a + b - c` is one node, `a && b && c` is, and so is `a.b[c].d()`.
 */
#ifndef STEPD_CODEC_EXPRESSION_INTERNAL_H
#define STEPD_CODEC_EXPRESSION_INTERNAL_H

#include "codec/expression_regex.h"
#include "codec/expression_scope.h"
#include "codec/expression_value.h"
#include "codec/zone.h"

enum node_kind {
    NODE_CONSTANT,
    NODE_LOCAL, /* a macro's variable: `slot` */
    NODE_EVENT, /* the whole of it: `is_async` */
    NODE_FIELD, /* of an event: `is_async`, `field` (FIELD_COUNT: one that no event has) */
    NODE_LIST,
    NODE_MAP,   /* children: key, value, key, value */
    NODE_NOT,   /* `times` */
    NODE_MINUS, /* `times` */
    NODE_CHAIN, /* the first child, then each that follows joined to what is there by its own `operation` */
    NODE_AND,
    NODE_OR,
    NODE_CHOICE, /* children: condition, then, else */
    NODE_PATH,   /* the first child, then the steps that lead on from it: the next four */
    NODE_SELECT, /* `name` */
    NODE_INDEX,  /* child: the index */
    NODE_CALL,   /* in a path of what is before it, else alone; children: arguments */
    NODE_MACRO,  /* children: condition (exists, all, exists_one, filter), or transformation, or both */
    NODE_HAS,    /* child: of what; `name` */
};

enum macro { MACRO_EXISTS, MACRO_ALL, MACRO_EXISTS_ONE, MACRO_FILTER, MACRO_MAP };

/* What a call has besides its arguments, where they are literals; owned. */
struct prepared {
    struct prepared *next; /* of the expression's */
    struct regex *regex;
    struct zone *zone;
    const char *fault; /* why there is neither */
};

struct node {
    enum node_kind kind;
    int operation;         /* in a chain: what joins it to those before it */
    struct node *next;     /* after it, of one parent */
    struct node *children; /* the first */
    size_t count;          /* of children */
    struct bytes source;   /* in the expression's text; of a chain's operands */
    bool is_async;
    union {
        struct value constant;
        size_t slot;
        size_t times;
        enum expression_field field;
        struct bytes name;
        struct {
            const struct function *function;
            const struct prepared *prepared; /* NULL: nothing is */
        } call;
        struct {
            enum macro macro;
            size_t slot;
        } over;
    };
};

struct expression {
    struct arena arena; /* of all that follows */
    const struct node *root;
    struct prepared *prepared;
};

/* One evaluation. */
struct evaluation {
    struct budget budget;
    const struct expression_scope *scope;
    struct value locals[EXPRESSION_MOST_DEPTH];
    _Alignas(max_align_t) char first_memory[2048];
};

/* The root of `expression`, whose arena is there. 0, or -EINVAL with the place and the reason. */
int expression_parse(struct expression *expression, struct bytes text, struct error *ret_error) MUST_CHECK;

/* In place: `evaluation` may lie on the stack. */
void evaluation_init(struct evaluation *evaluation, const struct expression_scope *scope);
void evaluation_done(struct evaluation *evaluation);
struct value evaluate(struct evaluation *evaluation, const struct node *node);

/* The error of an evaluation that is over: too many steps, or too much built. */
struct value evaluation_over(const struct evaluation *evaluation);

/* By kinds of nodes: `event`, `event.data`, has(); a macro over `container`, which is no error. */
struct value evaluate_event(struct evaluation *evaluation, const struct node *node);
struct value evaluate_field(struct evaluation *evaluation, const struct node *node);
struct value evaluate_has(struct evaluation *evaluation, const struct node *node);
struct value evaluate_macro(struct evaluation *evaluation, const struct node *macro, const struct value *container);

#endif
