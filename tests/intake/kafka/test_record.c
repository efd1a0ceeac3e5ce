/* SPDX-License-Identifier: Apache-2.0 */
#include "intake/kafka/record.h"

#include <criterion/criterion.h>
#include <string.h>

/* A value as it stands in a batch: its length before it (zigzag), the count of headers behind it. */
static bool may_have_headers(const char *batch, size_t at, size_t size)
{
    rd_kafka_message_t message = { .payload = (void *)(uintptr_t)(batch + at), .len = size };

    return record_may_have_headers(&message);
}

Test(record, a_value_without_headers_behind_it_is_not_asked_about)
{
    cr_assert_not(may_have_headers("\x06"
                                   "abc\0",
                                   1, 3));
}

Test(record, a_value_with_headers_behind_it_is_asked_about)
{
    cr_assert(may_have_headers("\x06"
                               "abc\x02",
                               1, 3));
}

Test(record, a_value_without_its_length_before_it_is_asked_about)
{
    cr_assert(may_have_headers("\0\0\0\x03"
                               "abc",
                               4, 3));
    cr_assert(may_have_headers("\x08"
                               "abc\0",
                               1, 3));
}

Test(record, nothing_is_read_around_a_value_that_is_empty_or_not_there)
{
    const rd_kafka_message_t none = { .payload = NULL };

    cr_assert(record_may_have_headers(&none));
    cr_assert(may_have_headers("", 0, 0));
}

Test(record, only_versions_that_were_looked_at_are_let_in)
{
    cr_assert(record_layout_is_known(0x020000ff));
    cr_assert(record_layout_is_known(0x020002ff));
    cr_assert(record_layout_is_known(0x020f00ff));
    cr_assert_not(record_layout_is_known(0x010902ff));
    cr_assert_not(record_layout_is_known(0x021000ff));
    cr_assert_not(record_layout_is_known(0x021001ff));
    cr_assert_not(record_layout_is_known(0x030000ff));
}
