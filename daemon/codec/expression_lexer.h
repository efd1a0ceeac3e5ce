/* SPDX-License-Identifier: Apache-2.0 */
/* The words of an expression. */
#ifndef STEPD_CODEC_EXPRESSION_LEXER_H
#define STEPD_CODEC_EXPRESSION_LEXER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "codec/arena.h"

enum token_kind {
    TOKEN_END,
    TOKEN_FAULT, /* `fault` says why, `at` where */
    TOKEN_NAME,
    TOKEN_QUOTED_NAME, /* `text` is what stands between backticks: of a field alone */
    TOKEN_INT,         /* `natural`, up to 2^63 */
    TOKEN_UINT,
    TOKEN_DOUBLE,
    TOKEN_STRING, /* `text` is what it means: escapes are resolved */
    TOKEN_BYTES,
    TOKEN_OPERATOR, /* `operation`: its character, or one of these */
};
enum { OPERATION_EQUAL = 256, OPERATION_UNEQUAL, OPERATION_LESS_EQUAL, OPERATION_MORE_EQUAL, OPERATION_AND, OPERATION_OR, OPERATION_IN };

struct token {
    enum token_kind kind;
    const char *at, *end; /* in the text */
    struct bytes text;
    union {
        uint64_t natural;
        double number;
        int operation;
        const char *fault;
    };
};

/* A copy of it reads on from the same place. */
struct lexer {
    const char *at, *end;
    struct arena *arena; /* of strings with escapes */
};

/* Of a fault it stands still. */
struct token lexer_next(struct lexer *lexer);

#endif
