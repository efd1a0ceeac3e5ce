/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/http_date.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#define NOW_MS INT64_C(1700000000000) /* November 2023 */
#define NINETY_FOUR_MS INT64_C(784111777000)

static int64_t due(const char *value)
{
    int64_t due_ms = -1;
    cr_assert_eq(http_retry_after(value, NOW_MS, &due_ms), 0, "%s", value);
    return due_ms;
}

static int64_t rfc3339(const char *text)
{
    int64_t ms = INT64_MIN;
    cr_assert_eq(rfc3339_parse((struct bytes){ text, strlen(text) }, &ms), 0, "%s", text);
    return ms;
}

Test(http_date, counts_seconds_from_now)
{
    cr_assert_eq(due("120"), NOW_MS + 120000);
    cr_assert_eq(due("0"), NOW_MS);
    cr_assert_eq(due(" 7\t"), NOW_MS + 7000);
}

Test(http_date, reads_the_three_forms_of_a_date)
{
    cr_assert_eq(due("Sun, 06 Nov 1994 08:49:37 GMT"), NINETY_FOUR_MS);
    cr_assert_eq(due("Sunday, 06-Nov-94 08:49:37 GMT"), NINETY_FOUR_MS);
    cr_assert_eq(due("Sun Nov  6 08:49:37 1994"), NINETY_FOUR_MS);
    cr_assert_eq(due("Wed Nov 16 08:49:37 1994"), NINETY_FOUR_MS + INT64_C(10) * 86400000);
}

Test(http_date, puts_two_digit_years_at_most_fifty_years_ahead)
{
    int64_t year_ms = INT64_C(31556952000);
    int64_t ahead = due("Thursday, 01-Jan-70 00:00:00 GMT");
    int64_t behind = due("Monday, 01-Jan-80 00:00:00 GMT");

    cr_assert(ahead > NOW_MS && ahead < NOW_MS + 50 * year_ms);
    cr_assert_eq(behind, INT64_C(315532800000));
}

Test(http_date, knows_leap_days_and_leap_seconds)
{
    cr_assert_eq(due("Thu, 29 Feb 2024 00:00:00 GMT"), INT64_C(1709164800000));
    cr_assert_eq(due("Sat, 31 Dec 2016 23:59:60 GMT"), INT64_C(1483228800000));
}

Test(http_date, refuses_what_is_neither)
{
    static const char *const wrong[] = { "",
                                         " ",
                                         "soon",
                                         "-5",
                                         "1.5",
                                         "+3",
                                         "12s",
                                         "Sun, 6 Nov 1994 08:49:37 GMT",
                                         "Sun, 06 Nov 1994 08:49:37 UTC",
                                         "Sun, 31 Feb 1994 08:49:37 GMT",
                                         "Sun, 06 Nov 1994 24:00:00 GMT",
                                         "Sun, 06 Nov 1994 08:49:37 GMT, later",
                                         "Sunday",
                                         "Sun Nov 6 08:49:37 1994",
                                         "Wed, 29 Feb 2023 00:00:00 GMT",
                                         "Sun, 00 Nov 1994 08:49:37 GMT" };
    int64_t due_ms;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        cr_assert_eq(http_retry_after(wrong[i], NOW_MS, &due_ms), -EINVAL, "'%s'", wrong[i]);
}

Test(http_date, stops_at_a_hundred_years)
{
    cr_assert_eq(due("99999999999999999999999999"), NOW_MS + INT64_C(100) * 365 * 86400 * 1000);
}

Test(http_date, reads_rfc3339_with_zones_and_fractions)
{
    cr_assert_eq(rfc3339("1994-11-06T08:49:37Z"), NINETY_FOUR_MS);
    cr_assert_eq(rfc3339("1994-11-06t09:49:37.123456+01:00"), NINETY_FOUR_MS + 123);
    cr_assert_eq(rfc3339("1994-11-06 03:19:37.5-05:30"), NINETY_FOUR_MS + 500);
    cr_assert_eq(rfc3339("1994-11-06T08:49Z"), NINETY_FOUR_MS - 37000);
    cr_assert_eq(rfc3339("1994-11-06T09:49+01:00"), NINETY_FOUR_MS - 37000);
    cr_assert_eq(rfc3339("1969-12-31T23:59:59.999Z"), -1);
}

Test(http_date, refuses_half_an_rfc3339)
{
    static const char *const wrong[] = { "",
                                         "1994-11-06",
                                         "1994-11-06T08:49:37",
                                         "1994-13-06T08:49:37Z",
                                         "1994-11-06T08:49:37.Z",
                                         "1994-11-06T08:49.5Z",
                                         "1994-11-06T08:49",
                                         "1994-11-06T08Z",
                                         "1994-11-06T08:49:37+0100",
                                         "1994-00-06T08:49:37Z",
                                         "94-11-06T08:49:37Z" };
    int64_t ms;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        cr_assert_eq(rfc3339_parse((struct bytes){ wrong[i], strlen(wrong[i]) }, &ms), -EINVAL, "'%s'", wrong[i]);
}
