/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers that msgpack has not. An integer beyond 64 bits is a text of its digits with a mark, in
 * bytes that a text leaves unused: handlers see the text, JSON gets a number again. A minus zero
 * without a fraction is a negative integer 0. Packed, both are an ext of their digits. NaN and
 * infinities are nil.
 */
#ifndef STEPD_CODEC_NUMBER_H
#define STEPD_CODEC_NUMBER_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

#define NUMBER_EXT 105

/* The text of a JSON number as an integer or a double. The digits of an integer beyond 64 bits stay
 * where they are. False: no double holds it. */
bool number_read(const char *text, size_t size, msgpack_object *ret_number);
/* True for an integer beyond 64 bits. */
bool number_is_large(const msgpack_object *object);
/* True for an integer's minus zero. */
bool number_is_minus_zero(const msgpack_object *object);
/* What stands in an ext of type NUMBER_EXT; `digits` stay where they are. False: no such integer. */
bool number_unpack(struct bytes digits, msgpack_object *ret_number);
/* Appends `object`, whatever it is, so that packed_decode() gives the same again. */
void number_pack(msgpack_packer *packer, const msgpack_object *object);

#endif
