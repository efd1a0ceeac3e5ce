/* SPDX-License-Identifier: Apache-2.0 */
#include "statuses.h"

#include <criterion/criterion.h>

#define LIST(...) \
    (const char *const[]) \
    { \
        __VA_ARGS__, NULL \
    }

Test(statuses, an_x_is_any_digit)
{
    cr_assert(statuses_contain(LIST("2xx"), 200));
    cr_assert(statuses_contain(LIST("2xx"), 299));
    cr_assert_not(statuses_contain(LIST("2xx"), 300));
    cr_assert(statuses_contain(LIST("50x"), 503));
    cr_assert_not(statuses_contain(LIST("50x"), 511));
}

Test(statuses, one_of_several_is_enough)
{
    cr_assert(statuses_contain(LIST("408", "429", "5xx"), 429));
    cr_assert_not(statuses_contain(LIST("408", "429", "5xx"), 404));
}

Test(statuses, no_status_is_in_no_list)
{
    cr_assert_not(statuses_contain(LIST("2xx"), 0));
    cr_assert_not(statuses_contain(LIST("2xx"), 1200));
    cr_assert_not(statuses_contain(&(const char *const){ NULL }, 200));
}

Test(statuses, what_is_no_status_is_found)
{
    static const char *const WRONG[] = { "", "2", "2xxx", "abc", "6xx", "0xx", "x00", "-11" };

    cr_assert_null(statuses_find_wrong(LIST("2xx", "404")));
    for (size_t i = 0; i < sizeof(WRONG) / sizeof(WRONG[0]); i++)
        cr_assert_eq(statuses_find_wrong(LIST("2xx", WRONG[i])), WRONG[i]);
}
