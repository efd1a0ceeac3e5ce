/* SPDX-License-Identifier: Apache-2.0 */
/* A time as people write it on a command line, in the zone of their machine. */
#ifndef STEPD_CTL_WHEN_H
#define STEPD_CTL_WHEN_H

#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"

#define WHEN_FORMS "2026-11-28T14:30:00Z, -2h, or 14:30"

/* Milliseconds since 1970 of ISO text (without a zone: the machine's; a day alone is its begin), of `-2h` (so
 * long before `now_ms`), or of a time of day. 0, or -EINVAL with the reason. */
/* A time of day is the latest that was. */
int when_since(const char *text, int64_t now_ms, int64_t *ret_unix_ms, struct error *ret_error) MUST_CHECK;
/* A time of day is the first from `since_ms` on; INT64_MIN: today's. */
int when_until(const char *text, int64_t now_ms, int64_t since_ms, int64_t *ret_unix_ms, struct error *ret_error) MUST_CHECK;

#endif
