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
    const char *key;      /* wanted; NULL ends a list */
    size_t key_size;
    bool is_present;      /* of a key that stands twice, the last is here */
    bool has_escapes;     /* a JSON string whose via.str is not set: json_decode(bytes) */
    msgpack_object value; /* numbers, booleans and texts whole; of others, the type */
    struct bytes bytes;   /* the value as it stands there: JSON, or msgpack */
};

#define MEMBER(name) { .key = (name), .key_size = sizeof(name) - 1 }

/* Fills the `members` of a list that ends with .key NULL. *ret_is_map: whether the value has members
 * at all. 0, or -EBADMSG with the reason. */
int members_find_json(struct bytes text, struct member *members, bool *ret_is_map, struct error *ret_error) MUST_CHECK;
int members_find_msgpack(struct bytes data, struct member *members, bool *ret_is_map, struct error *ret_error) MUST_CHECK;

#endif
