/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading msgpack that others wrote. Sizes are checked against the bytes that are there before
 * anything is allocated, nesting against 64 levels, strings for UTF-8. msgpack-c's own unpacker is
 * not used: it checks none of these, and fails at more than 32 levels.
 */
#ifndef STEPD_CODEC_PACKED_H
#define STEPD_CODEC_PACKED_H

#include <msgpack.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/memory.h"

#define DATA_MAX_DEPTH 64 /* levels of maps and arrays */

/* Checks the one object at the start of `data`, and says how many bytes it has. 0, -EBADMSG, or -ELOOP
 * when it is nested too deep. */
int packed_measure(struct bytes data, int max_depth, size_t *ret_size, struct error *ret_error) MUST_CHECK;
/* The object that fills `data` entirely; lives as long as both `zone` and `data`. Of a text key
 * that stands twice in a map the last wins. Fails as packed_measure(), with the reason. */
int packed_decode(struct bytes data, msgpack_zone *zone, msgpack_object *ret_object, struct error *ret_error) MUST_CHECK;
/* For data that packed_measure() has approved. A zone is wanted for maps and arrays only. */
void packed_build(struct bytes data, msgpack_zone *zone, msgpack_object *ret_object);
/* The value of the first key that is that text; NULL: there is none, or `object` is NULL or no map. */
const msgpack_object *packed_find(const msgpack_object *object, const char *key);
/* Leaves the last of each text key, in this map alone. */
void map_drop_duplicates(msgpack_object_map *map);
/* Never NULL. */
void *zone_take(msgpack_zone *zone, size_t size);

#endif
