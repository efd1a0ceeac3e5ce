/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "run/schedule.h"

#define MINUTE_MS INT64_C(60000)
#define DAY_MS INT64_C(86400000)

static struct schedule *schedule;

static void make(const char *const *texts, size_t count)
{
    struct error error = { 0 };

    cr_assert_eq(schedule_create(&(struct stepd_texts){ texts, count }, &schedule, &error), 0, "%s", error.text);
}

static void teardown(void)
{
    schedule_destroy(schedule);
}

TestSuite(schedule, .fini = teardown);

Test(schedule, two_expressions_at_one_instant_are_the_firsts_tick)
{
    struct tick tick;

    make((const char *const[]){ "*/2 * * * *", "* * * * *" }, 2);
    cr_assert(schedule_next(schedule, 0, &tick));
    cr_assert_eq(tick.at_ms, MINUTE_MS);
    cr_assert_str_eq(tick.cron, "* * * * *");
    cr_assert(schedule_next(schedule, tick.at_ms, &tick));
    cr_assert_eq(tick.at_ms, 2 * MINUTE_MS);
    cr_assert_str_eq(tick.cron, "*/2 * * * *");
}

Test(schedule, the_last_tick_of_a_time_is_found_however_long_it_was)
{
    struct tick tick;

    make((const char *const[]){ "0 0 * * *" }, 1);
    cr_assert(schedule_last(schedule, 0, 1000 * DAY_MS + 5, &tick));
    cr_assert_eq(tick.at_ms, 1000 * DAY_MS);
    cr_assert(schedule_last(schedule, 0, DAY_MS, &tick));
    cr_assert_eq(tick.at_ms, DAY_MS);
    cr_assert_not(schedule_last(schedule, DAY_MS, 2 * DAY_MS - 1, &tick));
}

Test(schedule, what_cannot_be_read_is_named)
{
    const char *const texts[] = { "@daily", "61 * * * *" };
    struct error error = { 0 };

    cr_assert_eq(schedule_create(&(struct stepd_texts){ texts, 2 }, &schedule, &error), -EINVAL);
    cr_assert_eq(strncmp(error.text, "'61 * * * *': ", 14), 0, "%s", error.text);
}
