/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/when.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "codec/http_date.h"
#include "config/setting.h"

/* Hours, minutes and seconds of a day that is still to be found. */
struct time_of_day {
    int hour, minute, second;
};

static bool is_real(const struct time_of_day *time)
{
    return time->hour >= 0 && time->hour < 24 && time->minute >= 0 && time->minute < 60 && time->second >= 0 && time->second < 60;
}

/* The whole of `text` by a pattern of sscanf's that ends in %n. */
static bool read_time_of_day(const char *text, struct time_of_day *ret_time)
{
    struct time_of_day time = { 0 };
    int end = 0;

    if (strspn(text, "0123456789:") != strlen(text))
        return false;
    if (sscanf(text, "%2d:%2d%n", &time.hour, &time.minute, &end) == 2 && end > 0 && text[end] == ':')
        (void)sscanf(text, "%*2d:%*2d:%2d%n", &time.second, &end);
    *ret_time = time;
    return end > 0 && text[end] == '\0' && is_real(&time);
}

/* That time of the day that is `days` after the one of `day_ms`. */
static int64_t on_day(int64_t day_ms, int days, const struct time_of_day *time)
{
    const time_t seconds = (time_t)(day_ms / 1000);
    struct tm parts;

    assert(is_real(time));
    (void)localtime_r(&seconds, &parts);
    parts.tm_mday += days;
    parts.tm_hour = time->hour;
    parts.tm_min = time->minute;
    parts.tm_sec = time->second;
    parts.tm_isdst = -1;
    return (int64_t)mktime(&parts) * 1000;
}

/* "2026-11-28", "2026-11-28T14:30", "2026-11-28 14:30:15": what has no zone. */
static bool read_local(const char *text, int64_t *ret_unix_ms)
{
    struct tm parts = { .tm_isdst = -1 };
    struct time_of_day time = { 0 };
    int end = 0;

    if (sscanf(text, "%4d-%2d-%2d%n", &parts.tm_year, &parts.tm_mon, &parts.tm_mday, &end) != 3 || end != 10)
        return false;
    if (text[end] != '\0' && ((text[end] != 'T' && text[end] != 't' && text[end] != ' ') || !read_time_of_day(text + end + 1, &time)))
        return false;
    const int day = parts.tm_mday;
    parts.tm_year -= 1900;
    parts.tm_mon -= 1;
    parts.tm_hour = time.hour;
    parts.tm_min = time.minute;
    parts.tm_sec = time.second;
    if (parts.tm_mon < 0 || parts.tm_mon > 11 || day < 1 || day > 31)
        return false;
    *ret_unix_ms = (int64_t)mktime(&parts) * 1000;
    return parts.tm_mday == day; /* else there is no such day */
}

/* All but a time of day. */
static int read_moment(const char *text, int64_t now_ms, int64_t *ret_unix_ms, struct error *ret_error)
{
    int64_t before_ms;

    if (text[0] == '-' && parse_duration_ms(text + 1, &before_ms) == 0) {
        *ret_unix_ms = now_ms - before_ms;
        return 0;
    }
    if (rfc3339_parse((struct bytes){ text, strlen(text) }, ret_unix_ms) == 0 || read_local(text, ret_unix_ms))
        return 0;
    return error_set(ret_error, EINVAL, "'%.60s' is no time: " WHEN_FORMS, text);
}

int when_since(const char *text, int64_t now_ms, int64_t *ret_unix_ms, struct error *ret_error)
{
    struct time_of_day time;

    if (!read_time_of_day(text, &time))
        return read_moment(text, now_ms, ret_unix_ms, ret_error);
    int64_t today_ms = on_day(now_ms, 0, &time);
    *ret_unix_ms = today_ms <= now_ms ? today_ms : on_day(now_ms, -1, &time);
    return 0;
}

int when_until(const char *text, int64_t now_ms, int64_t since_ms, int64_t *ret_unix_ms, struct error *ret_error)
{
    struct time_of_day time;

    if (!read_time_of_day(text, &time))
        return read_moment(text, now_ms, ret_unix_ms, ret_error);
    int64_t from_ms = since_ms == INT64_MIN ? now_ms : since_ms;
    int64_t same_day_ms = on_day(from_ms, 0, &time);
    *ret_unix_ms = since_ms == INT64_MIN || same_day_ms >= since_ms ? same_day_ms : on_day(from_ms, 1, &time);
    return 0;
}
