/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that a server or a program wrote: anything may be in them. */
#ifndef HANDLERS_COMMON_TEXT_H
#define HANDLERS_COMMON_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include <stepd/stepd.h>

bool text_is_utf8(const void *text, size_t size);
/* UTF-8 without control characters, but for tabs and newlines. */
bool text_is_plain(const void *text, size_t size);
/* A string where it is UTF-8, else bytes; nil without any. */
void text_pack(msgpack_packer *packer, const char *text, size_t size);
/* As text_pack(), of what was cut somewhere: not within a character. */
void text_pack_cut(msgpack_packer *packer, const char *text, size_t size);
/* The value that it is as JSON; else as text_pack(). */
void text_pack_json(struct stepd_ctx *ctx, msgpack_packer *packer, const char *text, size_t size);
/* At most room - 1 bytes on one line, for a message: control characters become spaces. */
void text_to_line(const char *text, size_t size, char *line, size_t room);
/* At most room - 1 bytes, cut between characters, for a message: NULs become spaces. */
void text_copy(const char *text, size_t size, char *copy, size_t room);
/* Why a setting is refused, for a function's `.check`: writes it and returns -EINVAL. */
int text_refuse(char *ret_why, size_t why_size, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
