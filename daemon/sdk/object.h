/* SPDX-License-Identifier: Apache-2.0 */
/* Reading what an SDK sent: msgpack objects made of JSON, which may have any shape. */
#ifndef STEPD_SDK_OBJECT_H
#define STEPD_SDK_OBJECT_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

/* NULL: none, no text, or one with a NUL, which no name has. The caller frees. */
char *object_text(const msgpack_object *object);
char *object_find_text(const msgpack_object *object, const char *key);
bool object_is_text(const msgpack_object *object, const char *text);
/* There is something there that is not null. */
bool object_is_given(const msgpack_object *object);
/* Not there, null, false, or empty: what asks for nothing. */
bool object_is_nothing(const msgpack_object *object);
/* A whole number, 3.0 too; `otherwise` where it is none. */
int64_t object_int(const msgpack_object *object, int64_t otherwise);
void object_pack_text(msgpack_packer *packer, const char *text);

#endif
