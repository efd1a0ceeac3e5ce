/* SPDX-License-Identifier: Apache-2.0 */
/* The operators of two operands: comparisons, `in`, and what calculates (docs/expressions.md). */
#ifndef STEPD_CODEC_EXPRESSION_OPERATORS_H
#define STEPD_CODEC_EXPRESSION_OPERATORS_H

#include "codec/expression_value.h"

/* `a operation b`, neither an error; `operation` as the lexer has it. What it builds is `budget`'s. */
struct value operate(struct budget *budget, int operation, const struct value *a, const struct value *b);

#endif
