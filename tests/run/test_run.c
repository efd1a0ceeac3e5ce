/* SPDX-License-Identifier: Apache-2.0 */
/* Ids of runs stand in Redis and at users' own places: they are the same in every version. */
#include "run/run.h"

#include <criterion/criterion.h>
#include <string.h>

#include "event/event.h"

static const struct function charge = { .id = "billing.charge" };
static const struct function by_key = { .id = "billing.charge", .ordering = STEPD_BY_KEY };

static const struct event *at(struct event *event, int64_t offset, const char *key)
{
    static const char value[] = "{\"name\":\"order/paid\",\"id\":\"order-17\",\"data\":{}}";
    struct error error;

    event_init(event, "orders", 3, offset, 1700000000000, (struct bytes){ key, strlen(key) }, (struct bytes){ value, sizeof(value) - 1 },
               NULL, 0);
    cr_assert_eq(event_find_name(event, &error), 0);
    return event;
}

static void expect(struct run_id id, const char *wanted)
{
    cr_assert_str_eq(id.text, wanted, "%s", id.text);
}

Test(run, is_named_by_its_function_and_the_place_of_its_event)
{
    struct event event = { 0 };

    expect(run_id_of(&charge, at(&event, 4711, "key")), "5156dd3a568a60d473c40b4d25ba4a67");
    expect(run_id_of(&charge, at(&event, 4712, "key")), "40d66aba14488dc47be555fdeede7cf5");
}

Test(run, of_a_function_with_dedupe_is_named_by_the_id_of_its_event)
{
    struct event event = { 0 };

    expect(run_id_of_event_id(&charge, at(&event, 4711, "key")), "d63990e0223b77a5d243e48210c937cf");
    expect(run_id_of_event_id(&charge, at(&event, 4712, "other")), "d63990e0223b77a5d243e48210c937cf");
}

Test(run, of_one_key_in_order_are_placed_together)
{
    struct event event = { 0 };

    expect(run_id_of(&by_key, at(&event, 4711, "key")), "d0cadd3a568a60d473c40b4d25ba4a67");
    expect(run_id_of(&by_key, at(&event, 4712, "key")), "d0ca6aba14488dc47be555fdeede7cf5");
    expect(run_id_of(&by_key, at(&event, 4711, "other")), "c480dd3a568a60d473c40b4d25ba4a67");
    cr_assert_eq(run_id_placement("d0ca6aba14488dc47be555fdeede7cf5"), 0xd0ca);
}
