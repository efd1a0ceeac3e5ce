/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON text to msgpack objects and back. Reading is strict (RFC 8259, UTF-8 checked in full, 64
 * levels), but for NaN and infinities, which are null, and lone surrogates, which are U+FFFD. Integers
 * are exact (number.h), other numbers doubles; of a key that stands twice the last wins. Writing
 * always gives valid JSON: bin and ext become base64, NaN null.
 */
#ifndef STEPD_CODEC_JSON_H
#define STEPD_CODEC_JSON_H

#include <msgpack.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/memory.h"
#include "codec/packed.h"

/* `ret_object` lives as long as both `zone` and `text`: strings without escapes point into the
 * text. 0, or -EBADMSG with the reason. */
int json_decode(struct bytes text, msgpack_zone *zone, msgpack_object *ret_object, struct error *ret_error) MUST_CHECK;
/* Appends `text` as msgpack. */
int json_to_msgpack(struct bytes text, msgpack_sbuffer *buffer, struct error *ret_error) MUST_CHECK;

/* Appends `object` as JSON, without spaces. */
void json_write(msgpack_sbuffer *buffer, const msgpack_object *object);
/* Appends a quoted string; invalid UTF-8 becomes U+FFFD. */
void json_write_string(msgpack_sbuffer *buffer, struct bytes text);
void json_write_integer(msgpack_sbuffer *buffer, int64_t number);
/* A string of its own; free() it. */
char *json_text(const msgpack_object *object);

#endif
