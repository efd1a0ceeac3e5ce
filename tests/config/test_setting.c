/* SPDX-License-Identifier: Apache-2.0 */
#include "config/setting.h"

#include <criterion/criterion.h>
#include <errno.h>

static int64_t duration(const char *text)
{
    int64_t value = -1;

    return parse_duration_ms(text, &value) == 0 ? value : -1;
}

static int64_t size(const char *text)
{
    int64_t value = -1;

    return parse_size(text, &value) == 0 ? value : -1;
}

Test(setting, reads_durations)
{
    cr_assert_eq(duration("0"), 0);
    cr_assert_eq(duration("250ms"), 250);
    cr_assert_eq(duration("15s"), 15000);
    cr_assert_eq(duration("2m"), 120000);
    cr_assert_eq(duration("3h"), 10800000);
    cr_assert_eq(duration("7d"), 604800000);
    cr_assert_eq(duration("1m30s"), 90000);
    cr_assert_eq(duration("1.5s"), 1500);
    cr_assert_eq(duration("0.1s"), 100);
}

Test(setting, refuses_what_is_no_duration)
{
    static const char *const wrong[] = { "", "5", "s", "-1s", "1x", "1 s", "1.2.3s", "1s ", "s1", "1e3s", "0x1s", "1s5" };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        cr_assert_eq(duration(wrong[i]), -1, "'%s' was taken", wrong[i]);
    int64_t value;
    cr_assert_eq(parse_duration_ms("99999999999999999999d", &value), -ERANGE);
}

Test(setting, reads_sizes)
{
    cr_assert_eq(size("512"), 512);
    cr_assert_eq(size("512B"), 512);
    cr_assert_eq(size("64KiB"), 65536);
    cr_assert_eq(size("4MiB"), 4194304);
    cr_assert_eq(size("1GiB"), 1073741824);
    cr_assert_eq(size("2kB"), 2000);
    cr_assert_eq(size("1.5MiB"), 1572864);
    cr_assert_eq(size("4M"), -1);
    cr_assert_eq(size("-4"), -1);
    cr_assert_eq(size("4MiB4"), -1);
}

Test(setting, reads_numbers)
{
    int64_t value;
    double real;
    bool is_true;

    cr_assert_eq(parse_int("-12", &value), 0);
    cr_assert_eq(value, -12);
    cr_assert_eq(parse_int("12a", &value), -EINVAL);
    cr_assert_eq(parse_int(" 12", &value), -EINVAL);
    cr_assert_eq(parse_int("99999999999999999999", &value), -ERANGE);
    cr_assert_eq(parse_double("2.5e1", &real), 0);
    cr_assert_float_eq(real, 25, 1e-9);
    cr_assert_eq(parse_double("inf", &real), -EINVAL);
    cr_assert_eq(parse_double("1e999", &real), -ERANGE);
    cr_assert_eq(parse_bool("true", &is_true), 0);
    cr_assert(is_true);
    cr_assert_eq(parse_bool("yes", &is_true), -EINVAL);
}

Test(setting, suggests_what_is_near)
{
    static const char *const names[] = { "threads", "queue", "drain_timeout", "shutdown_timeout" };

    cr_assert_str_eq(config_suggest("treads", names, 4), "threads");
    cr_assert_str_eq(config_suggest("drain_timout", names, 4), "drain_timeout");
    cr_assert_str_eq(config_suggest("qeuue", names, 4), "queue");
    cr_assert_null(config_suggest("zebra", names, 4));
    cr_assert_null(config_suggest("", names, 4));
}
