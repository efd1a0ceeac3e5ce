/* SPDX-License-Identifier: Apache-2.0 */
/* What an expression is evaluated over, and the limits of that. */
#ifndef STEPD_CODEC_EXPRESSION_SCOPE_H
#define STEPD_CODEC_EXPRESSION_SCOPE_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define EXPRESSION_MOST_BYTES 4096 /* of text */
#define EXPRESSION_MOST_DEPTH 64   /* of brackets, calls and signs inside each other */
#define EXPRESSION_MOST_STEPS 100000
#define EXPRESSION_MOST_BUILT ((size_t)1 << 20)

enum expression_field {
    EXPRESSION_ID,
    EXPRESSION_NAME,
    EXPRESSION_DATA,
    EXPRESSION_USER,
    EXPRESSION_TS,
    EXPRESSION_V,
    EXPRESSION_TOPIC,
    EXPRESSION_KEY,
    EXPRESSION_HEADERS,
    EXPRESSION_FIELD_COUNT,
};

/*
 * An event, as an expression asks for it: only what is asked for is decoded. What it hands out lives as long as
 * the evaluation. Text is msgpack's str, or bin where it is no text.
 */
struct expression_event {
    /* False: the event has no such field. Of HEADERS only whether there are any. */
    bool (*read)(const struct expression_event *event, enum expression_field field, msgpack_object *ret_object);
    /* The header at `index`; false: there are no more. NULL: none at all. Of a name that stands twice the last counts,
     * names are the same in any case of letters. */
    bool (*read_header)(const struct expression_event *event, size_t index, struct bytes *ret_name, msgpack_object *ret_value);
};

struct expression_scope {
    const struct expression_event *event; /* NULL: null */
    const struct expression_event *async; /* the event that comes later; NULL: null */
    int64_t now_ms;                       /* what now() is */
};

#endif
