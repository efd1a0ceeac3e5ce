/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outermost members of one JSON or msgpack value, found in a pass that validates all of it and
 * builds nothing: what events are recognised by. Views point into the value.
 */
#ifndef STEPD_CODEC_MEMBERS_H
#define STEPD_CODEC_MEMBERS_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/memory.h"

struct member {
    const char *key; /* wanted; NULL ends a list */
    size_t key_size;
    bool is_present;      /* of a key that stands twice, the last is here */
    bool has_no_nul;      /* a text of which that is known: JSON's, as it is written */
    bool has_escapes;     /* a JSON string whose via.str is not set: json_decode(bytes) */
    msgpack_object value; /* numbers, booleans and texts whole; of others, the type */
    struct bytes bytes;   /* the value as it stands there: JSON, or msgpack */
};

#define MEMBER(name) \
    { \
        .key = (name), .key_size = sizeof(name) - 1 \
    }

/* What else there is to know of the value. */
struct members_shape {
    bool is_map;   /* it has members at all */
    size_t others; /* members that are not in the list */
};

/* Fills the `members` of a list that ends with .key NULL. 0, or -EBADMSG with the reason. */
int members_find_json(struct bytes text, struct member *members, struct members_shape *ret_shape, struct error *ret_error) MUST_CHECK;
int members_find_msgpack(struct bytes data, struct member *members, struct members_shape *ret_shape, struct error *ret_error) MUST_CHECK;

#endif
