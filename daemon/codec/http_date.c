/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/http_date.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "codec/calendar.h"

#define YEAR_MS (INT64_C(365) * 86400 * 1000)
#define LONGEST_WAIT_S (INT64_C(100) * 365 * 86400)

/* What is left to read. Each read_ takes its piece off the front, or answers false. */
struct cursor {
    const char *at;
    const char *end;
};

static bool read_char(struct cursor *cursor, char wanted)
{
    if (cursor->at == cursor->end || *cursor->at != wanted)
        return false;
    cursor->at++;
    return true;
}

static bool read_text(struct cursor *cursor, const char *wanted)
{
    size_t size = strlen(wanted);

    if ((size_t)(cursor->end - cursor->at) < size || memcmp(cursor->at, wanted, size) != 0)
        return false;
    cursor->at += size;
    return true;
}

/* Exactly `digits` of them. */
static bool read_number(struct cursor *cursor, int digits, int *ret_number)
{
    int number = 0;

    if (cursor->end - cursor->at < digits)
        return false;
    for (int i = 0; i < digits; i++) {
        char c = cursor->at[i];
        if (c < '0' || c > '9')
            return false;
        number = number * 10 + (c - '0');
    }
    cursor->at += digits;
    *ret_number = number;
    return true;
}

static bool read_one_of(struct cursor *cursor, const char *const *words, int count, int *ret_index)
{
    for (int i = 0; i < count; i++) {
        if (!read_text(cursor, words[i]))
            continue;
        *ret_index = i;
        return true;
    }
    return false;
}

static bool read_month(struct cursor *cursor, struct tm *time)
{
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    return read_one_of(cursor, months, 12, &time->tm_mon);
}

static bool read_clock(struct cursor *cursor, struct tm *time)
{
    return read_number(cursor, 2, &time->tm_hour) && read_char(cursor, ':') && read_number(cursor, 2, &time->tm_min) &&
           read_char(cursor, ':') && read_number(cursor, 2, &time->tm_sec);
}

static bool is_real(const struct tm *time)
{
    const struct date date = { time->tm_year + 1900, time->tm_mon + 1, time->tm_mday };

    return calendar_is_real(date) && time->tm_hour < 24 && time->tm_min < 60 && time->tm_sec <= 60; /* 60: a leap second */
}

static int64_t unix_ms_of(const struct tm *time)
{
    struct tm copy = *time;
    return (int64_t)timegm(&copy) * 1000;
}

/* After "Sun": ", 06 Nov 1994 08:49:37 GMT" */
static bool read_imf_fixdate(struct cursor cursor, struct tm *time)
{
    int year;

    if (!read_text(&cursor, ", ") || !read_number(&cursor, 2, &time->tm_mday) || !read_char(&cursor, ' ') || !read_month(&cursor, time) ||
        !read_char(&cursor, ' ') || !read_number(&cursor, 4, &year) || !read_char(&cursor, ' ') || !read_clock(&cursor, time) ||
        !read_text(&cursor, " GMT"))
        return false;
    time->tm_year = year - 1900;
    return cursor.at == cursor.end;
}

/* After "Sun": "day, 06-Nov-94 08:49:37 GMT". More than 50 years ahead means the century before. */
static bool read_rfc850(struct cursor cursor, int64_t now_ms, struct tm *time)
{
    static const char *const rests[] = { "day, ", "sday, ", "nesday, ", "rsday, ", "urday, " };
    int rest, year;
    time_t now = (time_t)(now_ms / 1000);
    struct tm today;

    if (!read_one_of(&cursor, rests, 5, &rest) || !read_number(&cursor, 2, &time->tm_mday) || !read_char(&cursor, '-') ||
        !read_month(&cursor, time) || !read_char(&cursor, '-') || !read_number(&cursor, 2, &year) || !read_char(&cursor, ' ') ||
        !read_clock(&cursor, time) || !read_text(&cursor, " GMT") || gmtime_r(&now, &today) == NULL)
        return false;
    time->tm_year = (today.tm_year / 100 + 1) * 100 + year;
    while (unix_ms_of(time) - now_ms > 50 * YEAR_MS)
        time->tm_year -= 100;
    return cursor.at == cursor.end;
}

/* After "Sun": " Nov  6 08:49:37 1994" */
static bool read_asctime(struct cursor cursor, struct tm *time)
{
    int year;

    if (!read_char(&cursor, ' ') || !read_month(&cursor, time) || !read_char(&cursor, ' ') ||
        !read_number(&cursor, read_char(&cursor, ' ') ? 1 : 2, &time->tm_mday) || !read_char(&cursor, ' ') || !read_clock(&cursor, time) ||
        !read_char(&cursor, ' ') || !read_number(&cursor, 4, &year))
        return false;
    time->tm_year = year - 1900;
    return cursor.at == cursor.end;
}

int http_date_parse(struct bytes text, int64_t now_ms, int64_t *ret_unix_ms)
{
    static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    struct cursor cursor = { text.data, (const char *)text.data + text.size };
    struct tm time = { 0 };
    int day;

    if (!read_one_of(&cursor, days, 7, &day))
        return -EINVAL;
    if (!read_imf_fixdate(cursor, &time) && !read_rfc850(cursor, now_ms, &time) && !read_asctime(cursor, &time))
        return -EINVAL;
    if (!is_real(&time))
        return -EINVAL;
    *ret_unix_ms = unix_ms_of(&time);
    return 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Saturates at LONGEST_WAIT_S. */
static bool read_seconds(struct bytes text, int64_t *ret_seconds)
{
    const char *digits = text.data;
    int64_t seconds = 0;

    for (size_t i = 0; i < text.size; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return false;
        seconds = seconds * 10 + (digits[i] - '0');
        if (seconds > LONGEST_WAIT_S)
            seconds = LONGEST_WAIT_S;
    }
    *ret_seconds = seconds;
    return text.size > 0;
}

int http_retry_after(const char *value, int64_t now_ms, int64_t *ret_due_ms)
{
    int64_t seconds;

    while (is_blank(*value))
        value++;
    size_t size = strlen(value);
    while (size > 0 && is_blank(value[size - 1]))
        size--;
    struct bytes text = { value, size };
    if (!read_seconds(text, &seconds))
        return http_date_parse(text, now_ms, ret_due_ms);
    *ret_due_ms = now_ms + seconds * 1000;
    return 0;
}

/* Any number of digits, in ms. */
static bool read_fraction(struct cursor *cursor, int64_t *ret_ms)
{
    int64_t ms = 0;
    int unit = 100;
    const char *start = cursor->at;

    for (; cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9'; cursor->at++) {
        ms += (*cursor->at - '0') * unit;
        unit /= 10;
    }
    *ret_ms = ms;
    return cursor->at > start;
}

static bool read_zone(struct cursor *cursor, int64_t *ret_offset_ms)
{
    int hours, minutes;

    if (read_char(cursor, 'Z') || read_char(cursor, 'z')) {
        *ret_offset_ms = 0;
        return true;
    }
    bool is_west = read_char(cursor, '-');
    if ((!is_west && !read_char(cursor, '+')) || !read_number(cursor, 2, &hours) || !read_char(cursor, ':') ||
        !read_number(cursor, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    int64_t offset_ms = (hours * INT64_C(60) + minutes) * 60000;
    *ret_offset_ms = is_west ? -offset_ms : offset_ms;
    return true;
}

/* "08:49", "08:49:37", "08:49:37.123" */
static bool read_time_of_day(struct cursor *cursor, struct tm *time, int64_t *ret_fraction_ms)
{
    if (!read_number(cursor, 2, &time->tm_hour) || !read_char(cursor, ':') || !read_number(cursor, 2, &time->tm_min))
        return false;
    if (!read_char(cursor, ':'))
        return true;
    return read_number(cursor, 2, &time->tm_sec) && (!read_char(cursor, '.') || read_fraction(cursor, ret_fraction_ms));
}

int rfc3339_parse(struct bytes text, int64_t *ret_unix_ms)
{
    struct cursor cursor = { text.data, (const char *)text.data + text.size };
    struct tm time = { 0 };
    int year, month;
    int64_t fraction_ms = 0, offset_ms;

    if (!read_number(&cursor, 4, &year) || !read_char(&cursor, '-') || !read_number(&cursor, 2, &month) || !read_char(&cursor, '-') ||
        !read_number(&cursor, 2, &time.tm_mday))
        return -EINVAL;
    if ((!read_char(&cursor, 'T') && !read_char(&cursor, 't') && !read_char(&cursor, ' ')) ||
        !read_time_of_day(&cursor, &time, &fraction_ms))
        return -EINVAL;
    if (!read_zone(&cursor, &offset_ms) || cursor.at != cursor.end)
        return -EINVAL;
    time.tm_year = year - 1900;
    time.tm_mon = month - 1;
    if (!is_real(&time))
        return -EINVAL;
    *ret_unix_ms = unix_ms_of(&time) + fraction_ms - offset_ms;
    return 0;
}
