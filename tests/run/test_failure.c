/* SPDX-License-Identifier: Apache-2.0 */
#include "run/failure.h"

#include <criterion/criterion.h>
#include <string.h>

#include "run/run.h"

static const char *copied(const char *text, size_t text_size)
{
    static struct failure failure;

    failure_copy_text(failure.name, sizeof(failure.name), (struct bytes){ text, text_size });
    return failure.name;
}

Test(failure, an_errors_name_has_100_bytes_and_its_message_1000)
{
    char text[2000];
    struct failure failure;

    (void)memset(text, 'x', sizeof(text));
    failure_copy_text(failure.name, sizeof(failure.name), (struct bytes){ text, sizeof(text) });
    failure_copy_text(failure.message, sizeof(failure.message), (struct bytes){ text, sizeof(text) });
    cr_assert_eq(strlen(failure.name), 100);
    cr_assert_eq(strlen(failure.message), 1000);
    cr_assert_eq(strlen(copied(text, 100)), 100);
}

Test(failure, a_text_is_not_cut_within_a_character)
{
    char text[201];

    for (size_t i = 0; i < sizeof(text) - 1; i += 3)
        (void)memcpy(text + i, "€", 3);
    cr_assert_eq(strlen(copied(text, 198)), 99);
}

Test(failure, a_text_ends_at_a_nul)
{
    cr_assert_str_eq(copied("ab\0cd", 5), "ab");
    cr_assert_str_eq(copied(NULL, 0), "");
}
