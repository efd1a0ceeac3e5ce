/* SPDX-License-Identifier: Apache-2.0 */
#include "run/branches.h"

#include <criterion/criterion.h>
#include <string.h>

static struct branches branches;

static void teardown(void)
{
    branches_done(&branches);
}

TestSuite(branches, .fini = teardown);

Test(branches, are_found_by_name_and_there_once)
{
    branches_add(&branches, "a")->attempt = 1;
    branches_add(&branches, "b")->attempt = 2;
    branches_add(&branches, "a")->due_ms = 7;
    cr_assert_eq(branches.count, 2);
    cr_assert_eq(branches_find(&branches, "a")->attempt, 1);
    cr_assert_eq(branches_find(&branches, "a")->due_ms, 7);
    cr_assert_null(branches_find(&branches, "c"));
}

Test(branches, are_removed_without_the_others)
{
    (void)branches_add(&branches, "a");
    branches_add(&branches, "b")->attempt = 2;
    (void)branches_add(&branches, "c");
    branches_remove(&branches, "a");
    branches_remove(&branches, "none");
    branches_remove(&branches, "c");
    cr_assert_eq(branches.count, 1);
    cr_assert_eq(branches_find(&branches, "b")->attempt, 2);
}

Test(branches, come_back_with_their_counts_and_no_call)
{
    struct branches loaded;
    msgpack_sbuffer packed;
    struct branch *branch = branches_add(&branches, "a");

    branch->attempt = 3;
    branch->due_ms = 1700000000000;
    branch->is_called = true;
    (void)branches_add(&branches, "");
    msgpack_sbuffer_init(&packed);
    branches_pack(&branches, &packed);
    branches_load(&loaded, (struct bytes){ packed.data, packed.size });
    cr_assert_eq(loaded.count, 2);
    cr_assert_eq(branches_find(&loaded, "a")->attempt, 3);
    cr_assert_eq(branches_find(&loaded, "a")->due_ms, 1700000000000);
    cr_assert_not(branches_find(&loaded, "a")->is_called);
    cr_assert_not_null(branches_find(&loaded, ""));
    branches_done(&loaded);
    msgpack_sbuffer_destroy(&packed);
}

Test(branches, of_what_is_damaged_are_none)
{
    static const struct bytes damaged[] = { { "", 0 },
                                            { "\xc0", 1 },
                                            { "\x91", 1 },
                                            { "\x91\x93\xa1"
                                              "a\x01",
                                              5 },
                                            { "\x91\x93\xa1"
                                              "a\xff\x00",
                                              6 } };

    for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
        branches_load(&branches, damaged[i]);
        cr_assert_eq(branches.count, 0);
    }
}
