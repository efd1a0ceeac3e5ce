/* SPDX-License-Identifier: Apache-2.0 */
#include "base/digits.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>

static void expect(char *end, char text[static DIGITS_MOST + 2], const char *wanted)
{
    *end = '\0';
    cr_expect_str_eq(text, wanted);
}

Test(digits, are_those_that_printf_writes)
{
    static const int64_t numbers[] = { 0, 1, 9, 10, 99, 100, 1764482400123, INT64_MAX, -1, -10, INT64_MIN };
    char text[DIGITS_MOST + 2], wanted[DIGITS_MOST + 2];

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        (void)snprintf(wanted, sizeof(wanted), "%" PRId64, numbers[i]);
        expect(digits_put_signed(text, numbers[i]), text, wanted);
    }
    expect(digits_put(text, UINT64_MAX), text, "18446744073709551615");
}

Test(digits, have_zeros_before_them_and_are_nines_where_they_do_not_fit)
{
    char text[DIGITS_MOST + 2];

    expect(digits_put_wide(text, 42, 5), text, "00042");
    expect(digits_put_wide(text, 99999, 5), text, "99999");
    expect(digits_put_wide(text, 100000, 5), text, "99999");
}
