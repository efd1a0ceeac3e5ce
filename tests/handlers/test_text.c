/* SPDX-License-Identifier: Apache-2.0 */
#include "common/text.h"

#include <criterion/criterion.h>
#include <string.h>

static const char *line_of(const char *text, size_t size)
{
    static char line[16];

    text_to_line(text, size, line, sizeof(line));
    return line;
}

Test(text, is_told_from_bytes)
{
    cr_assert(text_is_utf8("caf\xc3\xa9", 5));
    cr_assert(text_is_utf8("", 0));
    cr_assert(text_is_utf8("a\0b", 3));
    cr_assert_not(text_is_utf8("\xff", 1));
    cr_assert_not(text_is_utf8("\xc3", 1));
    cr_assert_not(text_is_utf8("\xed\xa0\x80", 3));
}

Test(text, becomes_one_line)
{
    cr_assert_str_eq(line_of("\n two\nlines\t\n", 13), "two lines");
    cr_assert_str_eq(line_of("\n\n", 2), "");
    cr_assert_str_eq(line_of("", 0), "");
    cr_assert_str_eq(line_of("a\0b", 3), "a b");
}

Test(text, is_cut_between_characters)
{
    cr_assert_str_eq(line_of("12345678901234567", 17), "123456789012345");
    cr_assert_str_eq(line_of("12345678901234\xc3\xa9!", 17), "12345678901234");
}
