/* SPDX-License-Identifier: Apache-2.0 */
/* The functions that an expression may call. */
#ifndef STEPD_CODEC_EXPRESSION_FUNCTIONS_H
#define STEPD_CODEC_EXPRESSION_FUNCTIONS_H

#include "codec/expression_internal.h"

#define FUNCTION_MOST_ARGUMENTS 2

enum function_style { CALLED_ALONE = 1, CALLED_ON_A_VALUE = 2 };
enum function_prepares { PREPARES_NOTHING, PREPARES_REGEX, PREPARES_ZONE };

/* None of the arguments is an error. What it is called on is the first. */
struct function_call {
    struct evaluation *evaluation;
    const struct function *function;
    const struct prepared *prepared;
    const struct value *arguments;
    size_t count;
};

struct function {
    const char *name;
    unsigned styles;
    size_t least, most; /* arguments, what it is called on among them */
    struct value (*run)(const struct function_call *call);
    int detail;                      /* of those that share a `run` */
    enum function_prepares prepares; /* of its last argument, where that is a literal */
};

/* NULL: there is none. */
const struct function *function_find(struct bytes name);

/* "no such overload: int(bool)" */
struct value function_refuses(const struct function_call *call);
/* A view of the value as text, in `small`, or in the arena. data NULL: that is too much. */
#define SMALL_TEXT_SIZE 64
struct bytes function_text(struct budget *budget, const struct value *value, char small[SMALL_TEXT_SIZE]);

/* The conversions, of expression_convert.c. */
struct value convert_int(const struct function_call *call);
struct value convert_uint(const struct function_call *call);
struct value convert_double(const struct function_call *call);
struct value convert_string(const struct function_call *call);
struct value convert_bytes(const struct function_call *call);
struct value convert_bool(const struct function_call *call);
struct value convert_timestamp(const struct function_call *call);
struct value convert_duration(const struct function_call *call);
struct value convert_date(const struct function_call *call);
struct value convert_type(const struct function_call *call);
struct value convert_dyn(const struct function_call *call);

#endif
