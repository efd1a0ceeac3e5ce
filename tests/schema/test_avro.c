/* SPDX-License-Identifier: Apache-2.0 */
/* Avro's bytes by the schema that they were written with, as Confluent's serializers write both. */
#include "schema/avro.h"

#include <avro.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json.h"
#include "codec/packed.h"

#define BYTES(text) ((struct bytes){ (text), sizeof(text) - 1 })
#define TEXTS_MAX 4

static msgpack_zone zone;

static void begin(void)
{
    cr_assert(msgpack_zone_init(&zone, 4096));
}

static void end(void)
{
    msgpack_zone_destroy(&zone);
}

TestSuite(avro, .init = begin, .fini = end);

static const struct avro_type *parse(const char *schema)
{
    const struct bytes text = { schema, strlen(schema) };
    const struct avro_type *type = NULL;
    struct error error = { 0 };

    cr_assert_eq(avro_type_parse(&text, 1, &zone, &type, &error), 0, "%s: %s", schema, error.text);
    return type;
}

/* As JSON; free() it. NULL: it can't be read, and `ret_error` says why. */
static char *read_json(const struct avro_type *type, struct bytes data, struct error *ret_error)
{
    msgpack_sbuffer buffer;
    msgpack_object object;
    char *json = NULL;

    msgpack_sbuffer_init(&buffer);
    if (avro_to_msgpack(type, data, &buffer, ret_error) == 0) {
        struct error error = { 0 };
        cr_assert_eq(packed_decode((struct bytes){ buffer.data, buffer.size }, &zone, &object, &error), 0, "%s", error.text);
        json = json_text(&object);
    }
    msgpack_sbuffer_destroy(&buffer);
    return json;
}

static void expect_of(const struct avro_type *type, struct bytes data, const char *expected)
{
    struct error error = { 0 };
    AUTO_FREE char *json = read_json(type, data, &error);

    cr_assert_not_null(json, "%s", error.text);
    cr_assert_str_eq(json, expected);
}

static void expect(const char *schema, struct bytes data, const char *expected)
{
    expect_of(parse(schema), data, expected);
}

static void expect_refused(const char *schema, struct bytes data, const char *why)
{
    struct error error = { 0 };
    AUTO_FREE char *json = read_json(parse(schema), data, &error);

    cr_assert_null(json, "%s", json);
    cr_assert_not_null(strstr(error.text, why), "%s", error.text);
}

#define KINDS \
    "{\"type\":\"record\",\"name\":\"Kinds\",\"namespace\":\"shop\",\"fields\":[" \
    "{\"name\":\"dec\",\"type\":{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":10,\"scale\":2}}," \
    "{\"name\":\"decf\",\"type\":{\"type\":\"fixed\",\"name\":\"D8\",\"size\":8,\"logicalType\":\"decimal\",\"precision\":10,\"scale\":2}" \
    "}," \
    "{\"name\":\"ms\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}}," \
    "{\"name\":\"us\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-micros\"}}," \
    "{\"name\":\"lms\",\"type\":{\"type\":\"long\",\"logicalType\":\"local-timestamp-millis\"}}," \
    "{\"name\":\"d\",\"type\":{\"type\":\"int\",\"logicalType\":\"date\"}}," \
    "{\"name\":\"tm\",\"type\":{\"type\":\"int\",\"logicalType\":\"time-millis\"}}," \
    "{\"name\":\"u\",\"type\":{\"type\":\"string\",\"logicalType\":\"uuid\"}}," \
    "{\"name\":\"uf\",\"type\":{\"type\":\"fixed\",\"name\":\"U16\",\"size\":16,\"logicalType\":\"uuid\"}}," \
    "{\"name\":\"b\",\"type\":\"bytes\"},{\"name\":\"e\",\"type\":{\"type\":\"enum\",\"name\":\"Color\",\"symbols\":[\"RED\",\"BLUE\"]}}," \
    "{\"name\":\"un\",\"type\":[\"null\",\"string\",\"long\"],\"default\":null},{\"name\":\"m\",\"type\":{\"type\":\"map\",\"values\":" \
    "\"long\"}}," \
    "{\"name\":\"a\",\"type\":{\"type\":\"array\",\"items\":\"string\"}},{\"name\":\"l\",\"type\":\"long\"},{\"name\":\"f\",\"type\":" \
    "\"float\"}," \
    "{\"name\":\"dbl\",\"type\":\"double\"},{\"name\":\"name\",\"type\":\"string\"}]}"

#define KINDS_DATA \
    "\x04\x04\xd2" \
    "\xff\xff\xff\xff\xff\xff\xff\xfb" \
    "\xf6\xa9\xb6\xa0\xc4\x68" \
    "\x80\xc9\xb7\xa8\x9d\xd5\xb0\x06" \
    "\x80\xa8\xb6\xa0\xc4\x68" \
    "\xe2\xc4\x02" \
    "\xaa\xb2\x99\x2b" \
    "\x48" \
    "0f8fad5b-d9cb-469f-a165-70867728950e" \
    "\x0f\x8f\xad\x5b\xd9\xcb\x46\x9f\xa1\x65\x70\x86\x77\x28\x95\x0e" \
    "\x04\x00\xff" \
    "\x00" \
    "\x02\x02\x78" \
    "\x02\x02\x6b\x0a\x00" \
    "\x02\x02\x71\x00" \
    "\x82\x80\x80\x80\x80\x80\x80\x20" \
    "\xcd\xcc\x8c\x3f" \
    "\x00\x00\x00\x00\x00\x00\xf8\x7f" \
    "\x06" \
    "Ada"

Test(avro, every_kind_and_logical_type_is_read)
{
    expect(KINDS, BYTES(KINDS_DATA),
           "{\"dec\":\"12.34\",\"decf\":\"-0.05\",\"ms\":\"2026-11-28T12:00:00.123Z\",\"us\":\"2026-11-28T12:00:00.123456Z\","
           "\"lms\":\"2026-11-28T12:00:00\",\"d\":\"2026-11-28\",\"tm\":\"12:34:56.789\",\"u\":\"0f8fad5b-d9cb-469f-a165-70867728950e\","
           "\"uf\":\"0f8fad5b-d9cb-469f-a165-70867728950e\",\"b\":\"AP8=\",\"e\":\"RED\",\"un\":\"x\",\"m\":{\"k\":5},\"a\":[\"q\"],"
           "\"l\":9007199254740993,\"f\":1.100000023841858,\"dbl\":null,\"name\":\"Ada\"}");
}

Test(avro, a_value_that_is_cut_anywhere_is_refused)
{
    const struct avro_type *type = parse(KINDS);

    for (size_t size = 0; size < sizeof(KINDS_DATA) - 1; size++) {
        struct error error = { 0 };
        AUTO_FREE char *data = xmemdup(KINDS_DATA, sizeof(KINDS_DATA));
        AUTO_FREE char *json = read_json(type, (struct bytes){ data, size }, &error);
        cr_assert_null(json, "%zu bytes: %s", size, json);
    }
}

Test(avro, an_envelope_is_a_record)
{
    expect("{\"type\":\"record\",\"name\":\"Made\",\"fields\":[{\"name\":\"name\",\"type\":\"string\"},{\"name\":\"data\",\"type\":"
           "{\"type\":\"record\",\"name\":\"Order\",\"fields\":[{\"name\":\"n\",\"type\":\"int\"}]}}]}",
           BYTES("\x14"
                 "order/made"
                 "\x02"),
           "{\"name\":\"order/made\",\"data\":{\"n\":1}}");
}

/* A registry sorts the keys: fields stand before the name that they are in the namespace of. */
Test(avro, fields_may_stand_before_the_name_and_its_namespace)
{
    expect("{\"fields\":[{\"name\":\"n\",\"type\":\"int\"},{\"name\":\"next\",\"type\":[\"null\",\"Node\",\"string\"]},"
           "{\"name\":\"other\",\"type\":[\"null\",\"shop.Node\"]}],\"name\":\"Node\",\"namespace\":\"shop\",\"type\":\"record\"}",
           BYTES("\x02"
                 "\x02"
                 "\x04"
                 "\0\0"
                 "\0"),
           "{\"n\":1,\"next\":{\"n\":2,\"next\":null,\"other\":null},\"other\":null}");
}

Test(avro, a_type_that_stands_in_another_schema_is_found_by_its_full_name)
{
    const struct bytes texts[] = {
        BYTES("{\"type\":\"record\",\"name\":\"Address\",\"namespace\":\"shop\",\"aliases\":[\"Place\"],\"fields\":[{\"name\":\"city\","
              "\"type\":\"string\"}]}"),
        BYTES("{\"type\":\"record\",\"name\":\"Customer\",\"namespace\":\"crm\",\"fields\":[{\"name\":\"home\",\"type\":\"shop.Address\"},"
              "{\"name\":\"work\",\"type\":[\"null\",\"shop.Place\"]}]}"),
    };
    const struct avro_type *type = NULL;
    struct error error = { 0 };

    cr_assert_eq(avro_type_parse(texts, 2, &zone, &type, &error), 0, "%s", error.text);
    expect_of(type, BYTES("\x04Rn\x02\x04KR"), "{\"home\":{\"city\":\"Rn\"},\"work\":{\"city\":\"KR\"}}");
    cr_assert_eq(avro_type_parse(&texts[1], 1, &zone, &type, &error), -EBADMSG);
    cr_assert_str_eq(error.text, "its Avro has an unknown type shop.Address");
}

Test(avro, schemas_that_libavro_refuses_are_read)
{
    expect("{\"type\":{\"type\":{\"type\":\"string\"}}}",
           BYTES("\x02"
                 "a"),
           "\"a\"");
    expect("{\"type\":\"error\",\"name\":\"E$1\",\"fields\":[{\"name\":\"gr\u00f6\u00dfe\",\"type\":\"int\",\"default\":7,\"aliases\":["
           "\"size\"]}]}",
           BYTES("\x02"), "{\"gr\u00f6\u00dfe\":1}");
}

Test(avro, a_logical_type_that_does_not_fit_its_kind_counts_for_nothing)
{
    expect("{\"type\":\"string\",\"logicalType\":\"timestamp-millis\"}",
           BYTES("\x02"
                 "a"),
           "\"a\"");
    expect("{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":2,\"scale\":3}", BYTES("\x02\x05"), "\"BQ==\"");
    expect("{\"type\":\"fixed\",\"name\":\"F\",\"size\":1,\"logicalType\":\"uuid\"}", BYTES("\x05"), "\"BQ==\"");
    expect("{\"type\":\"int\",\"logicalType\":\"nobody-knows\"}", BYTES("\x02"), "1");
}

#define DECIMAL(scale) "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":40,\"scale\":" #scale "}"

Test(avro, decimals_are_text_of_any_size)
{
    expect(DECIMAL(0), BYTES("\x02\x05"), "\"5\"");
    expect(DECIMAL(0), BYTES("\x02\x80"), "\"-128\"");
    expect(DECIMAL(2), BYTES("\x02\x00"), "\"0.00\"");
    expect(DECIMAL(2), BYTES("\x00"), "\"0.00\"");
    expect(DECIMAL(4), BYTES("\x02\xff"), "\"-0.0001\"");
    expect(DECIMAL(2), BYTES("\x04\x00\xff"), "\"2.55\"");
    expect(DECIMAL(1), BYTES("\x22\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), "\"34028236692093846346337460743176821145.6\"");
}

Test(avro, each_precision_of_a_time_is_kept)
{
    expect("{\"type\":\"long\",\"logicalType\":\"timestamp-nanos\"}", BYTES("\xaa\xb4\x92\xf2\x83\xed\x99\xec\x31"),
           "\"2026-11-28T12:00:00.123456789Z\"");
    expect("{\"type\":\"long\",\"logicalType\":\"local-timestamp-nanos\"}", BYTES("\xaa\xb4\x92\xf2\x83\xed\x99\xec\x31"),
           "\"2026-11-28T12:00:00.123456789\"");
    expect("{\"type\":\"long\",\"logicalType\":\"local-timestamp-micros\"}", BYTES("\x80\xc9\xb7\xa8\x9d\xd5\xb0\x06"),
           "\"2026-11-28T12:00:00.123456\"");
}

Test(avro, times_that_no_calendar_has_stay_numbers)
{
    expect("{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}", BYTES("\x01"), "\"1969-12-31T23:59:59.999Z\"");
    expect("{\"type\":\"long\",\"logicalType\":\"timestamp-micros\"}", BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
           "-9223372036854775808");
    expect("{\"type\":\"int\",\"logicalType\":\"date\"}", BYTES("\xff\xff\xff\xff\x0f"), "-2147483648");
    expect("{\"type\":\"int\",\"logicalType\":\"time-millis\"}", BYTES("\x01"), "-1");
    expect("{\"type\":\"long\",\"logicalType\":\"time-micros\"}", BYTES("\x02"), "\"00:00:00.000001\"");
}

Test(avro, a_text_holds_nul_and_infinities_are_null)
{
    expect("\"string\"",
           BYTES("\x06"
                 "a\0b"),
           "\"a\\u0000b\"");
    expect("\"float\"", BYTES("\0\0\x80\x7f"), "null");
    expect("\"double\"", BYTES("\0\0\0\0\0\0\xf0\xff"), "null");
    expect("\"boolean\"", BYTES("\x02"), "true");
}

Test(avro, blocks_of_either_kind_are_one_list)
{
    expect("{\"type\":\"array\",\"items\":\"int\"}",
           BYTES("\x02\x02"
                 "\x03\x04\x04\x06"
                 "\0"),
           "[1,2,3]");
    expect("{\"type\":\"map\",\"values\":\"null\"}", BYTES("\0"), "{}");
}

Test(avro, what_the_schema_does_not_fit_is_refused)
{
    expect_refused("\"string\"", BYTES("\x01"), "a negative length");
    expect_refused("\"string\"", BYTES("\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "it ends too early");
    expect_refused("\"string\"", BYTES("\x02\xff"), "not UTF-8");
    expect_refused("\"int\"", BYTES("\x80\x80\x80\x80\x20"), "more than 32 bits");
    expect_refused("\"long\"", BYTES("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), "more than 64 bits");
    expect_refused("[\"null\",\"int\"]", BYTES("\x0a\x02"), "a branch that the union has not");
    expect_refused("{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"]}", BYTES("\x02"), "a symbol that the enum has not");
    expect_refused("[]", BYTES("\0"), "a branch that the union has not");
}

Test(avro, what_a_message_makes_of_itself_is_bounded)
{
    const struct avro_type *list = parse("{\"type\":\"record\",\"name\":\"L\",\"fields\":[{\"name\":\"n\",\"type\":[\"null\",\"L\"]}]}");
    struct error error = { 0 };
    char deep[100000];

    expect_refused("{\"type\":\"array\",\"items\":\"null\"}", BYTES("\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "more than 64 MiB");
    expect_refused("{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"r\",\"type\":\"R\"}]}", BYTES(""), "nested too deep");
    memset(deep, 2, sizeof(deep));
    cr_assert_null(read_json(list, (struct bytes){ deep, sizeof(deep) }, &error));
    cr_assert_not_null(strstr(error.text, "nested too deep"), "%s", error.text);
}

Test(avro, schemas_that_are_none_are_refused)
{
    static const char *const none[] = {
        "",
        "{",
        "7",
        "null",
        "[7]",
        "{}",
        "\"nobody\"",
        "{\"type\":\"record\"}",
        "{\"type\":\"record\",\"name\":\"R\"}",
        "{\"type\":\"record\",\"name\":\"R\",\"fields\":[7]}",
        "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"f\"}]}",
        "{\"type\":\"array\"}",
        "{\"type\":\"map\",\"values\":7}",
        "{\"type\":\"fixed\",\"name\":\"F\",\"size\":-1}",
        "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[7]}",
    };

    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        const struct bytes text = { none[i], strlen(none[i]) };
        const struct avro_type *type = NULL;
        struct error error = { 0 };
        cr_assert_eq(avro_type_parse(&text, 1, &zone, &type, &error), -EBADMSG, "%s", none[i]);
        cr_assert_neq(error.text[0], '\0', "%s", none[i]);
    }
}

/* ---- beside libavro ------------------------------------------------------------------------------- */

#define SHARED \
    "{\"type\":\"record\",\"name\":\"S\",\"fields\":[{\"name\":\"i\",\"type\":\"int\"},{\"name\":\"l\",\"type\":\"long\"}," \
    "{\"name\":\"s\",\"type\":\"string\"},{\"name\":\"a\",\"type\":{\"type\":\"array\",\"items\":\"long\"}},{\"name\":\"u\",\"type\":[" \
    "\"null\",\"long\"]}]}"

static void set_long(avro_value_t *record, const char *name, int64_t number)
{
    avro_value_t field;

    cr_assert_eq(avro_value_get_by_name(record, name, &field, NULL), 0);
    cr_assert_eq(avro_value_set_long(&field, number), 0);
}

static void fill(avro_value_t *record, uint64_t seed)
{
    avro_value_t field, item;

    cr_assert_eq(avro_value_get_by_name(record, "i", &field, NULL), 0);
    cr_assert_eq(avro_value_set_int(&field, (int32_t)seed), 0);
    set_long(record, "l", (int64_t)(seed * seed));
    cr_assert_eq(avro_value_get_by_name(record, "s", &field, NULL), 0);
    cr_assert_eq(avro_value_set_string(&field, "a text"), 0);
    cr_assert_eq(avro_value_get_by_name(record, "a", &field, NULL), 0);
    for (uint64_t i = 0; i < seed % 5; i++) {
        cr_assert_eq(avro_value_append(&field, &item, NULL), 0);
        cr_assert_eq(avro_value_set_long(&item, -(int64_t)(seed >> i)), 0);
    }
    cr_assert_eq(avro_value_get_by_name(record, "u", &field, NULL), 0);
    cr_assert_eq(avro_value_set_branch(&field, (int)(seed % 2), &item), 0);
    if (seed % 2 == 1)
        cr_assert_eq(avro_value_set_long(&item, (int64_t)seed), 0);
    else
        cr_assert_eq(avro_value_set_null(&item), 0);
}

static char *text_of(uint64_t seed)
{
    char list[200] = "", other[40] = "null";
    size_t used = 0;

    for (uint64_t i = 0; i < seed % 5; i++)
        used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%lld", i > 0 ? "," : "", (long long)-(int64_t)(seed >> i));
    if (seed % 2 == 1)
        (void)snprintf(other, sizeof(other), "%lld", (long long)seed);
    return xasprintf("{\"i\":%d,\"l\":%lld,\"s\":\"a text\",\"a\":[%s],\"u\":%s}", (int)(int32_t)seed, (long long)(int64_t)(seed * seed),
                     list, other);
}

Test(avro, what_libavro_writes_is_read)
{
    const struct avro_type *type = parse(SHARED);
    avro_schema_t schema;
    cr_assert_eq(avro_schema_from_json_length(SHARED, sizeof(SHARED) - 1, &schema), 0);
    avro_value_iface_t *class = avro_generic_class_from_schema(schema);

    for (uint64_t seed = 1; seed < UINT64_MAX / 3; seed = seed * 3 + 1) {
        char data[400];
        avro_value_t record;
        avro_writer_t writer = avro_writer_memory(data, sizeof(data));
        cr_assert_eq(avro_generic_value_new(class, &record), 0);
        fill(&record, seed);
        cr_assert_eq(avro_value_write(writer, &record), 0);
        AUTO_FREE char *expected = text_of(seed);
        expect_of(type, (struct bytes){ data, (size_t)avro_writer_tell(writer) }, expected);
        avro_writer_free(writer);
        avro_value_decref(&record);
    }
    avro_value_iface_decref(class);
    avro_schema_decref(schema);
}
