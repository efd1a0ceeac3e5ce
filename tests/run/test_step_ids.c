/* SPDX-License-Identifier: Apache-2.0 */
#include "run/step_ids.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "run/run.h"

static struct step_ids ids;
static char name[STEP_ID_SIZE];

static void done(void)
{
    step_ids_done(&ids);
}

TestSuite(step_ids, .fini = done);

static void expect(const char *id, const char *wanted)
{
    step_ids_next(&ids, id, name);
    cr_assert_str_eq(name, wanted);
}

Test(step_ids, second_and_third_use_get_a_number)
{
    expect("a", "a");
    expect("b", "b");
    expect("a", "a:1");
    expect("a", "a:2");
    expect("b", "b:1");
}

Test(step_ids, a_number_that_the_author_used_is_passed_over)
{
    expect("a:1", "a:1");
    expect("a", "a");
    expect("a", "a:2");
    expect("a:1", "a:1:1");
}

Test(step_ids, a_cleared_table_begins_anew)
{
    expect("a", "a");
    step_ids_clear(&ids);
    expect("a", "a");
    expect("a", "a:1");
}

Test(step_ids, a_thousand_uses_of_one_id_and_of_many)
{
    char wanted[STEP_ID_SIZE];

    expect("loop", "loop");
    for (int i = 1; i < 1000; i++) {
        (void)snprintf(wanted, sizeof(wanted), "loop:%d", i);
        expect("loop", wanted);
        (void)snprintf(wanted, sizeof(wanted), "step-%d", i);
        expect(wanted, wanted);
    }
}
