/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/protobuf.h"

#include <errno.h>

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json.h"

#define SOURCE(NAME, TEXT) \
    { \
        NAME, \
        { \
            TEXT, sizeof(TEXT) - 1 \
        } \
    }

/* Each value begins with its own indexes. */
static const struct bytes values_say = { NULL, 0 };

static struct protobuf *made(const struct protobuf_source *sources, size_t count)
{
    struct protobuf *protobuf;
    struct error error = { 0 };

    cr_assert_eq(protobuf_create(sources, count, values_say, &protobuf, &error), 0, "%s", error.text);
    return protobuf;
}

/* As JSON; the caller frees. */
static char *read_as_json(const struct protobuf *protobuf, const char *data, size_t size)
{
    msgpack_sbuffer buffer, json;
    msgpack_unpacked unpacked;
    struct error error = { 0 };

    msgpack_sbuffer_init(&buffer);
    msgpack_sbuffer_init(&json);
    cr_assert_eq(protobuf_to_msgpack(protobuf, (struct bytes){ data, size }, &buffer, &error), 0, "%s", error.text);
    msgpack_unpacked_init(&unpacked);
    cr_assert_eq(msgpack_unpack_next(&unpacked, buffer.data, buffer.size, NULL), MSGPACK_UNPACK_SUCCESS);
    json_write(&json, &unpacked.data);
    char *text = strndup(json.data, json.size);
    msgpack_unpacked_destroy(&unpacked);
    msgpack_sbuffer_destroy(&json);
    msgpack_sbuffer_destroy(&buffer);
    return text;
}

#define EXPECT(PROTOBUF, DATA, JSON) \
    do { \
        char *text = read_as_json(PROTOBUF, DATA, sizeof(DATA) - 1); \
        cr_expect_str_eq(text, JSON); \
        free(text); \
    } while (0)

static const struct protobuf_source order[] = { SOURCE(NULL, "syntax = \"proto3\";\n"
                                                             "package shop;\n"
                                                             "enum State { OPEN = 0; PAID = 1; }\n"
                                                             "message Order {\n"
                                                             "  message Line { string item = 1; uint32 count = 2; }\n"
                                                             "  int64 id = 1;\n"
                                                             "  string customer_name = 2;\n"
                                                             "  repeated Line lines = 3;\n"
                                                             "  map<string, int32> stock = 4;\n"
                                                             "  State state = 5;\n"
                                                             "  optional bool is_gift = 6;\n"
                                                             "  oneof payment { string card = 7; string voucher = 8; }\n"
                                                             "}\n") };

Test(protobuf, a_message_is_a_map_by_the_names_of_its_fields)
{
    struct protobuf *protobuf = made(order, 1);

    EXPECT(protobuf,
           "\x00\x08\x07\x12\x03"
           "Ada"
           "\x1a\x05\x0a\x01"
           "a"
           "\x10\x02"
           "\x22\x05\x0a\x01"
           "z"
           "\x10\x01"
           "\x22\x05\x0a\x01"
           "b"
           "\x10\x05"
           "\x28\x01\x30\x00\x3a\x01"
           "c",
           "{\"id\":7,\"customer_name\":\"Ada\",\"lines\":[{\"item\":\"a\",\"count\":2}],\"stock\":{\"b\":5,\"z\":1},\"state\":\"PAID\","
           "\"is_gift\":false,\"card\":\"c\"}");
    protobuf_destroy(protobuf);
}

Test(protobuf, a_field_is_there_with_its_default_but_where_it_knows_that_it_was_not_set)
{
    struct protobuf *protobuf = made(order, 1);

    EXPECT(protobuf, "\x00", "{\"id\":0,\"customer_name\":\"\",\"lines\":[],\"stock\":{},\"state\":\"OPEN\"}");
    EXPECT(protobuf, "\x00\x28\x09", "{\"id\":0,\"customer_name\":\"\",\"lines\":[],\"stock\":{},\"state\":9}");
    protobuf_destroy(protobuf);
}

Test(protobuf, indexes_say_which_message_it_is)
{
    struct protobuf *protobuf = made(order, 1);

    EXPECT(protobuf,
           "\x04\x00\x00\x0a\x01"
           "x"
           "\x10\x03",
           "{\"item\":\"x\",\"count\":3}");
    EXPECT(protobuf, "\x02\x00\x08\x01", "{\"id\":1,\"customer_name\":\"\",\"lines\":[],\"stock\":{},\"state\":\"OPEN\"}");
    protobuf_destroy(protobuf);
}

Test(protobuf, numbers_are_exact_and_times_are_text)
{
    static const struct protobuf_source sources[] = { SOURCE(NULL, "syntax = \"proto3\";\n"
                                                                   "import \"google/protobuf/timestamp.proto\";\n"
                                                                   "import \"google/protobuf/duration.proto\";\n"
                                                                   "import \"google/protobuf/wrappers.proto\";\n"
                                                                   "import \"google/protobuf/struct.proto\";\n"
                                                                   "message M {\n"
                                                                   "  uint64 large = 1;\n"
                                                                   "  sint64 least = 2;\n"
                                                                   "  google.protobuf.Timestamp at = 3;\n"
                                                                   "  google.protobuf.Duration lasts = 4;\n"
                                                                   "  google.protobuf.StringValue maybe = 5;\n"
                                                                   "  google.protobuf.Struct more = 6;\n"
                                                                   "}\n") };
    struct protobuf *protobuf = made(sources, 1);

    EXPECT(protobuf,
           "\x00\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
           "\x1a\x06\x08\x80\x9e\xda\xca\x06"
           "\x22\x08\x08\x01\x10\x80\xca\xb5\xee\x01"
           "\x2a\x03\x0a\x01"
           "y"
           "\x32\x0b\x0a\x09\x0a\x01"
           "k"
           "\x12\x04\x1a\x02"
           "ok",
           "{\"large\":18446744073709551615,\"least\":-9223372036854775808,\"at\":\"2026-01-01T15:13:04Z\",\"lasts\":\"1.500000000s\","
           "\"maybe\":\"y\",\"more\":{\"k\":\"ok\"}}");
    protobuf_destroy(protobuf);
}

Test(protobuf, what_it_imports_stands_before_it)
{
    static const struct protobuf_source sources[] = {
        SOURCE("other/money.proto", "syntax = \"proto3\";\npackage other;\nmessage Money { int64 cents = 1; }\n"),
        SOURCE("other/money.proto", "syntax = \"proto3\";\npackage other;\nmessage Money { int64 cents = 1; }\n"),
        SOURCE(NULL, "syntax = \"proto3\";\nimport \"other/money.proto\";\nmessage Bill { other.Money total = 1; }\n"),
    };
    struct protobuf *protobuf = made(sources, 3);

    EXPECT(protobuf, "\x00\x0a\x02\x08\x05", "{\"total\":{\"cents\":5}}");
    protobuf_destroy(protobuf);
}

Test(protobuf, a_schema_that_can_not_be_read_says_where)
{
    static const struct protobuf_source broken = SOURCE(NULL, "syntax = \"proto3\";\nmessage M { int64 = 1; }\n");
    static const struct protobuf_source without =
        SOURCE(NULL, "syntax = \"proto3\";\nimport \"gone.proto\";\nmessage M { gone.G g = 1; }\n");
    struct protobuf *protobuf;
    struct error error = { 0 };

    cr_expect_eq(protobuf_create(&broken, 1, values_say, &protobuf, &error), -EBADMSG);
    cr_expect_str_eq(error.text, "the schema is no Protobuf that can be read: 2:19: Expected field name.");
    cr_expect_eq(protobuf_create(&without, 1, values_say, &protobuf, &error), -EBADMSG);
    cr_expect(strstr(error.text, "gone.proto") != NULL, "%s", error.text);
}

Test(protobuf, a_value_that_is_not_of_its_schema_is_refused)
{
    static const char *const values[] = { "\x02\x0c", "\x02", "\x80", "" };
    struct protobuf *protobuf = made(order, 1);
    struct error error = { 0 };
    msgpack_sbuffer buffer;

    msgpack_sbuffer_init(&buffer);
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        cr_expect_eq(protobuf_to_msgpack(protobuf, (struct bytes){ values[i], strlen(values[i]) }, &buffer, &error), -EBADMSG, "%zu", i);
    cr_expect_eq(protobuf_to_msgpack(protobuf,
                                     (struct bytes){ "\x00\x12\x09"
                                                     "Ada",
                                                     6 },
                                     &buffer, &error),
                 -EBADMSG);
    cr_expect_str_eq(error.text, "it is no shop.Order of its schema");
    cr_expect_eq(protobuf_to_msgpack(protobuf, (struct bytes){ "\x00\x12\x01\xff", 4 }, &buffer, &error), -EBADMSG, "no UTF-8");
    msgpack_sbuffer_destroy(&buffer);
    protobuf_destroy(protobuf);
}

/* ---- indexes in a header --------------------------------------------------------------------------- */

#define INDEXES(TEXT) ((struct bytes){ TEXT, sizeof(TEXT) - 1 })

Test(protobuf, indexes_of_a_header_say_which_message_all_values_are)
{
    struct protobuf *first, *nested;
    struct error error = { 0 };

    cr_assert_eq(protobuf_create(order, 1, INDEXES("\x00"), &first, &error), 0, "%s", error.text);
    cr_assert_eq(protobuf_create(order, 1, INDEXES("\x04\x00\x00"), &nested, &error), 0, "%s", error.text);
    EXPECT(nested,
           "\x0a\x01"
           "a"
           "\x10\x02",
           "{\"item\":\"a\",\"count\":2}");
    EXPECT(first, "\x08\x07", "{\"id\":7,\"customer_name\":\"\",\"lines\":[],\"stock\":{},\"state\":\"OPEN\"}");
    EXPECT(first, "", "{\"id\":0,\"customer_name\":\"\",\"lines\":[],\"stock\":{},\"state\":\"OPEN\"}");
    protobuf_destroy(nested);
    protobuf_destroy(first);
}

Test(protobuf, indexes_of_a_header_that_name_none_are_refused)
{
    static const struct bytes wrong[] = { INDEXES("\x02\x04"), INDEXES("\x04\x00"), INDEXES("\x00\x00"), INDEXES("\x03"), INDEXES("\x80") };
    struct protobuf *protobuf;
    struct error error = { 0 };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        cr_assert_eq(protobuf_create(order, 1, wrong[i], &protobuf, &error), -EBADMSG);
        cr_assert_not_null(strstr(error.text, "names no message"), "%s", error.text);
    }
}

/* ---- descriptors in base64 ------------------------------------------------------------------------- */

/* What Confluent's client for Python registered, and Apicurio gave back. */
Test(protobuf, a_schema_may_be_a_descriptor_in_base64)
{
    static const struct protobuf_source sources[] = {
        SOURCE("shop/money.proto", "ChBzaG9wL21vbmV5LnByb3RvEgRzaG9wIhYKBU1vbmV5Eg0KBWNlbnRzGAEgASgDYgZwcm90bzM="),
        SOURCE(NULL, "Cg9zaG9wL2JpbGwucHJvdG8SBHNob3AaEHNob3AvbW9uZXkucHJvdG8iEgoFT3RoZXISCQoBbhgBIAEoBSI4CgRCaWxsEhoKBXRvdGFsGAEgAS"
                     "gLMgsuc2hvcC5Nb25leRoUCgRQYXJ0EgwKBG5hbWUYASABKAliBnByb3RvMw=="),
    };
    struct protobuf *protobuf = made(sources, 2);

    EXPECT(protobuf, "\x02\x02\x0a\x02\x08\x0c", "{\"total\":{\"cents\":12}}");
    protobuf_destroy(protobuf);
}

Test(protobuf, base64_of_something_else_is_no_schema)
{
    static const struct protobuf_source sources[] = { SOURCE(NULL, "AAAAAAAA") };
    struct protobuf *protobuf;
    struct error error = { 0 };

    cr_assert_eq(protobuf_create(sources, 1, values_say, &protobuf, &error), -EBADMSG);
    cr_assert_not_null(strstr(error.text, "is no Protobuf that can be read"), "%s", error.text);
}
