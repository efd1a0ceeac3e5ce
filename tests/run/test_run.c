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

Test(run, of_a_part_of_a_message_is_named_by_it_too)
{
    struct event event = { 0 };

    (void)at(&event, 4711, "key");
    event.part = 1;
    expect(run_id_of(&charge, &event), "81fee74c3b07ee4ac7d4b2ccc521d0a6");
    event.part = 2;
    expect(run_id_of(&charge, &event), "1a038d50ced48f2373c7dbbc44c8b9e2");
}

Test(run, of_a_function_with_dedupe_was_named_by_the_id_of_its_event)
{
    struct event event = { 0 };

    expect(run_id_of_event_id(&charge, at(&event, 4711, "key")), "d63990e0223b77a5d243e48210c937cf");
    expect(run_id_of_event_id(&charge, at(&event, 4712, "other")), "d63990e0223b77a5d243e48210c937cf");
}

static struct dedupe_id key_of(const char *source, const char *id, const char *topic, const char *key)
{
    const struct event_header headers[] = { { "ce_type", { "order/paid", 10 } },
                                            { "ce_id", { id, strlen(id) } },
                                            { "ce_source", { source, strlen(source) } } };
    struct event event = { 0 };
    struct error error;

    event_init(&event, topic, 3, 4711, 1700000000000, (struct bytes){ key, strlen(key) }, (struct bytes){ 0 }, headers, 3);
    cr_assert_eq(event_find_name(&event, &error), 0);
    struct dedupe_id found = dedupe_id_of(&charge, &event);
    event_done(&event);
    return found;
}

Test(run, of_a_cloud_event_is_remembered_by_source_id_topic_and_key)
{
    struct dedupe_id first = key_of("/lms", "1", "orders", "k");

    cr_assert_str_eq(key_of("/lms", "1", "orders", "k").text, first.text);
    cr_assert_str_neq(key_of("/studio", "1", "orders", "k").text, first.text);
    cr_assert_str_neq(key_of("/lms", "2", "orders", "k").text, first.text);
    cr_assert_str_neq(key_of("/lms", "1", "payments", "k").text, first.text);
    cr_assert_str_neq(key_of("/lms", "1", "orders", "l").text, first.text);
}

Test(run, of_a_structured_cloud_event_is_remembered_as_of_a_binary_one)
{
    static const char value[] = "{\"specversion\":\"1.0\",\"type\":\"order/paid\",\"id\":\"1\",\"source\":\"\\/lms\"}";
    const struct event_header header = { "content-type", { "application/cloudevents+json", 28 } };
    struct event event = { 0 };
    struct error error;

    event_init(&event, "orders", 3, 4711, 1700000000000, (struct bytes){ "k", 1 }, (struct bytes){ value, sizeof(value) - 1 }, &header, 1);
    cr_assert_eq(event_find_name(&event, &error), 0);
    cr_assert_str_eq(dedupe_id_of(&charge, &event).text, key_of("/lms", "1", "orders", "k").text);
    event_done(&event);
}

Test(run, of_any_other_event_is_remembered_by_its_id)
{
    struct event event = { 0 };

    cr_assert_str_eq(dedupe_id_of(&charge, at(&event, 4711, "key")).text, "90e0223b77a5d243e48210c937cf");
    cr_assert_str_eq(dedupe_id_of(&charge, at(&event, 4712, "other")).text, "90e0223b77a5d243e48210c937cf");
}

Test(run, of_one_key_in_order_are_placed_together)
{
    struct event event = { 0 };

    expect(run_id_of(&by_key, at(&event, 4711, "key")), "d0cadd3a568a60d473c40b4d25ba4a67");
    expect(run_id_of(&by_key, at(&event, 4712, "key")), "d0ca6aba14488dc47be555fdeede7cf5");
    expect(run_id_of(&by_key, at(&event, 4711, "other")), "c480dd3a568a60d473c40b4d25ba4a67");
    cr_assert_eq(run_id_placement("d0ca6aba14488dc47be555fdeede7cf5"), 0xd0ca);
}
