/* SPDX-License-Identifier: Apache-2.0 */
/* Times as the SDKs write them. Pure. */
#ifndef STEPD_SDK_SDK_TIME_H
#define STEPD_SDK_SDK_TIME_H

#include <stdint.h>

#include "base/memory.h"

/* "2026-11-24T11:46:20.785Z", "…+01:00" as ms since 1970. 0, or -EINVAL. */
int sdk_time_parse(const char *text, int64_t *ret_unix_ms) MUST_CHECK;
/* "1w2d3h4m5s", "59s999ms7us3ns", "1s"; empty, and what is over already ("-5s"): 0. 0, or -EINVAL. */
int sdk_time_parse_delay(const char *text, int64_t *ret_ms) MUST_CHECK;

#endif
