/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/calendar.h"

#include <assert.h>
#include <stdio.h>

/* Years that begin in March put the leap day last; 400 of them are an era. */
#define ERA_DAYS 146097
#define DAYS_TO_1970 719468

int64_t calendar_days(struct date date)
{
    int64_t year = date.month <= 2 ? date.year - 1 : date.year;
    int64_t era = floor_div(year, 400);
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (date.month + (date.month > 2 ? -3 : 9)) + 2) / 5 + date.day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    assert(date.month >= 1 && date.month <= 12);
    return era * ERA_DAYS + day_of_era - DAYS_TO_1970;
}

struct date calendar_date(int64_t days)
{
    int64_t shifted = days + DAYS_TO_1970;
    int64_t era = floor_div(shifted, ERA_DAYS);
    int64_t day_of_era = shifted - era * ERA_DAYS;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    int64_t day = day_of_year - (153 * month + 2) / 5 + 1;
    int64_t calendar_month = month < 10 ? month + 3 : month - 9;

    assert(calendar_month >= 1 && calendar_month <= 12 && day >= 1 && day <= 31);
    return (struct date){ (int)(year_of_era + era * 400 + (calendar_month <= 2)), (int)calendar_month, (int)day };
}

int calendar_weekday(int64_t days)
{
    int64_t weekday = (days + 4) % 7; /* 1970 began on a Thursday */
    return (int)(weekday < 0 ? weekday + 7 : weekday);
}

int calendar_month_length(int year, int month)
{
    static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    assert(month >= 1 && month <= 12);
    return lengths[month - 1] + (month == 2 && is_leap);
}

bool calendar_is_real(struct date date)
{
    return date.month >= 1 && date.month <= 12 && date.day >= 1 && date.day <= calendar_month_length(date.year, date.month);
}

struct civil_time calendar_civil(int64_t seconds)
{
    int64_t days = floor_div(seconds, DAY_SECONDS);
    int of_day = (int)(seconds - days * DAY_SECONDS);

    return (struct civil_time){ calendar_date(days), of_day / 3600, of_day / 60 % 60, of_day % 60 };
}

int64_t calendar_seconds(const struct civil_time *civil)
{
    return calendar_days(civil->date) * DAY_SECONDS + civil->hour * INT64_C(3600) + civil->minute * INT64_C(60) + civil->second;
}

size_t calendar_write(int64_t seconds, char text[CALENDAR_TEXT_SIZE])
{
    struct civil_time civil = calendar_civil(seconds);
    int size = snprintf(text, CALENDAR_TEXT_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d", civil.date.year, civil.date.month, civil.date.day,
                        civil.hour, civil.minute, civil.second);

    assert(size > 0);
    return size < CALENDAR_TEXT_SIZE ? (size_t)size : CALENDAR_TEXT_SIZE - 1;
}
