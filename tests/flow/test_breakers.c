/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/breakers.h"

#include <criterion/criterion.h>

#define NAME(text) ((struct bytes){ text, sizeof(text) - 1 })

static struct breakers breakers;

static void set_up(void)
{
    breakers_init(&breakers);
}

static void tear_down(void)
{
    breakers_done(&breakers);
}

TestSuite(breakers, .init = set_up, .fini = tear_down);

Test(breakers, none_is_open_before_a_shard_says_so)
{
    cr_assert_not(breakers_touch(&breakers, "f"));
    cr_assert_not(breakers_hold(&breakers, "f", NAME("-")));
}

Test(breakers, hold_their_function_and_key_alone)
{
    const struct bytes open[] = { NAME("f\0=a"), NAME("g\0-") };

    breakers_hear(&breakers, 2, open, 2, false);
    cr_assert(breakers_touch(&breakers, "f"));
    cr_assert(breakers_hold(&breakers, "f", NAME("=a")));
    cr_assert_not(breakers_hold(&breakers, "f", NAME("=b")));
    cr_assert_not(breakers_hold(&breakers, "f", NAME("=")));
    cr_assert(breakers_hold(&breakers, "g", NAME("-")));
    cr_assert_not(breakers_touch(&breakers, "fg"));
}

Test(breakers, are_those_that_each_shard_told_last)
{
    const struct bytes of_first[] = { NAME("f\0-") }, of_second[] = { NAME("g\0-") };

    breakers_hear(&breakers, 0, of_first, 1, false);
    breakers_hear(&breakers, 1, of_second, 1, false);
    breakers_hear(&breakers, 0, NULL, 0, false);
    cr_assert_not(breakers_touch(&breakers, "f"));
    cr_assert(breakers_touch(&breakers, "g"));
}

Test(breakers, hold_everything_where_more_are_open_than_are_named)
{
    const struct bytes open[] = { NAME("f\0-") };

    breakers_hear(&breakers, 0, open, 1, true);
    cr_assert(breakers_hold(&breakers, "other", NAME("=x")));
}
