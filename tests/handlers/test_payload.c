/* SPDX-License-Identifier: Apache-2.0 */
#include "common/payload.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "run/context.h"

#define TS_MS 1600000000500
#define TRACE "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

#define HEADERS "\"headers\":{\"traceparent\":\"" TRACE "\"}"

static struct stepd_ctx ctx;
static struct run run;
static struct event event;

static const struct function by_event = { .id = "f", .event = "*" };
static const struct function by_topic = { .id = "f", .topic = "orders" };

static void open_context(void)
{
    run.function = &by_event;
    context_init(&ctx);
    run.event = &event;
    ctx.run = &run;
}

static void close_context(void)
{
    event_done(&event);
    context_done(&ctx);
}

TestSuite(payload, .init = open_context, .fini = close_context);

static void receive(const char *key, const void *value, size_t size)
{
    static const struct event_header headers[] = { { "traceparent", { TRACE, sizeof(TRACE) - 1 } } };

    event_init(&event, "orders", 2, 7, TS_MS, (struct bytes){ key, key != NULL ? strlen(key) : 0 }, (struct bytes){ value, size }, headers,
               1);
}

static void expect(enum payload_form form, const char *content_type, const char *wanted)
{
    struct payload payload = payload_make(&ctx, form);

    cr_assert_str_eq(payload.content_type, content_type);
    cr_assert_eq(payload.size, strlen(wanted));
    cr_assert_str_eq((const char *)payload.bytes, wanted);
}

#define ENVELOPE "{\"id\":\"e1\",\"name\":\"user/came\",\"data\":{\"n\":1},\"user\":{\"id\":5}}"

Test(payload, is_a_cloudevent)
{
    receive("ada", ENVELOPE, strlen(ENVELOPE));
    expect(PAYLOAD_CLOUDEVENT, "application/cloudevents+json",
           "{\"specversion\":\"1.0\",\"id\":\"e1\",\"source\":\"/topics/orders\",\"type\":\"user/came\","
           "\"time\":\"2020-09-13T12:26:40.500Z\",\"traceparent\":\"" TRACE "\",\"partitionkey\":\"ada\","
           "\"datacontenttype\":\"application/json\",\"data\":{\"n\":1}}");
}

Test(payload, is_the_event)
{
    receive("ada", ENVELOPE, strlen(ENVELOPE));
    expect(PAYLOAD_EVENT, "application/json",
           "{\"id\":\"e1\",\"name\":\"user/came\",\"data\":{\"n\":1},\"user\":{\"id\":5},\"ts\":1600000000500,\"topic\":\"orders\","
           "\"partition\":2,\"offset\":7,\"key\":\"ada\",\"traceparent\":\"" TRACE "\"," HEADERS "}");
}

Test(payload, is_the_data)
{
    receive(NULL, ENVELOPE, strlen(ENVELOPE));
    expect(PAYLOAD_DATA, "application/json", "{\"n\":1}");
}

Test(payload, is_the_bytes_as_they_came)
{
    receive(NULL, "\0\xff{", 3);
    struct payload payload = payload_make(&ctx, PAYLOAD_RAW);
    cr_assert_eq(payload.size, 3);
    cr_assert_arr_eq(payload.bytes, "\0\xff{", 3);
    cr_assert_str_eq(payload.content_type, "application/octet-stream");
}

Test(payload, bytes_that_are_no_event_are_data)
{
    receive("\xff", "\0\xff{", 3);
    run.function = &by_topic;
    expect(PAYLOAD_CLOUDEVENT, "application/cloudevents+json",
           "{\"specversion\":\"1.0\",\"id\":\"orders-2-7\",\"source\":\"/topics/orders\",\"type\":\"orders\","
           "\"time\":\"2020-09-13T12:26:40.500Z\",\"traceparent\":\"" TRACE "\",\"data_base64\":\"AP97\"}");
    expect(PAYLOAD_EVENT, "application/json",
           "{\"id\":\"orders-2-7\",\"name\":\"orders\",\"data_base64\":\"AP97\",\"ts\":1600000000500,\"topic\":\"orders\","
           "\"partition\":2,\"offset\":7,\"key_base64\":\"/w==\",\"traceparent\":\"" TRACE "\"," HEADERS "}");
    cr_assert_eq(payload_make(&ctx, PAYLOAD_DATA).size, 3);
}

Test(payload, json_null_is_null_and_no_bytes)
{
    receive(NULL, "null", 4);
    run.function = &by_topic;
    expect(PAYLOAD_EVENT, "application/json",
           "{\"id\":\"orders-2-7\",\"name\":\"orders\",\"data\":null,\"ts\":1600000000500,\"topic\":\"orders\","
           "\"partition\":2,\"offset\":7,\"traceparent\":\"" TRACE "\"," HEADERS "}");
}

Test(payload, an_envelope_with_the_topics_name_and_no_data_is_null_and_no_bytes)
{
    static const char value[] = "{\"name\":\"orders\",\"data\":null}";

    receive(NULL, value, sizeof(value) - 1);
    expect(PAYLOAD_DATA, "application/json", "null");
}

Test(payload, a_row_is_data_as_a_whole_to_a_function_by_topic)
{
    static const char row[] = "{\"id\":7,\"name\":\"Ada\"}";

    receive(NULL, row, sizeof(row) - 1);
    run.function = &by_topic;
    expect(PAYLOAD_EVENT, "application/json",
           "{\"id\":\"orders-2-7\",\"name\":\"orders\",\"data\":{\"id\":7,\"name\":\"Ada\"},\"ts\":1600000000500,\"topic\":\"orders\","
           "\"partition\":2,\"offset\":7,\"traceparent\":\"" TRACE "\"," HEADERS "}");
    expect(PAYLOAD_CLOUDEVENT, "application/cloudevents+json",
           "{\"specversion\":\"1.0\",\"id\":\"orders-2-7\",\"source\":\"/topics/orders\",\"type\":\"orders\","
           "\"time\":\"2020-09-13T12:26:40.500Z\",\"traceparent\":\"" TRACE "\",\"datacontenttype\":\"application/json\","
           "\"data\":{\"id\":7,\"name\":\"Ada\"}}");
    run.function = &by_event;
    expect(PAYLOAD_EVENT, "application/json",
           "{\"id\":\"7\",\"name\":\"Ada\",\"data\":null,\"ts\":1600000000500,\"topic\":\"orders\","
           "\"partition\":2,\"offset\":7,\"traceparent\":\"" TRACE "\"," HEADERS "}");
}

#define TEXT(name, text) \
    { \
        (name), \
        { \
            (text), sizeof(text) - 1 \
        } \
    }

Test(payload, headers_are_text_where_they_are_and_base64_where_not)
{
    static const struct event_header headers[] = { TEXT("tenant", "first"),   TEXT("retry_topic-attempts", "\0\0\0\x02"),
                                                   TEXT("lines", "a\n\tb\r"), TEXT("caf\xc3\xa9", "\xc3\xa9"),
                                                   TEXT("latin", "\xe9"),     TEXT("bell", "\a"),
                                                   TEXT("c1", "\xc2\x85"),    { "none", { NULL, 0 } },
                                                   TEXT("empty", ""),         TEXT("tenant", "last") };
    static const char wanted[] = "\"headers\":{\"retry_topic-attempts\":{\"base64\":\"AAAAAg==\"},\"lines\":\"a\\n\\tb\\r\","
                                 "\"caf\xc3\xa9\":\"\xc3\xa9\",\"latin\":{\"base64\":\"6Q==\"},\"bell\":{\"base64\":\"Bw==\"},"
                                 "\"c1\":{\"base64\":\"woU=\"},\"none\":null,\"empty\":\"\",\"tenant\":\"last\"}}";

    event_init(&event, "orders", 2, 7, TS_MS, (struct bytes){ 0 }, (struct bytes){ "{}", 2 }, headers,
               sizeof(headers) / sizeof(headers[0]));
    const char *json = payload_make(&ctx, PAYLOAD_EVENT).bytes;
    cr_assert_str_eq(strstr(json, "\"headers\""), wanted);
    size_t size;
    cr_assert_arr_eq(stepd_header(&ctx, "Tenant", &size), "last", 4);
    cr_assert_eq(size, 4);
    cr_assert_null(stepd_header(&ctx, "none", NULL));
    cr_assert_null(stepd_header(&ctx, "other", &size));
    cr_assert_eq(size, 0);
    cr_assert_not_null(stepd_header(&ctx, "empty", &size));
}

Test(payload, nothing_is_nothing)
{
    receive(NULL, NULL, 0);
    expect(PAYLOAD_DATA, "application/json", "null");
    expect(PAYLOAD_RAW, "application/octet-stream", "");
}

Test(payload, an_empty_value_is_no_tombstone)
{
    receive(NULL, "", 0);
    expect(PAYLOAD_DATA, "application/octet-stream", "");
    expect(PAYLOAD_EVENT, "application/json",
           "{\"id\":\"orders-2-7\",\"name\":\"orders\",\"data_base64\":\"\",\"ts\":1600000000500,\"topic\":\"orders\","
           "\"partition\":2,\"offset\":7,\"traceparent\":\"" TRACE "\"," HEADERS "}");
}

Test(payload, forms_have_names)
{
    enum payload_form form;

    cr_assert(payload_form_parse("data", &form));
    cr_assert_eq(form, PAYLOAD_DATA);
    cr_assert_not(payload_form_parse("Data", &form));
    cr_assert_not(payload_form_parse("", &form));
}
