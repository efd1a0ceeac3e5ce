/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What real producers write, byte by byte, and what becomes of it: for functions by event, and for functions by
 * topic. docs/events.md has a row for each.
 */
#include "event/event.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json.h"

#define TIMESTAMP_MS 1700000000123
#define DEFAULT_ID "rows-3-42"
#define NOON_MS 1795867200000 /* 2026-11-28T12:00:00Z */

#define BYTES(text) \
    { \
        (text), sizeof(text) - 1 \
    }
#define HEADER(key, text) \
    { \
        .name = (key), .value = BYTES(text) \
    }

/* One message. What is left out: the topic's name, no id, the message's time. */
struct message {
    const char *what;
    struct event_header headers[12]; /* ended by name NULL */
    struct bytes value;
    const char *name, *id;
    int64_t ts_ms;
    const char *data;    /* NULL: the value itself */
    const char *refused; /* what the dead letter of a function by event says; NULL: none */
    bool is_whole_row;   /* to a function by topic the value is data as a whole */
    bool is_raw_row;     /* … or bytes; else it sees the same event */
};

#define SHOP_CE \
    "{\"id\":\"name:ce;lsn:27114200;txId:767;sequence:[null,\\\"27114200\\\"]\",\"source\":\"/debezium/postgresql/ce\"," \
    "\"specversion\":\"1.0\",\"type\":\"io.debezium.connector.postgresql.DataChangeEvent\",\"time\":\"2026-11-28T22:05:51.174Z\"," \
    "\"datacontenttype\":\"application/json\",\"iodebeziumop\":\"r\",\"iodebeziumtable\":\"customers\",\"iodebeziumtxId\":\"767\"," \
    "\"iodebeziumxmin\":null,\"data\":{\"before\":null,\"after\":{\"id\":1,\"name\":\"Ada\"}}}"
#define DEBEZIUM_HEADERS \
    HEADER("__debezium.context.connectorLogicalName", "shop"), HEADER("__debezium.context.taskId", "0"), \
        HEADER("__debezium.context.connectorName", "postgresql"), \
        HEADER("__debezium.context.runId", "01a2242c-f9cf-792c-8b63-82a4f794685d")
#define SOURCE \
    "{\"version\":\"3.6.1.Final\",\"connector\":\"postgresql\",\"name\":\"shop\",\"ts_ms\":1795903262275,\"snapshot\":\"false\",\"db\":" \
    "\"shop\"," \
    "\"sequence\":\"[null,\\\"27035128\\\"]\",\"ts_us\":1795903262275384,\"ts_ns\":1795903262275384000,\"schema\":\"public\"," \
    "\"table\":\"customers\",\"txId\":750,\"lsn\":27035128,\"xmin\":null,\"origin\":null,\"origin_lsn\":null}"
#define CHANGE(before, after, op) \
    "{\"before\":" before ",\"after\":" after ",\"source\":" SOURCE ",\"transaction\":null,\"op\":\"" op "\"," \
    "\"ts_ms\":1795903264904,\"ts_us\":1795903264904739,\"ts_ns\":1795903264904739717}"
#define DAPR(data) \
    "{" data "\"id\":\"5929aaac-a5e2-4ca1-859c-edfe73f11565\",\"pubsubname\":\"pubsub\",\"source\":\"shop\"," \
    "\"specversion\":\"1.0\",\"time\":\"2026-11-28T22:25:41Z\",\"topic\":\"orders\",\"traceid\":\"\"," \
    "\"traceparent\":\"\",\"tracestate\":\"\",\"type\":\"com.dapr.event.sent\"}"
#define DAPR_ID "5929aaac-a5e2-4ca1-859c-edfe73f11565"
#define GUID_BYTES "\xb7\xb4\xa7\xf0\x9c\x96\x4e\x4a\xa6\x87\xfb\x5d\xe9\xef\x0c\x63"
#define GUID "b7b4a7f0-9c96-4e4a-a687-fb5de9ef0c63"
#define STRUCTURED HEADER("content-type", "application/cloudevents+json")

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
static const struct message messages[] = {
    /* ---- Debezium ---- */
    { "a snapshot's row",
      { DEBEZIUM_HEADERS },
      BYTES("{\"before\":null,\"after\":{\"id\":1,\"name\":\"Ada\"},\"source\":{\"version\":\"3.6.1.Final\",\"connector\":\"postgresql\","
            "\"name\":\"shop\",\"ts_ms\":1795903262275,\"snapshot\":\"last_in_data_collection\",\"db\":\"shop\",\"sequence\":\"[null,"
            "\\\"27035128\\\"]\","
            "\"ts_us\":1795903262275384,\"ts_ns\":1795903262275384000,\"schema\":\"public\",\"table\":\"customers\",\"txId\":750,\"lsn\":"
            "27035128,"
            "\"xmin\":null,\"origin\":null,\"origin_lsn\":null},\"transaction\":null,\"op\":\"r\",\"ts_ms\":1795903264904,"
            "\"ts_us\":1795903264904739,\"ts_ns\":1795903264904739717}") },
    { "a row with its schema",
      { DEBEZIUM_HEADERS },
      BYTES("{\"schema\":{\"type\":\"struct\",\"fields\":[{\"type\":\"int64\",\"optional\":false,\"field\":\"id\"}],\"optional\":false,"
            "\"name\":\"shop.public.customers.Envelope\"},\"payload\":" CHANGE("null", "{\"id\":9007199254740993}", "c") "}") },
    { "a text that did not change",
      { DEBEZIUM_HEADERS },
      BYTES(CHANGE("null", "{\"id\":1,\"name\":\"Ada\",\"bio\":\"__debezium_unavailable_value\"}", "u")) },
    { "the delete of a primary key that changed",
      { DEBEZIUM_HEADERS, HEADER("__debezium.newkey", "{\"id\":1002}") },
      BYTES(CHANGE("{\"id\":1001,\"name\":null,\"bio\":null}", "null", "d")) },
    { "a create after its primary key changed",
      { DEBEZIUM_HEADERS, HEADER("__debezium.oldkey", "{\"id\":1001}") },
      BYTES(CHANGE("null", "{\"id\":1002,\"name\":\"Ada\",\"bio\":\"__debezium_unavailable_value\"}", "c")) },
    { "a TRUNCATE", { DEBEZIUM_HEADERS }, BYTES(CHANGE("null", "null", "t")) },
    { "a tombstone", { DEBEZIUM_HEADERS }, { NULL, 0 }, .data = "null" },
    { "a message of pg_logical_emit_message",
      { { NULL } },
      BYTES("{\"op\":\"m\",\"ts_ms\":1795903264904,\"source\":" SOURCE ",\"message\":{\"prefix\":\"app\",\"content\":\"aGVsbG8gbXNn\"}}") },
    { "an unwrapped row",
      { HEADER("__op", "r") },
      BYTES("{\"id\":1,\"name\":\"Ada\",\"email\":\"ada@example.com\",\"bio\":\"short\",\"__deleted\":\"false\",\"__op\":\"r\",\"__source_"
            "ts_ms\":1795903551167}") },
    { "a CloudEvent of its converter",
      { DEBEZIUM_HEADERS },
      BYTES(SHOP_CE),
      .name = "io.debezium.connector.postgresql.DataChangeEvent",
      .id = "name:ce;lsn:27114200;txId:767;sequence:[null,\"27114200\"]",
      .ts_ms = 1795903551174,
      .data = "{\"before\":null,\"after\":{\"id\":1,\"name\":\"Ada\"}}" },
    { "an outbox's row",
      { HEADER("id", "0f8fad5b-d9cb-469f-a165-70867728950e") },
      BYTES("\"{\\\"id\\\": 42, \\\"name\\\": \\\"Ada\\\", \\\"total\\\": 1.10}\"") },
    /* ---- Spring ---- */
    { "a record of Spring Kafka",
      { HEADER("__TypeId__", "app.App$Order") },
      BYTES("{\"id\":7,\"name\":\"Ada\",\"total\":12.30,\"at\":\"2026-11-28T12:00:00.123456Z\",\"day\":\"2026-11-28\",\"took\":\"PT1.5S\","
            "\"blob\":\"AQI=\","
            "\"note\":null,\"color\":\"RED\"}"),
      .data = "{\"id\":7,\"name\":\"Ada\",\"total\":12.3,\"at\":\"2026-11-28T12:00:00.123456Z\",\"day\":\"2026-11-28\",\"took\":\"PT1.5S\","
              "\"blob\":\"AQI=\",\"note\":null,\"color\":\"RED\"}" },
    { "a map of a name",
      { HEADER("__TypeId__", "java.util.ImmutableCollections$MapN") },
      BYTES("{\"name\":\"Ada\"}"),
      .name = "Ada",
      .data = "null",
      .is_whole_row = true },
    { "a map of an id and a name",
      { HEADER("__TypeId__", "java.util.ImmutableCollections$MapN") },
      BYTES("{\"id\":7,\"name\":\"Ada\"}"),
      .name = "Ada",
      .id = "7",
      .data = "null",
      .is_whole_row = true },
    { "a String by StreamBridge",
      { HEADER("contentType", "application/json"), HEADER("spring_json_header_types", "{\"contentType\":\"java.lang.String\"}") },
      BYTES("hello"),
      .refused = "plain text under application/json",
      .is_raw_row = true },
    { "a text by StreamBridge", { HEADER("contentType", "text/plain") }, BYTES("hello text"), .data = "\"hello text\"" },
    { "bytes by StreamBridge",
      { HEADER("contentType", "application/json") },
      BYTES("\x01\x02\x03"),
      .refused = "bytes under application/json",
      .is_raw_row = true },
    { "a map by StreamBridge",
      { HEADER("contentType", "application/json") },
      BYTES("{\"id\":7,\"name\":\"Ada\",\"total\":12.30}"),
      .data = "{\"id\":7,\"name\":\"Ada\",\"total\":12.3}" },
    { "a Message by KafkaTemplate",
      { HEADER("contentType", "\"application/json\""), HEADER("when", "\"2026-11-28T12:00:00Z\""), HEADER("count", "5"),
        HEADER("__TypeId__", "app.App$Order") },
      BYTES("{\"id\":7,\"name\":\"Ada\",\"total\":12.30}"),
      .data = "{\"id\":7,\"name\":\"Ada\",\"total\":12.3}" },
    { "a text by KafkaTemplate, its type in quotes",
      { HEADER("contentType", "\"text/plain\"") },
      BYTES("hello text"),
      .data = "\"hello text\"" },
    { "a CloudEvent by CloudEventMessageBuilder",
      { HEADER("ce-type", "order.made"), HEADER("ce-id", "1"), HEADER("ce-source", "/shop"), HEADER("ce-specversion", "1.0"),
        HEADER("ce-time", "2026-11-28T12:00Z"), HEADER("message-type", "cloudevent"), HEADER("contentType", "application/json") },
      BYTES("{\"n\":1}"),
      .name = "order.made",
      .id = "1",
      .ts_ms = NOON_MS },
    { "a CloudEvent whose time has no seconds",
      { HEADER("ce_type", "order.made"), HEADER("ce_id", "1"), HEADER("ce_time", "2026-11-28T12:00Z") },
      BYTES("{\"n\":1}"),
      .name = "order.made",
      .id = "1",
      .ts_ms = NOON_MS },
    { "a dead letter",
      { HEADER("kafka_dlt-original-topic", "spr-in"), HEADER("kafka_dlt-original-partition", "\0\0\0\0"),
        HEADER("kafka_dlt-original-offset", "\0\0\0\0\0\0\0\x01"), HEADER("kafka_dlt-original-timestamp", "\0\0\x01\xa2\x22\x06\xca\0"),
        HEADER("kafka_dlt-original-timestamp-type", "CreateTime"), HEADER("kafka_dlt-original-consumer-group", "spr"),
        HEADER("kafka_dlt-exception-fqcn", "org.springframework.kafka.listener.ListenerExecutionFailedException"),
        HEADER("kafka_dlt-exception-message", "Listener failed: gr\xc3\xbc\xc3\x9f"
                                              "e") },
      BYTES("{\"id\":7,\"total\":12.3}") },
    { "a retry of @RetryableTopic",
      { HEADER("retry_topic-attempts", "\0\0\0\x02"), HEADER("retry_topic-original-timestamp", "\x01\xa2\x24\x37\xcd\x13"),
        HEADER("retry_topic-attempts", "\0\0\0\x02"), HEADER("kafka_original-timestamp", "\0\0\x01\xa2\x22\x06\xca\0") },
      BYTES("{\"id\":7,\"total\":12}") },
    /* ---- Kafka Streams ---- */
    { "a count", { { NULL } }, BYTES("\0\0\0\0\0\0\0\x02"), .refused = "8 bytes, a number", .is_raw_row = true },
    { "a time", { { NULL } }, BYTES("\0\0\x01\xa2\x22\x06\xca\0"), .refused = "a number of 8 bytes", .is_raw_row = true },
    { "a count of CloudEvents as text",
      { HEADER("ce_type", "order.made"), HEADER("ce_id", "9"), HEADER("content-type", "application/json") },
      BYTES("2"),
      .name = "order.made",
      .id = "9" },
    { "a count of CloudEvents as a Long",
      { HEADER("ce_type", "order.made"), HEADER("ce_id", "9"), HEADER("content-type", "application/json") },
      BYTES("\0\0\0\0\0\0\0\x02"),
      .refused = "8 bytes, a number",
      .is_raw_row = true },
    /* ---- Quarkus ---- */
    { "a binary CloudEvent",
      { HEADER("ce_specversion", "1.0"), HEADER("ce_id", "1"), HEADER("ce_type", "order.made"), HEADER("ce_source", "/shop"),
        HEADER("ce_subject", "7"), HEADER("ce_time", "2026-11-28T12:00:00Z"), HEADER("ce_tenant", "acme") },
      BYTES("{\"n\":1}"),
      .name = "order.made",
      .id = "1",
      .ts_ms = NOON_MS },
    { "a binary CloudEvent with its type twice",
      { HEADER("ce_specversion", "1.0"), HEADER("ce_id", "1"), HEADER("ce_type", "order.made"), HEADER("ce_datacontenttype", "text/plain"),
        HEADER("content-type", "text/plain"), HEADER("ce_time", "2026-11-28T12:00:00.355224616Z") },
      BYTES("hello"),
      .name = "order.made",
      .id = "1",
      .ts_ms = NOON_MS + 355,
      .data = "\"hello\"" },
    { "a structured CloudEvent of a String",
      { HEADER("content-type", "application/cloudevents+json; charset=UTF-8") },
      BYTES("{\"specversion\":\"1.0\",\"type\":\"order.made\",\"source\":\"/"
            "shop\",\"id\":\"1\",\"time\":\"2026-11-28T12:00:00Z\",\"subject\":\"7\","
            "\"tenant\":\"acme\",\"data\":\"{\\\"n\\\":1}\"}"),
      .name = "order.made",
      .id = "1",
      .ts_ms = NOON_MS,
      .data = "\"{\\\"n\\\":1}\"" },
    { "a plain object", { { NULL } }, BYTES("{\"id\":7,\"name\":\"Ada\",\"at\":\"2026-11-28T12:00:00.123456Z\",\"total\":12.3}") },
    /* ---- Dapr ---- */
    { "Dapr's JSON",
      { { NULL } },
      BYTES(DAPR("\"data\":{\"id\":7,\"name\":\"Ada\"},\"datacontenttype\":\"application/json\",")),
      .name = "com.dapr.event.sent",
      .id = DAPR_ID,
      .ts_ms = 1795904741000,
      .data = "{\"id\":7,\"name\":\"Ada\"}" },
    { "Dapr's bytes",
      { { NULL } },
      BYTES(DAPR("\"data_base64\":\"AP8=\",\"datacontenttype\":\"application/octet-stream\",")),
      .name = "com.dapr.event.sent",
      .id = DAPR_ID,
      .ts_ms = 1795904741000,
      .data = "\"AP8=\"" },
    { "Dapr's JSON that is none",
      { { NULL } },
      BYTES(DAPR("\"data\":\"not json\",\"datacontenttype\":\"application/json\",")),
      .name = "com.dapr.event.sent",
      .id = DAPR_ID,
      .ts_ms = 1795904741000,
      .data = "\"not json\"" },
    { "an empty time",
      { STRUCTURED },
      BYTES("{\"specversion\":\"1.0\",\"type\":\"order.made\",\"id\":\"d2\",\"source\":\"shop\",\"time\":\"\",\"data\":{\"id\":7}}"),
      .name = "order.made",
      .id = "d2",
      .data = "{\"id\":7}" },
    { "a null time and subject",
      { STRUCTURED },
      BYTES("{\"specversion\":\"1.0\",\"type\":\"order.made\",\"id\":\"d2\",\"source\":\"shop\",\"time\":null,"
            "\"subject\":null,\"data\":{\"id\":7}}"),
      .name = "order.made",
      .id = "d2",
      .data = "{\"id\":7}" },
    { "an empty time in a header",
      { HEADER("ce_type", "order.made"), HEADER("ce_id", ""), HEADER("ce_time", "") },
      BYTES("{\"n\":1}"),
      .name = "order.made" },
    /* ---- Fluent Bit, AWS Glue, Apicurio, fastavro ---- */
    { "Fluent Bit's JSON", { { NULL } }, BYTES("{\"@timestamp\":1795867200.123456,\"log\":\"hello\",\"name\":\"web\"}") },
    { "Fluent Bit's msgpack",
      { { NULL } },
      BYTES("\x83\xaa@timestamp\xcb\x41\xda\xc2\xb0\x90\x07\xe6\xb4\xa3log\xa5hello\xa4name\xa3web"),
      .data = "{\"@timestamp\":1795867200.123456,\"log\":\"hello\",\"name\":\"web\"}" },
    { "Fluent Bit's Avro",
      { { NULL } },
      BYTES("\0" GUID_BYTES "\x0e\x06"
            "Ada"),
      .refused = "Fluent Bit framing, 16 bytes of schema id",
      .is_raw_row = true },
    { "AWS Glue's Avro",
      { { NULL } },
      BYTES("\x03\0" GUID_BYTES "\x0e\x06"
            "Ada"),
      .refused = "AWS Glue framing, schema version " GUID,
      .is_raw_row = true },
    { "AWS Glue's JSON",
      { { NULL } },
      BYTES("\x03\0" GUID_BYTES "{\"id\":7,\"name\":\"Ada\"}"),
      .refused = "AWS Glue framing, schema version " GUID,
      .is_raw_row = true },
    { "AWS Glue's zlib",
      { { NULL } },
      BYTES("\x03\x05" GUID_BYTES "\x78\x9c\xab\x56\xca\x4c\x51\xb2\x52\x30\xaf\x05\0\x0d\x80\x02\x9b"),
      .refused = "AWS Glue framing with zlib, schema version " GUID,
      .is_raw_row = true },
    { "Apicurio's Avro from Python",
      { { NULL } },
      BYTES("\0\0\0\0\x0c\x0e\x06"
            "Ada"),
      .refused = "Confluent framing, schema 12",
      .is_raw_row = true },
    { "Apicurio's Avro by a header",
      { HEADER("apicurio.value.globalId", "\0\0\0\0\0\0\0\x0c") },
      BYTES("\x0e\x06"
            "Ada"),
      .refused = "Apicurio globalId 12 of a header",
      .is_raw_row = true },
    { "Apicurio's Avro from Java",
      { { NULL } },
      BYTES("\0\0\0\0\0\0\0\0\x0c\x0e\x06"
            "Ada"),
      .refused = "Apicurio framing, schema 12",
      .is_raw_row = true },
    { "Confluent's Avro",
      { { NULL } },
      BYTES("\0\0\0\0\x0b\x16"
            "order/made\x02"),
      .refused = "Confluent framing, schema 11",
      .is_raw_row = true },
    { "Confluent's JSON",
      { { NULL } },
      BYTES("\0\0\0\0\x0e{\"id\":7,\"name\":\"Ada\"}"),
      .refused = "Confluent framing, schema 14",
      .is_raw_row = true },
    { "Confluent's Avro, its id in a header",
      { HEADER("__value_schema_id", "\x01" GUID_BYTES) },
      BYTES("\x0e\x06"
            "Ada"),
      .refused = "schema " GUID " of a header",
      .is_raw_row = true },
    { "Confluent's JSON, its id in a header",
      { HEADER("__value_schema_id", "\x01" GUID_BYTES) },
      BYTES("{\"name\":\"order/made\",\"data\":{\"n\":1}}"),
      .name = "order/made",
      .data = "{\"n\":1}" },
    { "an Avro container",
      { { NULL } },
      BYTES("Obj\x01\x04\x16"
            "avro.codec\x08null"),
      .refused = "Avro container file",
      .is_raw_row = true },
    { "an Avro single object",
      { { NULL } },
      BYTES("\xc3\x01\x12\x4c\xf5\x80\x29\xdd\x17\xc4\x0e"),
      .refused = "Avro single object",
      .is_raw_row = true },
    { "JSON null", { { NULL } }, BYTES("null") },
    { "gzip", { { NULL } }, BYTES("\x1f\x8b\x08\0\0\0\0\0\0\x03"), .refused = "gzip", .is_raw_row = true },
    { "Protobuf", { { NULL } }, BYTES("\x08\x96\x01\x12\x03\xff\xfe\xfd"), .refused = "Protobuf", .is_raw_row = true },
    { "a content type that nobody reads",
      { HEADER("content-type", "application/x-protobuf") },
      BYTES("\x08\x96\x01\x12\x03\xff\xfe\xfd"),
      .refused = "bytes under application/x-protobuf",
      .is_raw_row = true },
    { "a text", { { NULL } }, BYTES("hello"), .refused = "plain text: not valid JSON", .is_raw_row = true },
    { "JSON with a fault", { { NULL } }, BYTES("{\"a\":"), .refused = "not valid JSON", .is_raw_row = true },
    { "UTF-16", { { NULL } }, BYTES("\xff\xfe{\0}\0"), .refused = "UTF-16", .is_raw_row = true },
    /* ---- CloudEvents' SDKs ---- */
    { "structured without its content type",
      { { NULL } },
      BYTES("{\"specversion\":\"1.0\",\"type\":\"order.made\",\"source\":\"/shop\",\"id\":\"1\",\"data\":{\"n\":1}}"),
      .name = "order.made",
      .id = "1",
      .data = "{\"n\":1}" },
    { "structured under application/json",
      { HEADER("content-type", "application/json") },
      BYTES("{\"specversion\":\"1.0\",\"type\":\"order.made\",\"source\":\"/shop\",\"id\":\"1\",\"data\":{\"n\":1}}"),
      .name = "order.made",
      .id = "1",
      .data = "{\"n\":1}" },
    { "structured without a source is a row",
      { { NULL } },
      BYTES("{\"specversion\":\"1.0\",\"type\":\"order.made\",\"id\":\"1\",\"data\":{\"n\":1}}") },
    { "structured beside ce_ headers",
      { STRUCTURED, HEADER("ce_type", "other"), HEADER("ce_id", "other") },
      BYTES("{\"specversion\":\"1.0\",\"type\":\"order.made\",\"source\":\"/shop\",\"id\":\"1\",\"data\":{\"n\":1}}"),
      .name = "order.made",
      .id = "1",
      .data = "{\"n\":1}" },
    { "text in data_base64",
      { STRUCTURED },
      BYTES("{\"type\":\"t\",\"datacontenttype\":\"text/plain\",\"data_base64\":\"aGVsbG8=\"}"),
      .name = "t",
      .data = "\"hello\"" },
    { "JSON in data_base64",
      { STRUCTURED },
      BYTES("{\"type\":\"t\",\"datacontenttype\":\"application/json\",\"data_base64\":\"eyJuIjoxfQ==\"}"),
      .name = "t",
      .data = "{\"n\":1}" },
    { "XML in data_base64",
      { STRUCTURED },
      BYTES("{\"type\":\"t\",\"datacontenttype\":\"application/xml\",\"data_base64\":\"PGEvPg==\"}"),
      .name = "t",
      .data = "\"<a/>\"" },
    { "structured Protobuf",
      { HEADER("content-type", "application/cloudevents+protobuf"), HEADER("ce_type", "t") },
      BYTES("\x0a\x01\x31"),
      .refused = "under application/cloudevents+protobuf",
      .is_raw_row = true },
    { "structured with a byte order mark", { STRUCTURED }, BYTES("\xef\xbb\xbf{\"type\":\"t\",\"data\":1}"), .name = "t", .data = "1" },
    { "structured with a time that is none",
      { STRUCTURED },
      BYTES("{\"type\":\"t\",\"time\":\"soon\",\"data\":1}"),
      .refused = "'time' is not an RFC 3339 time: soon",
      .is_whole_row = true },
    { "binary with a time that is none",
      { HEADER("ce_type", "t"), HEADER("ce_time", "soon") },
      BYTES("{\"n\":1}"),
      .refused = "'ce_time' is not an RFC 3339 time: soon",
      .is_whole_row = true },
    { "JSON with a byte order mark", { { NULL } }, BYTES("\xef\xbb\xbf{\"name\":\"a\",\"data\":1}"), .name = "a", .data = "1" },
    { "a row with a byte order mark", { { NULL } }, BYTES("\xef\xbb\xbf{\"n\":1}"), .data = "{\"n\":1}" },
    { "ce- headers beside ce_specversion",
      { HEADER("ce_specversion", "1.0"), HEADER("ce-specversion", "1.0"), HEADER("ce-type", "t") },
      BYTES("{\"n\":1}") },
    { "ce- headers without ce-specversion", { HEADER("ce-type", "t") }, BYTES("{\"n\":1}") },
};

static struct event event;

static void receive(const struct message *message)
{
    size_t count = 0;

    while (message->headers[count].name != NULL)
        count++;
    event_init(&event, "rows", 3, 42, TIMESTAMP_MS, (struct bytes){ 0 }, message->value, message->headers, count);
}

static void expect_data(const struct message *message, const msgpack_object *data, const char *wanted)
{
    char *text = json_text(data);

    cr_assert_str_eq(text, wanted, "%s: %s", message->what, text);
    free(text);
}

static void expect_event(const struct message *message, const struct stepd_event *seen)
{
    const char *value = message->value.data;

    cr_assert_str_eq(seen->name, message->name != NULL ? message->name : "rows", "%s: %s", message->what, seen->name);
    cr_assert_str_eq(seen->id, message->id != NULL ? message->id : DEFAULT_ID, "%s: %s", message->what, seen->id);
    cr_assert_eq(seen->ts_ms, message->ts_ms != 0 ? message->ts_ms : TIMESTAMP_MS, "%s: %lld", message->what, (long long)seen->ts_ms);
    cr_assert_not(seen->is_raw, "%s", message->what);
    expect_data(message, seen->data, message->data != NULL ? message->data : value);
}

static void expect_refusal(const struct message *message)
{
    struct error error = { 0 };

    cr_assert_eq(event_find_name(&event, &error), -EBADMSG, "%s is not refused", message->what);
    cr_assert(strstr(error.text, message->refused) != NULL, "%s: '%s' does not say '%s'", message->what, error.text, message->refused);
}

static void expect_whole(const struct message *message, const struct stepd_event *seen)
{
    cr_assert_str_eq(seen->name, "rows", "%s: %s", message->what, seen->name);
    cr_assert_str_eq(seen->id, DEFAULT_ID, "%s: %s", message->what, seen->id);
    cr_assert_not(seen->is_raw, "%s", message->what);
    expect_data(message, seen->data, message->value.data);
}

static void expect_raw(const struct message *message, const struct stepd_event *seen)
{
    cr_assert(seen->is_raw, "%s", message->what);
    cr_assert_str_eq(seen->name, "rows", "%s", message->what);
    cr_assert_eq(seen->data->type, MSGPACK_OBJECT_NIL, "%s", message->what);
    cr_assert_eq(seen->raw_len, message->value.size, "%s", message->what);
}

Test(producers, what_they_write_is_what_a_function_by_event_sees)
{
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        receive(&messages[i]);
        if (messages[i].refused != NULL)
            expect_refusal(&messages[i]);
        else
            expect_event(&messages[i], event_view(&event));
        event_done(&event);
    }
}

Test(producers, what_they_write_is_what_a_function_by_topic_sees)
{
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        receive(&messages[i]);
        if (messages[i].is_raw_row)
            expect_raw(&messages[i], event_row(&event));
        else if (messages[i].is_whole_row)
            expect_whole(&messages[i], event_row(&event));
        else
            expect_event(&messages[i], event_row(&event));
        event_done(&event);
    }
}
