/* SPDX-License-Identifier: Apache-2.0 */
/* Timestamps and durations of expressions: their text, their parts, their sums. Pure, but for zones, which are files. */
#ifndef STEPD_CODEC_EXPRESSION_TIME_H
#define STEPD_CODEC_EXPRESSION_TIME_H

#include "codec/expression_value.h"
#include "codec/zone.h"

#define TIME_TEXT_SIZE 48

/* RFC 3339, to the nanosecond, years 1 to 9999. */
bool time_parse(struct bytes text, struct moment *ret_moment);
/* What people write, too: a date alone, no zone (UTC), a blank for the T, no seconds. */
bool time_parse_loosely(struct bytes text, struct moment *ret_moment);
/* Go's: "1h30m", "-1.5h", "500ms", "0". */
bool time_parse_duration(struct bytes text, int64_t *ret_nanoseconds);

/* Years 1 to 9999, else an error. */
struct value time_timestamp(struct moment moment);
struct value time_of_seconds(int64_t seconds);
struct value time_of_ms(int64_t unix_ms);
struct value time_duration(int64_t nanoseconds);

/* "2026-11-28T12:34:56.789Z" */
size_t time_write(struct moment moment, char text[TIME_TEXT_SIZE]);
/* "5400s", "1.5s" */
size_t time_write_duration(int64_t nanoseconds, char text[TIME_TEXT_SIZE]);

/* `operation` is + or -; one is a time. An error where there is no such sum. */
struct value time_calculate(char operation, const struct value *a, const struct value *b);

enum time_part {
    TIME_FULL_YEAR,
    TIME_MONTH,
    TIME_DATE,
    TIME_DAY_OF_MONTH,
    TIME_DAY_OF_WEEK,
    TIME_DAY_OF_YEAR,
    TIME_HOURS,
    TIME_MINUTES,
    TIME_SECONDS,
    TIME_MILLISECONDS,
};
/* Of a timestamp, in `zone` (NULL: UTC), or of a duration, which has the last four. */
struct value time_part(enum time_part part, const struct value *time, const struct zone *zone);

#endif
