/* SPDX-License-Identifier: Apache-2.0 */
/* Values as text, as JSON, and as a text that is the same for equal values alone. */
#ifndef STEPD_CODEC_EXPRESSION_TEXT_H
#define STEPD_CODEC_EXPRESSION_TEXT_H

#include <msgpack.h>

#include "codec/expression_value.h"

/* Appends the value as `+` and keys see it: lists and maps as `[1 2]` and `map[a:1 b:2]`, keys in order. `value` is no error. */
void value_write_text(const struct value *value, msgpack_sbuffer *text);
/* Appends it as JSON. */
void value_write_json(const struct value *value, msgpack_sbuffer *json);
/* Appends a text that two values share if and only if they are equal. False: it equals nothing, not itself. */
bool value_write_identity(const struct value *value, msgpack_sbuffer *text);

#endif
