/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that the store has taken: done once it is known to have kept them, in order. */
#include "intake/kafka/takings.h"

#include <criterion/criterion.h>

static struct partition *partition;
static struct takings takings;

static void setup(void)
{
    const struct partition_begin begin = { .start = 0, .end = OFFSETS_UNKNOWN };
    bool is_unread;

    partition = partition_create("events", 3, &begin, &is_unread);
}

static void teardown(void)
{
    takings_drop(&takings);
    takings_done(&takings);
    partition_destroy(partition);
}

TestSuite(takings, .init = setup, .fini = teardown);

static void take(int64_t offset, int64_t seen_ms)
{
    cr_assert(offsets_start(partition->offsets, offset));
    takings_add(&takings, partition, offset, seen_ms);
}

Test(takings, are_done_once_the_store_has_kept_them)
{
    take(0, 100);
    take(1, 200);
    takings_finish(&takings, 99);
    cr_assert_eq(offsets_committable(partition->offsets), 0);
    takings_finish(&takings, 100);
    cr_assert_eq(offsets_committable(partition->offsets), 1);
    cr_assert_eq(partition->holders, 1);
    takings_finish(&takings, 1000);
    cr_assert_eq(offsets_committable(partition->offsets), 2);
    cr_assert_eq(partition->holders, 0);
}

Test(takings, that_are_dropped_are_not_done)
{
    take(0, 100);
    takings_drop(&takings);
    takings_finish(&takings, 1000);
    cr_assert_eq(offsets_committable(partition->offsets), 0);
    cr_assert_eq(partition->holders, 0);
}

Test(takings, keep_their_order_however_many_there_are)
{
    for (int64_t offset = 0; offset < 50; offset++)
        take(offset, offset);
    takings_finish(&takings, 39);
    for (int64_t offset = 50; offset < 500; offset++)
        take(offset, offset);
    takings_finish(&takings, 298);
    cr_assert_eq(offsets_committable(partition->offsets), 299);
    cr_assert_eq(takings.count, 201);
    cr_assert_eq(partition->holders, 201);
}
