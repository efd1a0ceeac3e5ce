/* SPDX-License-Identifier: Apache-2.0 */
#include "event/event.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json.h"

#define TIMESTAMP_MS 1700000000123

static struct event event;

static void release(void)
{
    event_done(&event);
}

TestSuite(event, .fini = release);

#define HEADER(key, text) \
    { \
        .name = (key), .value = {(text), sizeof(text) - 1 } \
    }
#define HEADERS(...) \
    (const struct event_header[]){ __VA_ARGS__ }, sizeof((const struct event_header[]){ __VA_ARGS__ }) / sizeof(struct event_header)
#define NO_HEADERS NULL, 0
#define JSON_TYPE HEADER("content-type", "application/json; charset=utf-8")

static void init(const void *value, size_t size, const struct event_header *headers, size_t count)
{
    event_init(&event, "events", 3, 42, TIMESTAMP_MS, (struct bytes){ "key", 3 }, (struct bytes){ value, size }, headers, count);
}

static void init_text(const char *value, const struct event_header *headers, size_t count)
{
    init(value, strlen(value), headers, count);
}

static void expect_named(enum event_format format, const char *name, const char *id, int64_t ts_ms)
{
    struct error error = { 0 };

    cr_assert_eq(event_find_name(&event, &error), 0, "%s", error.text);
    cr_assert_eq(event.format, format);
    cr_assert_str_eq(event.view.name, name);
    cr_assert_str_eq(event.view.id, id);
    cr_assert_eq(event.view.ts_ms, ts_ms);
}

static void expect_json(const msgpack_object *object, const char *wanted)
{
    char *text = json_text(object);

    cr_assert_str_eq(text, wanted);
    free(text);
}

static void expect_data(const char *data)
{
    struct error error = { 0 };

    cr_assert_eq(event_decode(&event, &error), 0, "%s", error.text);
    expect_json(event.view.data, data);
}

static void expect_malformed(const char *reason)
{
    for (int again = 0; again < 2; again++) {
        struct error error = { 0 };
        cr_assert_eq(event_find_name(&event, &error), -EBADMSG, "not refused: %s", reason);
        cr_assert(strstr(error.text, reason) != NULL, "'%s' does not say '%s'", error.text, reason);
        cr_assert_eq(event_decode(&event, &error), -EBADMSG);
        cr_assert_str_eq(event.view.name, "events");
        cr_assert_str_eq(event.view.id, "events-3-42");
        cr_assert_eq(event.view.data->type, MSGPACK_OBJECT_NIL);
        cr_assert_eq(event.view.ts_ms, TIMESTAMP_MS);
    }
}

/* Refusals of one JSON value after another. */
static void expect_malformed_json(const char *value, const char *reason)
{
    init_text(value, NO_HEADERS);
    expect_malformed(reason);
}

Test(event, shows_the_message_it_came_in)
{
    init_text("{}", NO_HEADERS);
    cr_assert_str_eq(event.view.topic, "events");
    cr_assert_eq(event.view.partition, 3);
    cr_assert_eq(event.view.offset, 42);
    cr_assert_arr_eq(event.view.key, "key", 3);
    cr_assert_eq(event.view.key_len, 3);
    cr_assert_eq(event.view.raw_len, 2);
    cr_assert_eq(event.timestamp_ms, TIMESTAMP_MS);
    cr_assert_eq(event.view.data->type, MSGPACK_OBJECT_NIL);
}

Test(event, reads_a_json_envelope)
{
    init_text("{\"v\":\"1\",\"name\":\"app/"
              "button.clicked\",\"data\":{\"x\":[1,2.5]},\"id\":\"e1\",\"ts\":1600000000000,\"user\":{\"n\":\"u\"},\"more\":{}}",
              NO_HEADERS);
    expect_named(EVENT_JSON, "app/button.clicked", "e1", 1600000000000);
    expect_data("{\"x\":[1,2.5]}");
    expect_json(event.view.user, "{\"n\":\"u\"}");
}

Test(event, reads_a_msgpack_envelope)
{
    static const char value[] = "\x85\xa4name\xa5"
                                "a/b.c\xa4"
                                "data\x81\xa1x\x07\xa2id\xa2"
                                "e2\xa2ts\xcf\x00\x00\x01\x74\x87\x6e\x80\x00\xa4user\xc0";

    init(value, sizeof(value) - 1, NO_HEADERS);
    expect_named(EVENT_MSGPACK, "a/b.c", "e2", 1600000000000);
    expect_data("{\"x\":7}");
    expect_json(event.view.user, "null");
}

Test(event, knows_msgpack_by_its_content_type)
{
    init("\x93\x01\x02\x03", 4, HEADERS(HEADER("Content-Type", "application/msgpack")));
    expect_named(EVENT_MSGPACK, "events", "events-3-42", TIMESTAMP_MS);
    expect_data("[1,2,3]");
}

/* What a function by topic sees. */
static void expect_row(const char *name, const char *id, int64_t ts_ms, const char *data)
{
    const struct stepd_event *row = event_row(&event);

    cr_assert_str_eq(row->name, name);
    cr_assert_str_eq(row->id, id);
    cr_assert_eq(row->ts_ms, ts_ms);
    cr_assert_not(row->is_raw);
    expect_json(row->data, data);
}

static void expect_whole_row(const char *data)
{
    expect_row("events", "events-3-42", TIMESTAMP_MS, data);
    cr_assert_eq(event_row(&event)->user->type, MSGPACK_OBJECT_NIL);
}

static void expect_raw_row(void)
{
    const struct stepd_event *row = event_row(&event);

    cr_assert(row->is_raw);
    cr_assert_str_eq(row->name, "events");
    cr_assert_eq(row->data->type, MSGPACK_OBJECT_NIL);
}

Test(event, takes_the_topics_name_where_it_has_none)
{
    init_text("{\"data\":5,\"id\":null}", NO_HEADERS);
    expect_named(EVENT_JSON, "events", "events-3-42", TIMESTAMP_MS);
    expect_data("5");
}

Test(event, has_nil_data_where_only_the_name_is_given)
{
    init_text("{\"name\":\"n\"}", NO_HEADERS);
    expect_named(EVENT_JSON, "n", "events-3-42", TIMESTAMP_MS);
    expect_data("null");
}

Test(event, is_its_whole_value_where_that_is_no_envelope)
{
    init_text("{\"data\":5,\"event\":\"signup\"}", NO_HEADERS);
    expect_named(EVENT_JSON, "events", "events-3-42", TIMESTAMP_MS);
    expect_data("{\"data\":5,\"event\":\"signup\"}");
    init_text("{\"id\":5,\"ts\":\"never\",\"price\":1}", NO_HEADERS);
    expect_named(EVENT_JSON, "events", "events-3-42", TIMESTAMP_MS);
    expect_data("{\"id\":5,\"ts\":\"never\",\"price\":1}");
    init_text(" [1,\"two\"] ", NO_HEADERS);
    expect_named(EVENT_JSON, "events", "events-3-42", TIMESTAMP_MS);
    expect_data("[1,\"two\"]");
    init_text("17", NO_HEADERS);
    expect_named(EVENT_JSON, "events", "events-3-42", TIMESTAMP_MS);
    expect_data("17");
    init("\x81\xa1x\x01", 4, NO_HEADERS);
    expect_named(EVENT_MSGPACK, "events", "events-3-42", TIMESTAMP_MS);
    expect_data("{\"x\":1}");
}

Test(event, without_a_value_has_the_topics_name_and_nil)
{
    init(NULL, 0, NO_HEADERS);
    expect_named(EVENT_EMPTY, "events", "events-3-42", TIMESTAMP_MS);
    expect_data("null");
    init("", 0, NO_HEADERS);
    expect_named(EVENT_EMPTY, "events", "events-3-42", TIMESTAMP_MS);
    expect_data("null");
}

Test(event, finds_its_parts_wherever_and_however_they_are_written)
{
    init_text("{ \"data\" :\n { \"name\" : \"inner\", \"s\" : \"a\\nb\" } , \"n\\u0061me\"\t:\t\"t\\u00e9\\/x\" , \"id\" : \"\\u0069\", "
              "\"ts\":1.6e12 }",
              NO_HEADERS);
    expect_named(EVENT_JSON, "t\xc3\xa9/x", "i", 1600000000000);
    expect_data("{\"name\":\"inner\",\"s\":\"a\\nb\"}");
}

Test(event, takes_the_last_of_keys_that_stand_twice)
{
    init_text("{\"name\":\"a\",\"data\":1,\"name\":\"b\",\"data\":{\"k\":1,\"k\":2}}", NO_HEADERS);
    expect_named(EVENT_JSON, "b", "events-3-42", TIMESTAMP_MS);
    expect_data("{\"k\":2}");
}

Test(event, reads_scalars_and_strings_as_data)
{
    static const char *const scalars[] = { "true", "-5", "\"text\"", "\"a\\nb\"", "[]", "{}", "18446744073709551615", "null" };
    char value[100];

    for (size_t i = 0; i < sizeof(scalars) / sizeof(scalars[0]); i++) {
        (void)snprintf(value, sizeof(value), "{\"name\":\"n\",\"data\":  %s ,\"id\":\"x\"}", scalars[i]);
        init_text(value, NO_HEADERS);
        expect_named(EVENT_JSON, "n", "x", TIMESTAMP_MS);
        expect_data(scalars[i]);
    }
}

Test(event, keeps_long_names_and_ids)
{
    char value[2100], name[901], id[901];

    memset(name, 'n', 900);
    memset(id, 'i', 900);
    name[900] = id[900] = 0;
    (void)snprintf(value, sizeof(value), "{\"name\":\"%s\",\"id\":\"%s\"}", name, id);
    init_text(value, NO_HEADERS);
    expect_named(EVENT_JSON, name, id, TIMESTAMP_MS);
    init_text("{\"name\":\"short\"}", NO_HEADERS);
    expect_named(EVENT_JSON, "short", "events-3-42", TIMESTAMP_MS);
}

Test(event, reads_cloudevents_binary)
{
    init_text("{\"a\":1}", HEADERS(HEADER("ce_specversion", "1.0"), HEADER("ce_type", "com.example.made"), HEADER("ce_id", "c1"),
                                   HEADER("ce_time", "2020-09-13T12:26:40.5Z"), HEADER("ce_traceparent", "00-a-b-01"), JSON_TYPE));
    expect_named(EVENT_CLOUD_BINARY, "com.example.made", "c1", 1600000000500);
    cr_assert_str_eq(event.view.traceparent, "00-a-b-01");
    expect_data("{\"a\":1}");
}

Test(event, reads_cloudevents_binary_bodies_by_content_type)
{
#define TYPED(type) HEADERS(HEADER("ce_type", "t"), HEADER("content-type", type))
    init("\x81\xa1x\x01", 4, TYPED("application/msgpack"));
    expect_data("{\"x\":1}");
    init_text("hello", TYPED("text/plain"));
    expect_data("\"hello\"");
    init_text("hello", TYPED("application/octet-stream"));
    expect_data("\"aGVsbG8=\"");
    init("\xff\xfe", 2, TYPED("text/plain; charset=utf-16"));
    expect_data("\"//4=\"");
    init_text("{\"name\":\"not an envelope\"}", TYPED("application/vnd.acme+json;v=2"));
    expect_named(EVENT_CLOUD_BINARY, "t", "events-3-42", TIMESTAMP_MS);
    expect_data("{\"name\":\"not an envelope\"}");
    init_text("[1]", HEADERS(HEADER("ce_type", "t")));
    expect_data("[1]");
    init_text("not json", HEADERS(HEADER("ce_type", "t")));
    expect_data("\"not json\"");
    init(NULL, 0, TYPED("application/json"));
    expect_data("null");
}

Test(event, refuses_broken_cloudevents_binary)
{
    init_text("{", HEADERS(HEADER("ce_type", "t"), JSON_TYPE));
    expect_malformed("not valid JSON");
    init_text("{}", HEADERS(HEADER("ce_type", "a\0b")));
    expect_malformed("'ce_type' contains a NUL");
    init_text("{}", HEADERS(HEADER("ce_type", "\xff")));
    expect_malformed("'ce_type' is not valid UTF-8");
    init_text("{}", HEADERS(HEADER("ce_type", "t"), HEADER("ce_time", "yesterday")));
    expect_malformed("'ce_time' is not an RFC 3339 time: yesterday");
}

#define STRUCTURED HEADERS(HEADER("content-type", "application/cloudevents+json; charset=UTF-8"))

Test(event, reads_cloudevents_structured)
{
    init_text("{\"specversion\":\"1.0\",\"type\":\"t.y\",\"source\":\"/s\",\"id\":\"c2\",\"time\":\"2020-09-13T14:26:40+02:00\","
              "\"traceparent\":\"00-c-d-01\",\"data\":{\"k\":\"v\"}}",
              STRUCTURED);
    expect_named(EVENT_CLOUD_STRUCTURED, "t.y", "c2", 1600000000000);
    cr_assert_str_eq(event.view.traceparent, "00-c-d-01");
    expect_data("{\"k\":\"v\"}");
}

Test(event, reads_cloudevents_structured_binary_data)
{
    init_text("{\"type\":\"t\",\"data_base64\":\"AAH/\"}", STRUCTURED);
    expect_data("\"AAH/\"");
    cr_assert_eq(event.view.data->type, MSGPACK_OBJECT_BIN);
    cr_assert_eq(event.view.data->via.bin.size, 3);
    init_text("{\"type\":\"t\",\"data_base64\":\"AAH\\/\"}", STRUCTURED);
    expect_data("\"AAH/\"");
}

Test(event, refuses_broken_cloudevents_structured)
{
    init_text("[1]", STRUCTURED);
    expect_malformed("a structured CloudEvent is a JSON object");
    init_text("{\"type\":7}", STRUCTURED);
    expect_malformed("'type' is not a string");
    init_text("{\"type\":\"t\",\"time\":5}", STRUCTURED);
    expect_malformed("'time' is not a string");
    init_text("{\"type\":\"t\",\"data_base64\":\"A*\"}", STRUCTURED);
    expect_malformed("'data_base64' is not base64");
    init_text("{\"type\":\"t\",\"data_base64\":\"A===\"}", STRUCTURED);
    expect_malformed("'data_base64' is not base64");
}

Test(event, passes_the_headers_traceparent_on)
{
    init_text("nonsense", HEADERS(HEADER("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")));
    cr_assert_str_eq(event.view.traceparent, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    init_text("{}", HEADERS(HEADER("traceparent", "two\nlines")));
    cr_assert_null(event.view.traceparent);
    init_text("{}", HEADERS({ .name = "traceparent" }));
    cr_assert_null(event.view.traceparent);
}

Test(event, refuses_wrong_types_with_a_reason)
{
    expect_malformed_json("{\"name\":\"a\\u0000b\"}", "'name' contains a NUL");
    expect_malformed_json("{\"name\":\"a\",\"id\":{}}", "'id' is not a string");
    expect_malformed_json("{\"name\":\"a\",\"ts\":\"now\"}", "'ts' is no time");
    expect_malformed_json("{\"name\":\"a\",\"ts\":\"\"}", "'ts' is no time");
    expect_malformed_json("{\"name\":\"a\",\"ts\":true}", "'ts' is no time");
    expect_malformed_json("{\"name\":\"a\",\"ts\":{\"$date\":1}}", "'ts' is no time");
    expect_malformed_json("{\"name\":\"a\",\"ts\":\"2026-11-28T12:00:00\"}", "'ts' is no time");
    expect_malformed_json("{\"name\":\"a\",\"ts\":18446744073709551615}", "'ts' is out of range");
    expect_malformed_json("{\"name\":\"a\",\"ts\":1e300}", "'ts' is out of range");
    expect_malformed_json("{\"name\":\"a\",\"ts\":\"99999999999999999999\"}", "'ts' is out of range");
}

Test(event, refuses_what_it_cannot_read)
{
    expect_malformed_json("hello", "not valid JSON");
    expect_malformed_json("{\"name\":\"a\",\"data\":", "not valid JSON");
    expect_malformed_json("{\"name\":\"a\"} trailing", "not valid JSON");
    expect_malformed_json("{\"name\":\"a\",\"data\":\"\xed\xa0\x80\"}", "not valid UTF-8");
    expect_malformed_json("{\"name\":\"a\",\"data\":[1e999]}", "too large for a double");
    init("\x82\xa4name\xa1x", 7, NO_HEADERS);
    expect_malformed("cut short");
    init("\xdf\xff\xff\xff\xff", 5, NO_HEADERS);
    expect_malformed("cut short");
    init("\xdf\xff", 2, NO_HEADERS);
    expect_malformed("cut short");
    static const char *const wrapping[] = { "\x81\xa1"
                                            "a\xc6\xff\xff\xff\xfc",
                                            "\x81\xa1"
                                            "a\xdb\xff\xff\xff\xfb",
                                            "\x81\xa1"
                                            "a\xc9\xff\xff\xff\xfa",
                                            "\x81\xa1"
                                            "a\xdd\xff\xff\xff\xff",
                                            "\x81\xa1"
                                            "a\xdf\x80\0\0\0" };
    for (size_t i = 0; i < sizeof(wrapping) / sizeof(wrapping[0]); i++) { /* lengths that are none with what is before them in 32 bits */
        init(wrapping[i], 8, NO_HEADERS);
        expect_malformed("cut short");
    }
    init("\x80\x01", 2, NO_HEADERS);
    expect_malformed("after the end");
}

static void init_nested_json(int levels)
{
    static char value[400];
    char *at = value + sprintf(value, "{\"name\":\"n\",\"data\":");

    memset(at, '[', (size_t)levels);
    memset(at + levels, ']', (size_t)levels);
    (void)sprintf(at + 2 * levels, "}");
    init_text(value, NO_HEADERS);
}

static void init_nested_msgpack(int levels)
{
    static char value[100] = "\x81\xa4"
                             "data";

    memset(value + 6, '\x91', (size_t)levels);
    value[6 + levels] = 0;
    init(value, (size_t)levels + 7, NO_HEADERS);
}

Test(event, nests_64_levels_and_no_more)
{
    struct error error = { 0 };

    init_nested_json(63);
    cr_assert_eq(event_decode(&event, &error), 0, "%s", error.text);
    init_nested_json(64);
    expect_malformed("nested deeper than 64 levels");
    init_nested_msgpack(63);
    cr_assert_eq(event_decode(&event, &error), 0, "%s", error.text);
    init_nested_msgpack(64);
    expect_malformed("nested deeper than 64 levels");
}

Test(event, reads_messages_without_any_time)
{
    event_init(&event, "t", 0, 0, -1, (struct bytes){ 0 }, (struct bytes){ "{}", 2 }, NULL, 0);
    expect_named(EVENT_JSON, "t", "t-0-0", -1);
    cr_assert_null(event.view.key);
}

static void *decode(void *context)
{
    struct error error;
    const struct event *shared = context;

    cr_assert_eq(event_decode(context, &error), 0);
    cr_assert_eq(shared->view.data->via.map.size, 1);
    return NULL;
}

Test(event, is_decoded_once_by_several_threads)
{
    pthread_t threads[8];
    struct error error;

    for (int round = 0; round < 200; round++) {
        init_text("{\"name\":\"n\",\"data\":{\"x\":[1,2,3,\"a\\nb\"]}}", NO_HEADERS);
        cr_assert_eq(event_find_name(&event, &error), 0);
        for (size_t i = 0; i < 8; i++)
            cr_assert_eq(pthread_create(&threads[i], NULL, decode, &event), 0);
        for (size_t i = 0; i < 8; i++)
            cr_assert_eq(pthread_join(threads[i], NULL), 0);
    }
}

/* ---- envelopes and rows -------------------------------------------------------------------------- */

#define MS_2026 1795867200123

/* One message: what a function by event sees, and what a function by topic does. NULL: the topic's name, and data
 * as a whole. */
static const struct {
    const char *value;
    const char *name, *id;
    const char *data;
    const char *row_name, *row_data;
} rows[] = {
    /* name and data, whatever else: to a topic's function only with nothing of its own */
    { "{\"name\":\"a/b\",\"data\":{\"x\":1}}", "a/b", NULL, "{\"x\":1}", "a/b", "{\"x\":1}" },
    { "{\"name\":\"a/b\",\"data\":null,\"id\":\"i\",\"user\":{},\"v\":\"1\"}", "a/b", "i", "null", "a/b", "null" },
    { "{\"name\":\"a/b\",\"data\":1,\"more\":2}", "a/b", NULL, "1", NULL, NULL },
    { "{\"name\":\"a/b\",\"data\":1,\"specversion\":2}", "a/b", NULL, "1", NULL, NULL },
    /* a name alone */
    { "{\"name\":\"Ada\"}", "Ada", NULL, "null", NULL, NULL },
    { "{\"id\":7,\"name\":\"Ada\"}", "Ada", "7", "null", NULL, NULL },
    { "{\"name\":\"Ada\",\"email\":\"ada@example.com\"}", NULL, NULL, NULL, NULL, NULL },
    { "{\"id\":7,\"name\":\"Ada\",\"email\":\"ada@example.com\"}", NULL, NULL, NULL, NULL, NULL },
    { "{\"name\":\"temp\",\"ts\":1700000000,\"value\":21.5}", NULL, NULL, NULL, NULL, NULL },
    { "{\"name\":\"temp\",\"ts\":\"never\",\"value\":21.5}", NULL, NULL, NULL, NULL, NULL },
    { "{\"@timestamp\":1795867200.123456,\"log\":\"hello\",\"name\":\"web\"}", NULL, NULL, NULL, NULL, NULL },
    /* data alone */
    { "{\"data\":5}", NULL, NULL, "5", NULL, NULL },
    { "{\"data\":5,\"id\":\"i\"}", NULL, "i", "5", NULL, NULL },
    { "{\"event\":\"signup\",\"data\":{\"x\":1}}", NULL, NULL, NULL, NULL, NULL },
    /* a name that is none */
    { "{\"name\":null,\"data\":1}", NULL, NULL, NULL, NULL, NULL },
    { "{\"name\":\"\",\"data\":1}", NULL, NULL, NULL, NULL, NULL },
    { "{\"name\":5,\"data\":1}", NULL, NULL, NULL, NULL, NULL },
    { "{\"name\":{\"first\":\"Ada\"}}", NULL, NULL, NULL, NULL, NULL },
    { "{\"name\":null}", NULL, NULL, NULL, NULL, NULL },
    { "{\"id\":1,\"ts\":2,\"user\":3}", NULL, NULL, NULL, NULL, NULL },
    /* no map */
    { "null", NULL, NULL, "null", NULL, "null" },
    { "\"text\"", NULL, NULL, NULL, NULL, NULL },
    { "17", NULL, NULL, NULL, NULL, NULL },
};

Test(event, is_an_envelope_or_a_row)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *whole = rows[i].value;
        init_text(whole, NO_HEADERS);
        expect_named(EVENT_JSON, rows[i].name != NULL ? rows[i].name : "events", rows[i].id != NULL ? rows[i].id : "events-3-42",
                     TIMESTAMP_MS);
        expect_data(rows[i].data != NULL ? rows[i].data : whole);
        const struct stepd_event *row = event_row(&event);
        cr_assert_str_eq(row->name, rows[i].row_name != NULL ? rows[i].row_name : "events", "%s", whole);
        expect_json(row->data, rows[i].row_data != NULL ? rows[i].row_data : whole);
    }
}

Test(event, is_an_envelope_or_a_row_in_msgpack_too)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        msgpack_sbuffer packed;
        struct error error;
        const char *whole = rows[i].value;

        msgpack_sbuffer_init(&packed);
        cr_assert_eq(json_to_msgpack((struct bytes){ whole, strlen(whole) }, &packed, &error), 0);
        init(packed.data, packed.size, HEADERS(HEADER("content-type", "application/msgpack")));
        expect_named(EVENT_MSGPACK, rows[i].name != NULL ? rows[i].name : "events", rows[i].id != NULL ? rows[i].id : "events-3-42",
                     TIMESTAMP_MS);
        expect_data(rows[i].data != NULL ? rows[i].data : whole);
        const struct stepd_event *row = event_row(&event);
        cr_assert_str_eq(row->name, rows[i].row_name != NULL ? rows[i].row_name : "events", "%s", whole);
        expect_json(row->data, rows[i].row_data != NULL ? rows[i].row_data : whole);
        event_done(&event);
        msgpack_sbuffer_destroy(&packed);
    }
}

Test(event, has_an_id_that_is_a_number)
{
    static const char *const ids[] = { "7", "-7", "0", "18446744073709551615", "123456789012345678901234567890", "1.50", "1e3" };
    char value[100];

    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        (void)snprintf(value, sizeof(value), "{\"name\":\"n\",\"data\":1,\"id\": %s }", ids[i]);
        init_text(value, NO_HEADERS);
        expect_named(EVENT_JSON, "n", ids[i], TIMESTAMP_MS);
    }
    init("\x82\xa4name\xa1n\xa2id\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 20, NO_HEADERS);
    expect_named(EVENT_MSGPACK, "n", "18446744073709551615", TIMESTAMP_MS);
    init("\x82\xa4name\xa1n\xa2id\xd0\xfb", 13, NO_HEADERS);
    expect_named(EVENT_MSGPACK, "n", "-5", TIMESTAMP_MS);
    init_text("{\"name\":\"n\",\"data\":1,\"id\":\"\"}", NO_HEADERS);
    expect_named(EVENT_JSON, "n", "events-3-42", TIMESTAMP_MS);
}

Test(event, reads_ts_however_it_is_written)
{
    static const struct {
        const char *ts;
        int64_t ms;
    } times[] = {
        { "1795867200123", MS_2026 },
        { "1795867200", MS_2026 - 123 },
        { "1795867200.123", MS_2026 },
        { "1795867200.1239", MS_2026 },
        { "1795867200123.9", MS_2026 },
        { "\"1795867200123\"", MS_2026 },
        { "\"1795867200\"", MS_2026 - 123 },
        { "\"1795867200.123456\"", MS_2026 },
        { "\"2026-11-28T12:00:00.123Z\"", MS_2026 },
        { "\"2026-11-28T13:00:00.123456+01:00\"", MS_2026 },
        { "\"2026-11-28T12:00Z\"", MS_2026 - 123 },
        { "\"2026-11-28T12:00:00.123\\u005a\"", MS_2026 },
        { "99999999999", INT64_C(99999999999000) },
        { "100000000000", INT64_C(100000000000) },
        { "-1", -1000 },
        { "0", 0 },
        { "null", TIMESTAMP_MS },
    };
    char value[100];

    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        (void)snprintf(value, sizeof(value), "{\"name\":\"n\",\"data\":1,\"ts\":%s}", times[i].ts);
        init_text(value, NO_HEADERS);
        expect_named(EVENT_JSON, "n", "events-3-42", times[i].ms);
        expect_row("n", "events-3-42", times[i].ms, "1");
    }
}

/* {"name": "n", "data": T, "ts": T} */
static void init_timestamp(const char *timestamp, size_t size)
{
    static char value[64] = "\x83\xa4name\xa1n\xa4"
                            "data";
    char *at = value + 13;

    memcpy(at, timestamp, size);
    memcpy(at + size, "\xa2ts", 3);
    memcpy(at + size + 3, timestamp, size);
    init(value, 13 + size + 3 + size, NO_HEADERS);
}

Test(event, reads_msgpacks_timestamps)
{
    init_timestamp("\xd6\xff\x6a\x0a\xbf\x40", 6);
    expect_named(EVENT_MSGPACK, "n", "events-3-42", INT64_C(0x6a0abf40) * 1000);
    expect_data("\"2026-05-18T07:26:56Z\"");
    init_timestamp("\xd7\xff\x1d\x53\x53\x00\x6b\x0a\xc2\x40", 10); /* 123,000,000 ns */
    expect_named(EVENT_MSGPACK, "n", "events-3-42", INT64_C(0x6b0ac240) * 1000 + 123);
    init_timestamp("\xc7\x0c\xff\x00\x00\x00\x01\xff\xff\xff\xff\xff\xff\xff\xff", 15);
    expect_named(EVENT_MSGPACK, "n", "events-3-42", -1000);
    expect_data("\"1969-12-31T23:59:59.000000001Z\"");
    init_timestamp("\xd6\x05\x00\x00\x00\x01", 6);
    expect_malformed("'ts' is no time");
}

Test(event, with_a_ts_that_is_no_time_is_a_row_of_its_topic)
{
    static const char value[] = "{\"name\":\"a\",\"data\":1,\"ts\":\"soon\"}";

    init_text(value, NO_HEADERS);
    expect_malformed("'ts' is no time");
    expect_whole_row(value);
    init_text("{\"name\":\"a\",\"data\":1,\"id\":[]}", NO_HEADERS);
    expect_malformed("'id' is not a string");
    expect_whole_row("{\"name\":\"a\",\"data\":1,\"id\":[]}");
}

Test(event, that_nobody_can_read_is_bytes_to_its_topic)
{
    init("\0\xff{", 3, NO_HEADERS);
    expect_malformed("");
    expect_raw_row();
    init_text("{\"name\":", NO_HEADERS);
    expect_malformed("not valid JSON");
    expect_raw_row();
}

/* ---- batches of CloudEvents ---------------------------------------------------------------------- */

#define BATCH HEADERS(HEADER("content-type", "application/cloudevents-batch+json; charset=utf-8"), HEADER("tenant", "acme"))

static void expect_part(size_t index, const char *name, const char *id, const char *value, const char *data)
{
    struct event *part = &event.parts->events[index];
    struct error error = { 0 };
    struct bytes type;

    cr_assert_eq(event_find_name(part, &error), 0, "%s", error.text);
    const struct stepd_event *seen = event_view(part);
    cr_assert_str_eq(seen->name, name);
    cr_assert_str_eq(seen->id, id);
    cr_assert_eq(seen->raw_len, strlen(value));
    cr_assert_arr_eq(seen->raw, value, strlen(value));
    cr_assert_eq(seen->offset, 42);
    cr_assert_eq(part->part, index + 1);
    cr_assert(event_header_find(part, "content-type", &type) && type.size == strlen("application/cloudevents+json"));
    cr_assert(event_header_find(part, "tenant", &type));
    expect_json(seen->data, data);
}

Test(event, of_a_batch_is_its_own_json)
{
    struct error error;

    init_text("\xef\xbb\xbf [ {\"type\":\"a\",\"source\":\"/s\",\"id\":\"1\",\"data\":[1,{\"x\":2}]} ,\n{\"type\":\"b\",\"data\":\"], "
              "[\"},{\"type\":\"a\",\"id\":\"1\"}]",
              BATCH);
    cr_assert_eq(event_find_name(&event, &error), 0);
    cr_assert_eq(event.parts->count, 3);
    expect_part(0, "a", "1", "{\"type\":\"a\",\"source\":\"/s\",\"id\":\"1\",\"data\":[1,{\"x\":2}]}", "[1,{\"x\":2}]");
    expect_part(1, "b", "events-3-42-1", "{\"type\":\"b\",\"data\":\"], [\"}", "\"], [\"");
    expect_part(2, "a", "1", "{\"type\":\"a\",\"id\":\"1\"}", "null");
}

/* As out of a record. */
Test(event, of_a_batch_keeps_its_place_when_it_is_read_again)
{
    struct error error;

    init_text("[{\"type\":\"a\"},{\"type\":\"b\"}]", BATCH);
    cr_assert_eq(event_find_name(&event, &error), 0);
    const struct event *part = &event.parts->events[1];
    struct event again = { 0 };
    event_init(&again, "events", 3, 42, TIMESTAMP_MS, (struct bytes){ 0 }, (struct bytes){ part->view.raw, part->view.raw_len },
               part->headers, part->header_count);
    cr_assert_eq(event_find_name(&again, &error), 0);
    cr_assert_str_eq(again.view.name, "b");
    cr_assert_str_eq(again.view.id, "events-3-42-1");
    event_done(&again);
}

Test(event, of_a_batch_may_be_malformed_alone)
{
    struct error error;

    init_text("[{\"type\":\"a\",\"time\":\"soon\"},5,{\"type\":\"b\"}]", BATCH);
    cr_assert_eq(event_find_name(&event, &error), 0);
    cr_assert_eq(event_find_name(&event.parts->events[0], &error), -EBADMSG);
    cr_assert_eq(event_find_name(&event.parts->events[1], &error), -EBADMSG);
    cr_assert_eq(event_find_name(&event.parts->events[2], &error), 0);
}

Test(event, batches_may_be_empty_and_hold_what_json_cannot)
{
    struct error error;

    init_text(" [ ] ", BATCH);
    cr_assert_eq(event_find_name(&event, &error), 0);
    cr_assert_eq(event.parts->count, 0);
    init_text("[{\"type\":\"a\",\"data\":NaN},{\"type\":\"b\",\"data\":\"\\ud800\"}]", BATCH);
    cr_assert_eq(event_find_name(&event, &error), 0);
    cr_assert_eq(event.parts->count, 2);
    expect_part(0, "a", "events-3-42-0", "{\"type\":\"a\",\"data\":NaN}", "null");
    expect_part(1, "b", "events-3-42-1", "{\"type\":\"b\",\"data\":\"\\ud800\"}", "\"\xef\xbf\xbd\"");
}

Test(event, batches_are_arrays)
{
    init_text("{\"type\":\"a\"}", BATCH);
    expect_malformed("it is no JSON array");
    expect_whole_row("{\"type\":\"a\"}");
    init_text("[{\"type\":\"a\"}", BATCH);
    expect_malformed("not valid JSON");
    expect_raw_row();
}

/* Its digits are what it is read as: no text for all that. */
Test(event, has_no_name_that_is_a_number_however_large)
{
    init_text("{\"name\":123456789012345678901234567890,\"data\":{}}", NULL, 0);
    expect_named(EVENT_JSON, "events", "events-3-42", TIMESTAMP_MS);
    init_text("{\"name\":\"n\",\"id\":123456789012345678901234567890,\"data\":{}}", NULL, 0);
    expect_named(EVENT_JSON, "n", "123456789012345678901234567890", TIMESTAMP_MS);
}
