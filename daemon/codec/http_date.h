/* SPDX-License-Identifier: Apache-2.0 */
/* Times as other protocols write them, independent of the locale. Pure. */
#ifndef STEPD_CODEC_HTTP_DATE_H
#define STEPD_CODEC_HTTP_DATE_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/memory.h"

/* The value of Retry-After (RFC 9110, 10.2.3): seconds from `now_ms`, or a date in any of HTTP's
 * three forms. 0, or -EINVAL when it is neither. A time past is fine; more than 100 years is 100. */
int http_retry_after(const char *value, int64_t now_ms, int64_t *ret_due_ms) MUST_CHECK;
/* "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994".
 * `now_ms` settles the century of the second. */
int http_date_parse(struct bytes text, int64_t now_ms, int64_t *ret_unix_ms) MUST_CHECK;
/* "1994-11-06T08:49:37.123+01:00"; below a millisecond is cut off, and seconds may be left
 * out, as some do where they are 0. */
int rfc3339_parse(struct bytes text, int64_t *ret_unix_ms) MUST_CHECK;

#endif
