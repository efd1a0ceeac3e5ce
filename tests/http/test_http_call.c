/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_call.h"

#include <criterion/criterion.h>

static struct http_call_list list;
static struct http_call a = { .due_ns = 1 }, b = { .due_ns = 2 }, c = { .due_ns = 3 };

static void setup(void)
{
    list = (struct http_call_list){ 0 };
}

TestSuite(http_call_list, .init = setup);

static void expect(struct http_call *first, struct http_call *second, struct http_call *third)
{
    cr_assert_eq(http_call_list_take(&list), first);
    cr_assert_eq(http_call_list_take(&list), second);
    cr_assert_eq(http_call_list_take(&list), third);
    cr_assert_null(http_call_list_take(&list));
}

Test(http_call_list, gives_them_in_the_order_in_which_they_came)
{
    http_call_list_add(&list, &b);
    http_call_list_add(&list, &a);
    http_call_list_add(&list, &c);
    expect(&b, &a, &c);
}

Test(http_call_list, gives_what_is_due_soonest_first)
{
    http_call_list_add_due(&list, &b);
    http_call_list_add_due(&list, &c);
    http_call_list_add_due(&list, &a);
    expect(&a, &b, &c);
}

Test(http_call_list, goes_on_without_one_that_was_removed)
{
    struct http_call *const removed[] = { &a, &b, &c };

    for (size_t i = 0; i < 3; i++) {
        http_call_list_add(&list, &a);
        http_call_list_add(&list, &b);
        http_call_list_remove(&list, removed[i]); /* c is not in there */
        http_call_list_add(&list, &c);
        expect(i == 0 ? &b : &a, i == 2 ? &b : &c, i == 2 ? &c : NULL);
    }
}
