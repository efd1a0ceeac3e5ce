/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/sdk_time.h"

#include <criterion/criterion.h>
#include <errno.h>

static int64_t moment(const char *text)
{
    int64_t ms = -1;

    cr_assert_eq(sdk_time_parse(text, &ms), 0, "%s", text);
    return ms;
}

static int64_t delay(const char *text)
{
    int64_t ms = -1;

    cr_assert_eq(sdk_time_parse_delay(text, &ms), 0, "%s", text);
    return ms;
}

Test(moment, reads_dates)
{
    cr_assert_eq(moment("1970-01-01T00:00:01.000Z"), 1000);
    cr_assert_eq(moment("2026-11-24T11:46:20.785Z"), 1795520780785);
    cr_assert_eq(moment("1970-01-01T01:00:00+01:00"), 0);
    cr_assert_eq(moment("1970-01-01T00:00:00.1234567Z"), 123);
}

Test(moment, refuses_what_is_no_date)
{
    int64_t ms = 7;
    const char *const wrong[] = { "", "1s", "30", "2026-13-01T00:00:00Z", "2026-01-01", "2026-01-01T00:00:00X", "2026-01-01T00:00:00+1" };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        cr_assert_eq(sdk_time_parse(wrong[i], &ms), -EINVAL, "%s", wrong[i]);
    cr_assert_eq(ms, 7);
}

Test(moment, reads_delays)
{
    cr_assert_eq(delay(""), 0);
    cr_assert_eq(delay("1s"), 1000);
    cr_assert_eq(delay("1w2d3h4m5s"), ((((7 + 2) * 24 + 3) * INT64_C(60) + 4) * 60 + 5) * 1000);
    cr_assert_eq(delay("2w"), INT64_C(14) * 86400000);
    cr_assert_eq(delay("1.5h"), 5400000);
    cr_assert_eq(delay("59s999ms7us3ns"), 60000); /* never sooner than asked */
    cr_assert_eq(delay("1\xc2\xb5s"), 1);
    cr_assert_eq(delay("0s"), 0);
    cr_assert_eq(delay("0"), 0);
}

Test(moment, takes_a_delay_that_is_over_for_none)
{
    cr_assert_eq(delay("-5s"), 0);
    cr_assert_eq(delay("-1m854ms775us807ns"), 0);
}

Test(moment, refuses_what_is_no_delay)
{
    int64_t ms;

    cr_assert_eq(sdk_time_parse_delay("soon", &ms), -EINVAL);
    cr_assert_eq(sdk_time_parse_delay("-", &ms), -EINVAL);
    cr_assert_eq(sdk_time_parse_delay("5", &ms), -EINVAL);
    cr_assert_eq(sdk_time_parse_delay("1..5s", &ms), -EINVAL);
    cr_assert_eq(sdk_time_parse_delay("9999w", &ms), -EINVAL);
    cr_assert_eq(sdk_time_parse_delay("1w soon", &ms), -EINVAL);
}
