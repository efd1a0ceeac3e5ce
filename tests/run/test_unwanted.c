/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "run/run.h"
#include "run/unwanted.h"

static struct unwanted unwanted;

static void setup(void)
{
    unwanted_init(&unwanted);
}

static void teardown(void)
{
    unwanted_done(&unwanted);
}

TestSuite(unwanted, .init = setup, .fini = teardown);

static const char *id_of(int number)
{
    static char id[RUN_ID_LENGTH + 1];

    (void)snprintf(id, sizeof(id), "%032x", (unsigned)number);
    return id;
}

Test(unwanted, a_run_that_was_told_twice_is_there_once)
{
    cr_assert_not(unwanted_has(&unwanted, id_of(1)));
    unwanted_add(&unwanted, id_of(1));
    unwanted_add(&unwanted, id_of(1));
    cr_assert(unwanted_has(&unwanted, id_of(1)));
    cr_assert_not(unwanted_has(&unwanted, id_of(2)));
    cr_assert_eq(atomic_load(&unwanted.count), 1);
}

Test(unwanted, what_is_no_id_is_left_out)
{
    unwanted_add(&unwanted, "../1");
    cr_assert_eq(atomic_load(&unwanted.count), 0);
}

Test(unwanted, of_too_many_the_oldest_goes)
{
    for (int i = 0; i < 1001; i++)
        unwanted_add(&unwanted, id_of(i));
    cr_assert_eq(atomic_load(&unwanted.count), 1000);
    cr_assert_not(unwanted_has(&unwanted, id_of(0)));
    cr_assert(unwanted_has(&unwanted, id_of(1)));
    cr_assert(unwanted_has(&unwanted, id_of(1000)));
}
