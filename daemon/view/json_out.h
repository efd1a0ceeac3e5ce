/* SPDX-License-Identifier: Apache-2.0 */
/* JSON written member by member, on codec/json. Commas come by themselves. */
#ifndef STEPD_VIEW_JSON_OUT_H
#define STEPD_VIEW_JSON_OUT_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct json_out {
    msgpack_sbuffer buffer;
};

void json_out_init(struct json_out *out);
void json_out_done(struct json_out *out);
/* To standard output, as it stands, and empties it. */
void json_out_flush(struct json_out *out);
/* As a line on standard output; it is done then. */
void json_out_print(struct json_out *out);

/* `name` NULL: an element of an array, or the whole. bracket: '{' or '['. */
void json_out_open(struct json_out *out, const char *name, char bracket);
void json_out_close(struct json_out *out, char bracket);
void json_out_text(struct json_out *out, const char *name, const char *text); /* NULL: null */
void json_out_bytes(struct json_out *out, const char *name, struct bytes text);
void json_out_number(struct json_out *out, const char *name, int64_t number);
void json_out_bool(struct json_out *out, const char *name, bool value);
void json_out_null(struct json_out *out, const char *name);
void json_out_object(struct json_out *out, const char *name, const msgpack_object *object);
/* What is JSON already. */
void json_out_raw(struct json_out *out, const char *name, struct bytes json);
/* msgpack; size 0 or damaged: null. */
void json_out_packed(struct json_out *out, const char *name, struct bytes packed);

#endif
