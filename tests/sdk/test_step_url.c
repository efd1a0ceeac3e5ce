/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/step_url.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/array.h"
#include "base/memory.h"

Test(step_url, ends_with_the_step_s_id_however_it_was_registered)
{
    static const struct {
        const char *registered;
        const char *made;
    } cases[] = {
        { "http://a/api?fnId=f&stepId=step", "http://a/api?fnId=f&stepId=" },
        { "http://a/api?fnId=f&step=step", "http://a/api?fnId=f&step=step&stepId=" },
        { "http://a/api?stepId=step&fnId=f", "http://a/api?fnId=f&stepId=" },
        { "http://a/api", "http://a/api?stepId=" },
        { "http://a/api?", "http://a/api?stepId=" },
        { "http://a/api?fnId=my f\xc3\xbc&stepId=step#here", "http://a/api?fnId=my%20f%C3%BC&stepId=" },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_FREE char *made = step_url_make(cases[i].registered);
        cr_assert_str_eq(made, cases[i].made);
    }
}

Test(step_url, a_function_has_one_uuid_of_its_own)
{
    char first[STEP_UUID_SIZE], again[STEP_UUID_SIZE], other[STEP_UUID_SIZE];

    step_uuid_make("shop-f", first);
    step_uuid_make("shop-f", again);
    step_uuid_make("shop-g", other);
    cr_assert_eq(strlen(first), STEP_UUID_SIZE - 1);
    cr_assert(first[8] == '-' && first[13] == '-' && first[14] == '5' && first[18] == '-' && first[23] == '-', "%s", first);
    cr_assert_not_null(strchr("89ab", first[19]), "%s", first);
    cr_assert_str_eq(first, again);
    cr_assert_str_neq(first, other);
}
