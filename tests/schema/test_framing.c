/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/framing.h"

#include <criterion/criterion.h>
#include <string.h>

#define BYTES(text) ((struct bytes){ (text), sizeof(text) - 1 })
#define GUID_BYTES "\xb7\xb4\xa7\xf0\x9c\x96\x4e\x4a\xa6\x87\xfb\x5d\xe9\xef\x0c\x63"

static void expect_text(const struct schema_key *key, const char *expected)
{
    char text[SCHEMA_TEXT_SIZE];

    schema_key_text(key, text);
    cr_assert_str_eq(text, expected);
}

Test(framing, a_zero_byte_and_an_id_stand_before_a_value)
{
    struct schema_key key;

    cr_assert(framing_of_value(BYTES("\0\0\0\0\x09"
                                     "abc"),
                               &key));
    cr_assert_eq(key.form, SCHEMA_BY_ID);
    cr_assert_eq(key.frame_size, FRAME_SIZE);
    expect_text(&key, "9");
    cr_assert(framing_of_value(BYTES("\0\xff\xff\xff\xff"), &key));
    expect_text(&key, "4294967295");
}

Test(framing, id_0_and_short_values_are_not_framed)
{
    struct schema_key key;

    cr_assert_not(framing_of_value(BYTES("\0\0\0\0\0\0\0\x02"), &key), "a Long of Java");
    cr_assert_not(framing_of_value(BYTES("\0\0\0\x02"), &key), "an Integer of Java");
    cr_assert_not(framing_of_value(BYTES("{\"a\":1}"), &key));
    cr_assert_not(framing_of_value((struct bytes){ NULL, 0 }, &key));
}

Test(framing, headers_name_a_schema_by_guid_or_id)
{
    struct schema_key key;

    cr_assert(framing_of_header("__value_schema_id", BYTES("\x01" GUID_BYTES), &key));
    cr_assert_eq(key.form, SCHEMA_BY_GUID);
    cr_assert_eq(key.frame_size, 0);
    expect_text(&key, "b7b4a7f0-9c96-4e4a-a687-fb5de9ef0c63");
    cr_assert(framing_of_header("__VALUE_schema_id", BYTES("\0\0\0\0\x07"), &key));
    expect_text(&key, "7");
    cr_assert(framing_of_header("apicurio.value.globalId", BYTES("\0\0\0\0\0\0\0\x0c"), &key));
    cr_assert_eq(key.form, SCHEMA_BY_GLOBAL_ID);
    expect_text(&key, "12");
    cr_assert(framing_of_header("apicurio.value.contentId", BYTES("\x7f\xff\xff\xff\xff\xff\xff\xff"), &key));
    expect_text(&key, "9223372036854775807");
}

Test(framing, indexes_may_stand_behind_the_id_in_a_header)
{
    struct schema_key key, other;

    cr_assert(framing_of_header("__value_schema_id", BYTES("\x01" GUID_BYTES "\x04\x00\x02"), &key));
    cr_assert_eq(key.form, SCHEMA_BY_GUID);
    cr_assert_eq(key.indexes_size, 3);
    cr_assert_eq(memcmp(key.indexes, "\x04\x00\x02", 3), 0);
    expect_text(&key, "b7b4a7f0-9c96-4e4a-a687-fb5de9ef0c63");
    cr_assert(framing_of_header("__value_schema_id", BYTES("\x01" GUID_BYTES "\x00"), &other));
    cr_assert_not(schema_key_equals(&key, &other), "another message is read in another way");
    cr_assert(framing_of_header("__value_schema_id", BYTES("\0\0\0\0\x07\x02\x02"), &key));
    cr_assert_eq(key.form, SCHEMA_BY_ID);
    cr_assert_eq(key.indexes_size, 2);
    expect_text(&key, "7");
}

Test(framing, other_headers_name_none)
{
    struct schema_key key;

    cr_assert_not(framing_of_header("__key_schema_id", BYTES("\x01" GUID_BYTES), &key), "a framed key stays bytes");
    cr_assert_not(framing_of_header("apicurio.key.globalId", BYTES("\0\0\0\0\0\0\0\x0c"), &key));
    cr_assert_not(framing_of_header("__value_schema_id", BYTES("\x01\x02"), &key));
    cr_assert_not(framing_of_header("__value_schema_id", BYTES(""), &key));
    cr_assert_not(framing_of_header("__value_schema_id", (struct bytes){ NULL, 0 }, &key));
    cr_assert_not(framing_of_header("__value_schema_id", BYTES("\x01" GUID_BYTES GUID_BYTES GUID_BYTES GUID_BYTES), &key), "too much");
    cr_assert_not(framing_of_header("apicurio.value.globalId", BYTES("12"), &key));
}
