/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/call.h"

#include <criterion/criterion.h>

static struct call_list list;
static struct call a = { .due_ns = 1 }, b = { .due_ns = 2 }, c = { .due_ns = 3 };

static void setup(void)
{
    list = (struct call_list){ 0 };
}

TestSuite(call_list, .init = setup);

static void expect(struct call *first, struct call *second, struct call *third)
{
    cr_assert_eq(call_list_take(&list), first);
    cr_assert_eq(call_list_take(&list), second);
    cr_assert_eq(call_list_take(&list), third);
    cr_assert_null(call_list_take(&list));
}

Test(call_list, gives_them_in_the_order_in_which_they_came)
{
    call_list_add(&list, &b);
    call_list_add(&list, &a);
    call_list_add(&list, &c);
    expect(&b, &a, &c);
}

Test(call_list, gives_what_is_due_soonest_first)
{
    call_list_add_due(&list, &b);
    call_list_add_due(&list, &c);
    call_list_add_due(&list, &a);
    expect(&a, &b, &c);
}

Test(call_list, goes_on_without_one_that_was_removed)
{
    struct call *const removed[] = { &a, &b, &c };

    for (size_t i = 0; i < 3; i++) {
        call_list_add(&list, &a);
        call_list_add(&list, &b);
        call_list_remove(&list, removed[i]); /* c is not in there */
        call_list_add(&list, &c);
        expect(i == 0 ? &b : &a, i == 2 ? &b : &c, i == 2 ? &c : NULL);
    }
}
