/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A time zone of the system's tzdata, read whole into memory: constant then, for any number of threads. glibc
 * knows only the process's one zone (TZ, tzset()), and no other library that stepd has reads the system's files.
 */
#ifndef STEPD_CODEC_ZONE_H
#define STEPD_CODEC_ZONE_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/memory.h"

struct zone;

/* "Europe/Berlin", "UTC", or an offset: "+05:30", "-08:00", "05:30". 0, or -ENOENT (there is none of that name), -EBADMSG (its file
 * is damaged), with the reason. The files are below $TZDIR, /usr/share/zoneinfo by default. */
int zone_open(struct bytes name, struct zone **ret_zone, struct error *ret_error) MUST_CHECK;
/* The zone that the bytes of a TZif file describe. */
int zone_parse(struct bytes file, struct zone **ret_zone, struct error *ret_error) MUST_CHECK;
void zone_close(struct zone *zone);

/* While `offset` holds: local time is UTC and it. All in seconds. */
struct zone_span {
    int64_t begin, end; /* UTC; the end is not part of it. INT64_MIN, INT64_MAX: for ever */
    int32_t offset;
};
struct zone_span zone_span_at(const struct zone *zone, int64_t utc);

#endif
