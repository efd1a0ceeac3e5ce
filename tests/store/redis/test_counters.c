/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/counters.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

static struct counters counters;
static const struct incarnation first = { .bytes = { 1 } }, second = { .bytes = { 2 } };

/* What is said of runs that completed. */
static long tell(const struct incarnation *self, uint64_t completed)
{
    const struct worker_counts now = { .runs_completed = completed };
    struct script_call call;
    long said = -1;

    script_begin(&call, "heartbeat", 0);
    counters_tell(&counters, self, &now, &call);
    for (size_t i = 0; i + 1 < call.count; i += 2) {
        if (call.arguments[i].size == strlen("runs_completed") &&
            memcmp(call.arguments[i].data, "runs_completed", call.arguments[i].size) == 0)
            said = strtol(call.arguments[i + 1].data, NULL, 10);
    }
    return said;
}

Test(counters, begin_anew_with_each_name)
{
    cr_assert_eq(tell(&first, 5), 5);
    counters_heard(&counters, &first);
    cr_assert_eq(tell(&first, 8), 8);
    counters_heard(&counters, &first);
    cr_assert_eq(tell(&second, 10), 2);
}

Test(counters, what_the_store_did_not_take_is_told_under_the_next_name)
{
    (void)tell(&first, 5);
    counters_heard(&counters, &first);
    (void)tell(&first, 8);
    cr_assert_eq(tell(&second, 10), 5);
}

Test(counters, what_was_sent_in_another_name_is_told_again)
{
    (void)tell(&first, 5);
    counters_heard(&counters, &first);
    (void)tell(&first, 8);
    counters_heard(&counters, &second);
    cr_assert_eq(tell(&second, 8), 3);
}
