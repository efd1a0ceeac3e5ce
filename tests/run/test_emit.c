/* SPDX-License-Identifier: Apache-2.0 */
#include "run/emit.h"

#include <criterion/criterion.h>

static void expect_topic(const char *pattern, const char *expected)
{
    AUTO_FREE char *topic = emit_letter_topic(pattern, "orders");

    cr_assert_str_eq(topic, expected);
}

Test(emit, a_dead_letter_s_topic_has_its_event_s_for_each_mark)
{
    expect_topic("%t.dead", "orders.dead");
    expect_topic("dead", "dead");
    expect_topic("dead-%t", "dead-orders");
    expect_topic("%t.dead.%t", "orders.dead.orders");
    expect_topic("%t", "orders");
}
