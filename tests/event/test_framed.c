/* SPDX-License-Identifier: Apache-2.0 */
/* Values that a schema reads, as functions by event and by topic see them, now and from a record. */
#include "event/event.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "codec/json.h"
#include "schema/schema.h"

#define BYTES(text) ((struct bytes){ (text), sizeof(text) - 1 })
#define NAMED "{\"type\":\"record\",\"name\":\"N\",\"fields\":[{\"name\":\"id\",\"type\":\"int\"},{\"name\":\"name\",\"type\":\"string\"}]}"

static const struct schema_key framed = { .form = SCHEMA_BY_ID, .frame_size = FRAME_SIZE, .number = 9 };
static struct schema *schema;
static struct event event;

static void end(void)
{
    event_done(&event);
    schema_release(schema);
    schema = NULL;
}

TestSuite(framed, .fini = end);

static void begin_with(struct bytes value, const struct event_header *headers, size_t count)
{
    event_init(&event, "rows", 3, 42, 1700000000123, (struct bytes){ NULL, 0 }, value, headers, count);
    event_set_schema(&event, schema);
}

static void begin(struct bytes value)
{
    begin_with(value, NULL, 0);
}

static void read_by_avro(const char *text)
{
    const struct bytes texts[] = { { text, strlen(text) } };

    schema = schema_create_avro(&framed, texts, 1);
}

static void expect_data(const msgpack_object *data, const char *expected)
{
    AUTO_FREE char *json = json_text(data);

    cr_assert_str_eq(json, expected);
}

Test(framed, a_record_is_data_and_its_bytes_stay)
{
    read_by_avro("{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"n\",\"type\":\"int\"}]}");
    begin(BYTES("\0\0\0\0\x09\x02"));
    cr_assert_str_eq(event_view(&event)->name, "rows");
    expect_data(event_view(&event)->data, "{\"n\":1}");
    cr_assert_eq(event.view.raw_len, 6);
    cr_assert_not(event.view.is_raw);
}

Test(framed, envelope_rules_hold_as_for_json)
{
    read_by_avro(NAMED);
    begin(BYTES("\0\0\0\0\x09\x0e\x06"
                "Ada"));
    cr_assert_str_eq(event_view(&event)->name, "Ada");
    cr_assert_str_eq(event.view.id, "7");
    cr_assert_eq(event_view(&event)->data->type, MSGPACK_OBJECT_NIL);
    expect_data(event_row(&event)->data, "{\"id\":7,\"name\":\"Ada\"}");
    cr_assert_str_eq(event_row(&event)->name, "rows");
}

Test(framed, json_is_read_behind_its_frame)
{
    schema = schema_create_json(&framed);
    begin(BYTES("\0\0\0\0\x09{\"name\":\"order/made\",\"data\":{\"n\":1}}"));
    cr_assert_str_eq(event_view(&event)->name, "order/made");
    expect_data(event_view(&event)->data, "{\"n\":1}");
}

Test(framed, attributes_in_headers_make_it_a_cloudevent)
{
    const struct event_header headers[] = { { "ce_type", { "order.made", 10 } },
                                            { "ce_id", { "1", 1 } },
                                            { "content-type", { "application/avro", 16 } } };

    read_by_avro(NAMED);
    begin_with(BYTES("\0\0\0\0\x09\x0e\x06"
                     "Ada"),
               headers, 3);
    cr_assert_str_eq(event_view(&event)->name, "order.made");
    cr_assert_str_eq(event.view.id, "1");
    expect_data(event_view(&event)->data, "{\"id\":7,\"name\":\"Ada\"}");
}

static const struct event_header batch_type[] = { { "content-type", { "application/cloudevents-batch+json", 34 } } };

Test(framed, a_batch_of_cloudevents_is_as_many_events)
{
    schema = schema_create_json(&framed);
    begin_with(BYTES("\0\0\0\0\x09[{\"type\":\"a\",\"id\":\"1\",\"source\":\"/s\",\"specversion\":\"1.0\",\"data\":{\"n\":1}},"
                     "{\"type\":\"b\",\"id\":\"2\",\"source\":\"/s\",\"specversion\":\"1.0\"}]"),
               batch_type, 1);
    cr_assert_eq(event_find_name(&event, NULL), 0);
    cr_assert_not_null(event.parts);
    cr_assert_eq(event.parts->count, 2);
    cr_assert_str_eq(event_view(&event.parts->events[0])->name, "a");
    expect_data(event_view(&event.parts->events[0])->data, "{\"n\":1}");
    cr_assert_str_eq(event_view(&event.parts->events[1])->id, "2");
    cr_assert_eq(((const char *)event.parts->events[0].view.raw)[0], '{', "its value is its own JSON");
}

Test(framed, a_batch_that_is_no_array_is_one_refused_message)
{
    struct error error = { 0 };

    schema = schema_create_json(&framed);
    begin_with(BYTES("\0\0\0\0\x09{\"n\":1}"), batch_type, 1);
    cr_assert_eq(event_find_name(&event, &error), -EBADMSG);
    cr_assert_null(event.parts);
    expect_data(event_row(&event)->data, "{\"n\":1}");
}

static void expect_raw(struct bytes value, const char *why)
{
    struct error error = { 0 };

    begin(value);
    cr_assert_eq(event_find_name(&event, &error), -EBADMSG);
    cr_assert_not_null(strstr(error.text, why), "%s", error.text);
    cr_assert(event_row(&event)->is_raw);
    cr_assert_eq(event_row(&event)->data->type, MSGPACK_OBJECT_NIL);
}

Test(framed, what_the_schema_does_not_fit_is_raw_and_refused)
{
    read_by_avro(NAMED);
    expect_raw(BYTES("\0\0\0\0\x09\x0e\x06"
                     "Ad"),
               "Confluent framing, schema 9: Avro that its schema does not fit: it ends too early");
    expect_raw(BYTES("\0\0\0\0\x09"), "it ends in a number");
}

Test(framed, what_nobody_reads_is_raw_with_the_reason)
{
    schema = schema_create_unreadable(&framed, "schema 9: stepd does not read PROTOBUF");
    expect_raw(BYTES("\0\0\0\0\x09\0\x08\x07"), "schema 9: stepd does not read PROTOBUF");
}

Test(framed, an_envelope_with_a_fault_is_a_row)
{
    read_by_avro(
        "{\"type\":\"record\",\"name\":\"E\",\"fields\":[{\"name\":\"name\",\"type\":\"string\"},{\"name\":\"data\",\"type\":\"int\"},"
        "{\"name\":\"ts\",\"type\":\"string\"}]}");
    struct error error = { 0 };
    begin(BYTES("\0\0\0\0\x09\x02"
                "a\x02\x08"
                "soon"));
    cr_assert_eq(event_find_name(&event, &error), -EBADMSG);
    cr_assert_not_null(strstr(error.text, "'ts' is no time"));
    expect_data(event_row(&event)->data, "{\"name\":\"a\",\"data\":1,\"ts\":\"soon\"}");
}

/* ---- from a record -------------------------------------------------------------------------------- */

/* Reads `value` by the schema, then again as a record has it. */
static void read_again(struct bytes value, struct event *again)
{
    struct error error = { 0 };

    begin(value);
    (void)event_find_name(&event, &error);
    memset(again, 0, sizeof(*again));
    event_init(again, "rows", 3, 42, 1700000000123, (struct bytes){ NULL, 0 }, value, NULL, 0);
    event_set_kept(again, event.kept);
}

Test(framed, what_was_read_once_needs_no_schema)
{
    struct event again;

    read_by_avro(NAMED);
    read_again(BYTES("\0\0\0\0\x09\x0e\x06"
                     "Ada"),
               &again);
    expect_data(event_row(&again)->data, "{\"id\":7,\"name\":\"Ada\"}");
    event_done(&again);
}

Test(framed, json_is_kept_as_where_it_begins)
{
    struct event again;

    schema = schema_create_json(&framed);
    read_again(BYTES("\0\0\0\0\x09[1]"), &again);
    cr_assert_eq(event.kept.size, 2);
    expect_data(event_view(&again)->data, "[1]");
    event_done(&again);
}

Test(framed, what_was_refused_once_is_refused_again)
{
    struct event again;
    struct error error = { 0 };

    schema = schema_create_unreadable(&framed, "the schema registry does not know it");
    read_again(BYTES("\0\0\0\0\x09"
                     "text"),
               &again);
    cr_assert_eq(event_find_name(&again, &error), -EBADMSG);
    cr_assert_not_null(strstr(error.text, "the schema registry does not know it"), "%s", error.text);
    cr_assert(event_row(&again)->is_raw);
    event_done(&again);
}

Test(framed, a_record_with_nonsense_is_refused)
{
    static const char *const nonsense[] = { "J\x7f", "J", "M", "M\xc1", "?", "X" };

    for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
        struct error error = { 0 };
        event_init(&event, "rows", 3, 42, 0, (struct bytes){ NULL, 0 }, BYTES("\0\0\0\0\x09"), NULL, 0);
        event_set_kept(&event, (struct bytes){ nonsense[i], strlen(nonsense[i]) });
        cr_assert_eq(event_find_name(&event, &error), -EBADMSG, "%s", nonsense[i]);
    }
}
