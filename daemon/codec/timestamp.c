/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/timestamp.h"

#include <endian.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "codec/http_date.h"

#define SECONDS_BELOW INT64_C(100000000000) /* numbers nearer to 0 are seconds */
#define TIMESTAMP_EXTENSION (-1)
#define NANOSECONDS 1000000000
#define YEAR_0_S INT64_C(-62167219200)
#define YEAR_10000_S INT64_C(253402300800)

static int time_of_integer(int64_t number, int64_t *ret_unix_ms)
{
    bool is_seconds = number > -SECONDS_BELOW && number < SECONDS_BELOW;

    *ret_unix_ms = is_seconds ? number * 1000 : number;
    return 0;
}

/* Below a millisecond it is cut off; but 1.123 s is no double, and the nearest may be below it. */
static int time_of_double(double number, int64_t *ret_unix_ms)
{
    const double slack_ms = 0.001;

    if (isnan(number))
        return -EINVAL;
    double ms = fabs(number) < (double)SECONDS_BELOW ? floor(number * 1000 + slack_ms) : trunc(number);
    if (ms <= -0x1p63 || ms >= 0x1p63)
        return -ERANGE;
    *ret_unix_ms = (int64_t)ms;
    return 0;
}

/* Behind the point: up to three digits count. -1: others than digits stand there, or nothing. */
static int milliseconds_of(const char *digits, size_t size)
{
    int ms = 0;

    for (size_t i = 0; i < size; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return -1;
        ms += i == 0 ? (digits[i] - '0') * 100 : i == 1 ? (digits[i] - '0') * 10 : i == 2 ? digits[i] - '0' : 0;
    }
    return size > 0 ? ms : -1;
}

/* "1795867200123", "-5", "1795867200.123" */
static int time_of_digits(const char *text, size_t size, int64_t *ret_unix_ms)
{
    const bool is_negative = size > 0 && text[0] == '-';
    size_t at = is_negative;
    int64_t whole = 0;
    int ms = 0;

    for (; at < size && text[at] >= '0' && text[at] <= '9'; at++) {
        if (whole > (INT64_MAX - 9) / 10)
            return -ERANGE;
        whole = whole * 10 + (text[at] - '0');
    }
    if (at == (size_t)is_negative)
        return -EINVAL;
    if (at < size)
        ms = text[at] == '.' ? milliseconds_of(text + at + 1, size - at - 1) : -1;
    if (ms < 0)
        return -EINVAL;
    int64_t unix_ms = whole < SECONDS_BELOW ? whole * 1000 + ms : whole;
    *ret_unix_ms = is_negative ? -unix_ms : unix_ms;
    return 0;
}

static int time_of_text(const char *text, size_t size, int64_t *ret_unix_ms)
{
    int result = time_of_digits(text, size, ret_unix_ms);

    return result == -EINVAL ? rfc3339_parse((struct bytes){ text, size }, ret_unix_ms) : result;
}

/* In any of its three lengths. */
static bool read_timestamp(const msgpack_object_ext *extension, int64_t *ret_seconds, uint32_t *ret_nanoseconds)
{
    uint32_t nanoseconds = 0;
    uint64_t seconds = 0;

    if (extension->type != TIMESTAMP_EXTENSION)
        return false;
    if (extension->size == 4) {
        uint32_t small;
        memcpy(&small, extension->ptr, sizeof(small));
        seconds = be32toh(small);
    } else if (extension->size == 8) {
        memcpy(&seconds, extension->ptr, sizeof(seconds));
        seconds = be64toh(seconds);
        nanoseconds = (uint32_t)(seconds >> 34);
        seconds &= (UINT64_C(1) << 34) - 1;
    } else if (extension->size == 12) {
        memcpy(&nanoseconds, extension->ptr, sizeof(nanoseconds));
        memcpy(&seconds, extension->ptr + sizeof(nanoseconds), sizeof(seconds));
        nanoseconds = be32toh(nanoseconds);
        seconds = be64toh(seconds);
    } else {
        return false;
    }
    *ret_seconds = (int64_t)seconds;
    *ret_nanoseconds = nanoseconds;
    return nanoseconds < NANOSECONDS;
}

static int time_of_extension(const msgpack_object_ext *extension, int64_t *ret_unix_ms)
{
    int64_t seconds;
    uint32_t nanoseconds;

    if (!read_timestamp(extension, &seconds, &nanoseconds))
        return -EINVAL;
    if (seconds < INT64_MIN / 1000 || seconds >= INT64_MAX / 1000)
        return -ERANGE;
    *ret_unix_ms = seconds * 1000 + nanoseconds / 1000000;
    return 0;
}

int timestamp_read(const msgpack_object *value, int64_t *ret_unix_ms)
{
    switch (value->type) {
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return value->via.u64 <= INT64_MAX ? time_of_integer((int64_t)value->via.u64, ret_unix_ms) : -ERANGE;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return time_of_integer(value->via.i64, ret_unix_ms);
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return time_of_double(value->via.f64, ret_unix_ms);
    case MSGPACK_OBJECT_STR:
        return time_of_text(value->via.str.ptr, value->via.str.size, ret_unix_ms);
    case MSGPACK_OBJECT_EXT:
        return time_of_extension(&value->via.ext, ret_unix_ms);
    default:
        return -EINVAL;
    }
}

/* Nothing, or a point and three, six or nine digits. */
static void write_fraction(uint32_t nanoseconds, char text[static 12])
{
    if (nanoseconds == 0)
        text[0] = '\0';
    else if (nanoseconds % 1000000 == 0)
        (void)snprintf(text, 12, ".%03u", nanoseconds / 1000000 % 1000);
    else if (nanoseconds % 1000 == 0)
        (void)snprintf(text, 12, ".%06u", nanoseconds / 1000 % 1000000);
    else
        (void)snprintf(text, 12, ".%09u", nanoseconds % NANOSECONDS);
}

int timestamp_text(int64_t seconds, uint32_t nanoseconds, const char *zone, char text[static TIMESTAMP_TEXT_SIZE])
{
    struct tm parts;
    char fraction[12];

    if (seconds < YEAR_0_S || seconds >= YEAR_10000_S)
        return -EINVAL;
    const time_t time = (time_t)seconds;
    (void)gmtime_r(&time, &parts);
    write_fraction(nanoseconds, fraction);
    (void)snprintf(text, TIMESTAMP_TEXT_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d%s%.1s", (parts.tm_year + 1900) % 10000,
                   (parts.tm_mon + 1) % 100, parts.tm_mday % 100, parts.tm_hour % 100, parts.tm_min % 100, parts.tm_sec % 100, fraction,
                   zone);
    return 0;
}

int timestamp_write(const msgpack_object_ext *extension, char text[static TIMESTAMP_TEXT_SIZE])
{
    int64_t seconds;
    uint32_t nanoseconds;

    return read_timestamp(extension, &seconds, &nanoseconds) ? timestamp_text(seconds, nanoseconds, "Z", text) : -EINVAL;
}
