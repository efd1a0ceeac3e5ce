/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/when.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define NOW INT64_C(1795867200000) /* 2026-11-28T12:00:00Z, 13:00 in Berlin */
#define MINUTE INT64_C(60000)

static void in_berlin(void)
{
    (void)setenv("TZ", "Europe/Berlin", 1);
    tzset();
}

TestSuite(when, .init = in_berlin);

static int64_t since(const char *text)
{
    struct error error = { 0 };
    int64_t at_ms = -1;

    cr_assert_eq(when_since(text, NOW, &at_ms, &error), 0, "%s: %s", text, error.text);
    return at_ms;
}

static int64_t until(const char *text, int64_t since_ms)
{
    struct error error = { 0 };
    int64_t at_ms = -1;

    cr_assert_eq(when_until(text, NOW, since_ms, &at_ms, &error), 0, "%s: %s", text, error.text);
    return at_ms;
}

Test(when, a_time_has_three_forms)
{
    cr_assert_eq(since("2026-11-28T12:00:00Z"), NOW);
    cr_assert_eq(since("2026-11-28T13:00+01:00"), NOW);
    cr_assert_eq(since("2026-11-28T13:00"), NOW);
    cr_assert_eq(since("2026-11-28 12:59:30"), NOW - MINUTE / 2);
    cr_assert_eq(since("2026-11-28"), NOW - 13 * 60 * MINUTE);
    cr_assert_eq(since("-2h"), NOW - 120 * MINUTE);
    cr_assert_eq(since("-1h30m"), NOW - 90 * MINUTE);
    cr_assert_eq(since("12:30"), NOW - 30 * MINUTE);
    cr_assert_eq(since("9:05:30"), NOW - 234 * MINUTE - MINUTE / 2);
}

Test(when, since_is_the_latest_such_time_of_day_that_was)
{
    cr_assert_eq(since("13:00"), NOW);
    cr_assert_eq(since("13:01"), NOW + MINUTE - 24 * 60 * MINUTE);
}

Test(when, until_is_the_first_such_time_of_day_from_since_on)
{
    cr_assert_eq(until("14:00", INT64_MIN), NOW + 60 * MINUTE, "today, without since");
    cr_assert_eq(until("12:00", INT64_MIN), NOW - 60 * MINUTE);
    cr_assert_eq(until("14:00", since("13:30")), NOW - 23 * 60 * MINUTE, "yesterday, as since");
    cr_assert_eq(until("00:15", since("23:30")), NOW - 765 * MINUTE, "past midnight");
    cr_assert_eq(until("-1h", since("-2h")), NOW - 60 * MINUTE);
}

Test(when, what_is_no_time_is_refused)
{
    static const char *const wrong[] = { "",           "2h",  "-2",     "-h",         "soon",       "24:00",       "12:60",
                                         "12:00:60",   "12:", "12:30x", "2026-02-30", "2026-13-01", "2026-11-28T", "2026-11-28T25:00",
                                         "28.11.2026", "--1h" };
    struct error error;
    int64_t at_ms = 0;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        cr_assert_eq(when_since(wrong[i], NOW, &at_ms, &error), -EINVAL, "%s", wrong[i]);
}
