/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Avro's binary encoding, by the schema that it was written with, to msgpack: records and maps are maps, a union is
 * what its branch is, times are ISO text, decimals text. What a stranger wrote has bounds here: nesting, and
 * how much becomes of it. Pure.
 */
#ifndef STEPD_SCHEMA_AVRO_H
#define STEPD_SCHEMA_AVRO_H

#include <msgpack.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/memory.h"
#include "schema/avro_type.h"

#define AVRO_OUTPUT_MAX ((size_t)64 << 20)

/* Appends the value at the start of `data`; what stands behind it is nobody's. 0, or -EBADMSG with the reason. */
int avro_to_msgpack(const struct avro_type *type, struct bytes data, msgpack_sbuffer *buffer, struct error *ret_error) MUST_CHECK;

#endif
