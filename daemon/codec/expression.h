/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conditions, keys and priorities over events, in CEL (docs/expressions.md). An expression is compiled once,
 * where a module, a config or an app is read; it is constant then, and any number of threads may evaluate it
 * at once. An evaluation allocates nothing where nothing is built, and ends by itself: after
 * EXPRESSION_MOST_STEPS steps, or once it has built EXPRESSION_MOST_BUILT bytes.
 */
#ifndef STEPD_CODEC_EXPRESSION_H
#define STEPD_CODEC_EXPRESSION_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/memory.h"
#include "codec/expression_scope.h"

struct expression;

/* 0, or -EINVAL with `LINE:COLUMN: why`. */
int expression_compile(struct bytes text, struct expression **ret_expression, struct error *ret_error) MUST_CHECK;
void expression_destroy(struct expression *expression);

/* As a condition: 1 true, 0 false, -EINVAL: false for the reason in `ret_error` (an error, or no boolean). */
int expression_holds(const struct expression *expression, const struct expression_scope *scope, struct error *ret_error) MUST_CHECK;
/* As a key: appends the value's text; "" and false are keys. -ENOENT: it is null; -EINVAL: it failed, with the reason. */
int expression_key(const struct expression *expression, const struct expression_scope *scope, msgpack_sbuffer *text,
                   struct error *ret_error) MUST_CHECK;
/* As a number, for priorities. -EINVAL: it is none, or failed, with the reason. */
int expression_number(const struct expression *expression, const struct expression_scope *scope, double *ret_number,
                      struct error *ret_error) MUST_CHECK;
/* Appends the value as JSON and says its type ("int", "google.protobuf.Timestamp"; lives for ever). Times are RFC 3339,
 * durations `5400s`, bytes base64. -EINVAL: it failed, with the reason. */
int expression_write(const struct expression *expression, const struct expression_scope *scope, msgpack_sbuffer *json,
                     const char **ret_type, struct error *ret_error) MUST_CHECK;

/*
 * An equality that must hold if the expression does, between something of the later event alone and something
 * that needs no later event: `async.data.id == event.data.id`, alone or joined by && to more. Its values serve as
 * an index: two are equal if and only if the texts of expression_equality_write() are. Borrows from the expression.
 */
struct expression_equality {
    const struct node *later;   /* of async alone */
    const struct node *earlier; /* without async */
    bool is_whole;              /* the expression says nothing else */
};
/* False: it has none. The first, where it has several. */
bool expression_find_equality(const struct expression *expression, struct expression_equality *ret_equality);
/* Appends the value of one side as a text. -ENOENT: it equals nothing (NaN); -EINVAL: it failed, with the reason. */
int expression_equality_write(const struct node *side, const struct expression_scope *scope, msgpack_sbuffer *text,
                              struct error *ret_error) MUST_CHECK;
/* Appends how one side is written, in one form for each meaning (`async.data.id`): which events to index alike. */
void expression_equality_name(const struct node *side, msgpack_sbuffer *text);

#endif
