/* SPDX-License-Identifier: Apache-2.0 */
/* Times as values of JSON and msgpack have them, whatever their producer writes there. Pure. */
#ifndef STEPD_CODEC_TIMESTAMP_H
#define STEPD_CODEC_TIMESTAMP_H

#include <msgpack.h>
#include <stdint.h>

#include "base/memory.h"

#define TIMESTAMP_TEXT_SIZE 40 /* "2026-11-28T12:00:00.123456789Z" and the NUL */

/* Milliseconds since 1970 of a number, of digits, of ISO text, or of a msgpack timestamp. A number nearer to 0
 * than 10^11 is seconds: as milliseconds it would stand for a time before March 1973. 0; -EINVAL: it is no time,
 * -ERANGE: one that nobody could write down. */
int timestamp_read(const msgpack_object *value, int64_t *ret_unix_ms) MUST_CHECK;
/* A msgpack timestamp (extension -1) as ISO text in UTC, as exact as it is. -EINVAL: it is none. */
int timestamp_write(const msgpack_object_ext *extension, char text[static TIMESTAMP_TEXT_SIZE]) MUST_CHECK;
/* Seconds since 1970 and a part of one as ISO text, "" for times without a zone. -EINVAL: its year has not four digits. */
int timestamp_text(int64_t seconds, uint32_t nanoseconds, const char *zone, char text[static TIMESTAMP_TEXT_SIZE]) MUST_CHECK;

#endif
