/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/step_name.h"

#include <criterion/criterion.h>
#include <string.h>

Test(step_name, is_what_the_author_wrote_and_leads_back_to_the_hash)
{
    char name[STEP_ID_SIZE];

    step_name_of("86f7e437faa5a7fce15d1ddcb9eaeaea377667b8", "a", 0, name);
    cr_assert_str_eq(name, "a");
    cr_assert_str_eq(step_name_hash(name).text, "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8");
}

Test(step_name, counts_an_id_that_is_used_again)
{
    char name[STEP_ID_SIZE];

    step_name_of(step_name_hash("a:2").text, "a", 2, name);
    cr_assert_str_eq(name, "a:2");
}

Test(step_name, is_the_hash_where_the_author_s_text_is_another_s_or_none)
{
    const char *hash = "1902e3d6fc4e78a0bcc50ba12b882769afbf4a8c";
    char name[STEP_ID_SIZE];

    step_name_of(hash, "something else", 0, name);
    cr_assert_str_eq(name, hash);
    step_name_of(hash, NULL, 0, name);
    cr_assert_str_eq(name, hash);
    cr_assert_str_eq(step_name_hash(name).text, hash);
}

Test(step_name, of_an_author_who_writes_hashes_is_the_hash_of_it)
{
    const char *written = "1902e3d6fc4e78a0bcc50ba12b882769afbf4a8c";
    char name[STEP_ID_SIZE];

    step_name_of("0123456789012345678901234567890123456789", written, 0, name);
    cr_assert_str_eq(name, "0123456789012345678901234567890123456789");
}

Test(step_name, never_passes_the_length_of_an_id)
{
    char name[STEP_ID_SIZE];
    char author_id[300];

    memset(author_id, 'x', sizeof(author_id) - 1);
    author_id[sizeof(author_id) - 1] = '\0';
    step_name_of("86f7e437faa5a7fce15d1ddcb9eaeaea377667b8", author_id, 0, name);
    cr_assert_str_eq(name, "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8");
}
