/* SPDX-License-Identifier: Apache-2.0 */
/* Days and dates of the Gregorian calendar, years 1 to 9999 and a little beyond. Pure. */
#ifndef STEPD_CODEC_CALENDAR_H
#define STEPD_CODEC_CALENDAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DAY_SECONDS INT64_C(86400)

struct date {
    int year, month, day; /* month and day from 1 */
};

struct civil_time {
    struct date date;
    int hour, minute, second;
};

/* Downwards, for times before 1970. */
static inline int64_t floor_div(int64_t number, int64_t by)
{
    return number / by - (number % by < 0);
}

/* Since 1970-01-01. */
int64_t calendar_days(struct date date);
struct date calendar_date(int64_t days);
/* 0 is Sunday. */
int calendar_weekday(int64_t days);
int calendar_month_length(int year, int month);
bool calendar_is_real(struct date date);

/* Of seconds since 1970 in the time that is meant, UTC or local. */
struct civil_time calendar_civil(int64_t seconds);
int64_t calendar_seconds(const struct civil_time *civil);

/* "2026-11-28T12:00:00" and the NUL. */
#define CALENDAR_TEXT_SIZE 32
size_t calendar_write(int64_t seconds, char text[CALENDAR_TEXT_SIZE]);

#endif
