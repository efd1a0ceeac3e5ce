/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/json.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static msgpack_zone zone;

static void open_zone(void)
{
    cr_assert(msgpack_zone_init(&zone, 256));
}

static void close_zone(void)
{
    msgpack_zone_destroy(&zone);
}

TestSuite(json, .init = open_zone, .fini = close_zone);

static msgpack_object decoded(const char *text)
{
    msgpack_object object = { .type = MSGPACK_OBJECT_NIL };
    struct error error = { 0 };

    cr_assert_eq(json_decode((struct bytes){ text, strlen(text) }, &zone, &object, &error), 0, "%s: %s", text, error.text);
    return object;
}

static void expect_round_trip(const char *text, const char *wanted)
{
    msgpack_object object = decoded(text);
    char *written = json_text(&object);

    cr_assert_str_eq(written, wanted);
    free(written);
}

static void expect_refusal(struct bytes text, const char *reason)
{
    msgpack_object object;
    struct error error = { 0 };

    cr_assert_eq(json_decode(text, &zone, &object, &error), -EBADMSG, "%.*s", (int)text.size, (const char *)text.data);
    cr_assert(strstr(error.text, reason) != NULL, "'%s' does not say '%s'", error.text, reason);
}

static void expect_refusal_of(const char *text, const char *reason)
{
    expect_refusal((struct bytes){ text, strlen(text) }, reason);
}

/* `levels` arrays in one another. */
static char *nested(size_t levels)
{
    char *text = calloc(1, 2 * levels + 1);

    memset(text, '[', levels);
    memset(text + levels, ']', levels);
    return text;
}

Test(json, comes_back_as_it_went_in)
{
    static const char *const texts[] = { "null",
                                         "true",
                                         "false",
                                         "0",
                                         "-1",
                                         "\"\"",
                                         "[]",
                                         "{}",
                                         "{\"a\":[1,2,{\"b\":null}],\"c\":\"d\"}",
                                         "18446744073709551615",
                                         "-9223372036854775808",
                                         "1.5",
                                         "0.1",
                                         "1e+300",
                                         "5.0",
                                         "\"\\u0000\\n\\t\\\"\\\\\"",
                                         "\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80\"" };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        expect_round_trip(texts[i], texts[i]);
    expect_round_trip(" { \"a\" : [ 1 , 2 ] } \n", "{\"a\":[1,2]}");
    expect_round_trip("\"\\ud83d\\ude00\\/\"", "\"\xf0\x9f\x98\x80/\"");
}

Test(json, keeps_integers_exact_and_the_rest_as_doubles)
{
    cr_assert_eq(decoded("18446744073709551615").via.u64, UINT64_MAX);
    cr_assert_eq(decoded("-9223372036854775808").via.i64, INT64_MIN);
    cr_assert_eq(decoded("1.0").type, MSGPACK_OBJECT_FLOAT64);
}

/* As a step's result goes to Redis and comes back. */
static void expect_packed_round_trip(const char *text, const char *wanted)
{
    msgpack_object object = { .type = MSGPACK_OBJECT_NIL };
    struct error error = { 0 };
    msgpack_sbuffer buffer;

    msgpack_sbuffer_init(&buffer);
    cr_assert_eq(json_to_msgpack((struct bytes){ text, strlen(text) }, &buffer, &error), 0, "%s: %s", text, error.text);
    cr_assert_eq(packed_decode((struct bytes){ buffer.data, buffer.size }, &zone, &object, &error), 0, "%s", error.text);
    char *written = json_text(&object);
    cr_assert_str_eq(written, wanted);
    free(written);
    msgpack_sbuffer_destroy(&buffer);
}

Test(json, keeps_integers_beyond_64_bits_exact_as_texts_that_are_written_as_numbers)
{
    static const char *const texts[] = { "18446744073709551616", "-9223372036854775809", "123456789012345678901234567890",
                                         "{\"a\":[-123456789012345678901234567890,\"18446744073709551616\"]}" };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        expect_round_trip(texts[i], texts[i]);
        expect_packed_round_trip(texts[i], texts[i]);
    }
    msgpack_object large = decoded("18446744073709551616");
    cr_assert_eq(large.type, MSGPACK_OBJECT_STR);
    cr_assert_eq(large.via.str.size, 20);
    expect_round_trip("{\"18446744073709551616\":1}", "{\"18446744073709551616\":1}");
}

Test(json, keeps_a_minus_zero)
{
    expect_round_trip("[-0,-0.0,0]", "[-0,-0.0,0]");
    expect_packed_round_trip("[-0,-0.0,0]", "[-0,-0.0,0]");
    cr_assert_eq(decoded("-0").type, MSGPACK_OBJECT_NEGATIVE_INTEGER);
    cr_assert_eq(decoded("-0").via.i64, 0);
}

Test(json, takes_an_ext_of_our_number_for_one_only_where_it_holds_an_integer)
{
    static const struct {
        const char *body;
        const char *wanted;
    } exts[] = { { "18446744073709551616", "18446744073709551616" },
                 { "-0", "-0" },
                 { "7", "7" },
                 { "007", "\"MDA3\"" },
                 { "1e5", "\"MWU1\"" },
                 { "-", "\"LQ==\"" },
                 { "", "\"\"" } };

    for (size_t i = 0; i < sizeof(exts) / sizeof(exts[0]); i++) {
        msgpack_object object = { .type = MSGPACK_OBJECT_NIL };
        size_t size = strlen(exts[i].body);
        char packed[64] = { (char)0xc7, (char)size, 105 };
        struct error error = { 0 };
        memcpy(packed + 3, exts[i].body, size);
        cr_assert_eq(packed_decode((struct bytes){ packed, size + 3 }, &zone, &object, &error), 0, "%s", error.text);
        char *written = json_text(&object);
        cr_assert_str_eq(written, exts[i].wanted);
        free(written);
    }
}

Test(json, reads_nan_and_infinities_as_null)
{
    expect_round_trip("NaN", "null");
    expect_round_trip("{\"a\":NaN,\"b\":[Infinity,-Infinity , NaN],\"NaN\":\"NaN Infinity\"}",
                      "{\"a\":null,\"b\":[null,null,null],\"NaN\":\"NaN Infinity\"}");
    expect_round_trip("[0.0,NaN,0.000000,-Infinity]", "[0.0,null,0.0,null]");
    expect_packed_round_trip("[NaN]", "[null]");
}

Test(json, takes_no_word_within_a_number_for_a_value)
{
    static const char *const texts[] = { "1NaN",        "NaN1", "-NaN",    "NaNNaN",    "1-Infinity", "--Infinity",
                                         "1e-Infinity", "nan",  "Infinit", "+Infinity", "{NaN:1}" };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        expect_refusal_of(texts[i], "JSON");
}

Test(json, reads_msgpacks_nan_as_nil)
{
    static const char packed[] = "\x93\xcb\x7f\xf8\0\0\0\0\0\0\xca\xff\x80\0\0\xca\x3f\x80\0\0";
    msgpack_object object;
    struct error error = { 0 };

    cr_assert_eq(packed_decode((struct bytes){ packed, sizeof(packed) - 1 }, &zone, &object, &error), 0, "%s", error.text);
    cr_assert_eq(object.via.array.ptr[0].type, MSGPACK_OBJECT_NIL);
    cr_assert_eq(object.via.array.ptr[1].type, MSGPACK_OBJECT_NIL);
    cr_assert_eq(object.via.array.ptr[2].type, MSGPACK_OBJECT_FLOAT32);
}

#define GONE "\xef\xbf\xbd" /* U+FFFD */

Test(json, replaces_lone_surrogates)
{
    expect_round_trip("\"\\ud800\"", "\"" GONE "\"");
    expect_round_trip("\"\\udc00\"", "\"" GONE "\"");
    expect_round_trip("\"a\\uD800x\"", "\"a" GONE "x\"");
    expect_round_trip("\"\\ud83d\\ud83d\"", "\"" GONE GONE "\"");
    expect_round_trip("\"\\ud83d\\ud83d\\ude00\"", "\"" GONE "\xf0\x9f\x98\x80\"");
    expect_round_trip("\"\\ude00\\ud83d\"", "\"" GONE GONE "\"");
    expect_round_trip("\"\\\\ud800\"", "\"\\\\ud800\"");
    expect_round_trip("{\"k\\udfff\":[\"plain\",\"\\ud800\"]}", "{\"k" GONE "\":[\"plain\",\"" GONE "\"]}");
    expect_refusal_of("\"\\ud8zz\"", "JSON");
    expect_refusal_of("\"\\ud8", "JSON");
}

Test(json, lets_the_last_of_equal_keys_win)
{
    char text[4000] = "{";

    expect_round_trip("{\"a\":1,\"b\":2,\"a\":3}", "{\"b\":2,\"a\":3}");
    for (int i = 0; i < 200; i++)
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "\"k%d\":%d,", i % 100, i);
    (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "\"k0\":-1}");
    msgpack_object object = decoded(text);
    cr_assert_eq(object.via.map.size, 100);
    for (uint32_t i = 0; i < 99; i++)
        cr_assert_eq(object.via.map.ptr[i].val.via.u64, 101 + i);
    cr_assert_eq(object.via.map.ptr[99].val.via.i64, -1);
}

Test(json, refuses_what_is_no_json)
{
    static const char *const texts[] = { "",    " ",   "{",   "[1,]",       "{\"a\"}",   "{a:1}", "01",
                                         "1 2", "nul", "'a'", "[1]x",       "\"\\x\"",   "\"a",   "\"tab\tin it\"",
                                         "-",   "1.",  "+1",  "{\"a\":1,}", "/* c */ 1", "{1:2}" };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        expect_refusal_of(texts[i], "JSON");
    expect_refusal_of("[1e999]", "too large for a double");
    expect_refusal((struct bytes){ "1\0", 2 }, "JSON");
}

Test(json, refuses_invalid_utf8)
{
    static const char *const texts[] = {
        "\"\xff\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xe2\x82\"", "\"\x80\""
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        expect_refusal_of(texts[i], "UTF-8");
}

Test(json, nests_64_levels_and_no_more)
{
    char *deepest = nested(64);
    char *too_deep = nested(65);

    expect_round_trip(deepest, deepest);
    expect_refusal_of(too_deep, "64 levels");
    free(deepest);
    free(too_deep);
}

Test(json, becomes_msgpack)
{
    msgpack_sbuffer buffer;
    struct error error = { 0 };
    const char *text = "{\"a\":[1,\"b\"]}";

    msgpack_sbuffer_init(&buffer);
    cr_assert_eq(json_to_msgpack((struct bytes){ text, strlen(text) }, &buffer, &error), 0);
    cr_assert_arr_eq(buffer.data,
                     "\x81\xa1"
                     "a\x92\x01\xa1"
                     "b",
                     7);
    cr_assert_eq(json_to_msgpack((struct bytes){ "[", 1 }, &buffer, &error), -EBADMSG);
    cr_assert_eq(buffer.size, 7);
    msgpack_sbuffer_destroy(&buffer);
}

Test(json, writes_what_json_has_no_word_for)
{
    static const struct {
        const char *packed;
        size_t size;
        const char *wanted;
    } cases[] = {
        { "\xc4\x03\x00\x01\xff", 5, "\"AAH/\"" }, /* bin */
        { "\xc4\x01\x01", 3, "\"AQ==\"" },
        { "\xd4\x05\x01", 3, "\"AQ==\"" },                               /* ext */
        { "\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00", 9, "null" },           /* infinity */
        { "\x82\x01\xa1x\xc3\xa1y", 7, "{\"1\":\"x\",\"true\":\"y\"}" }, /* keys */
        { "\x81\x91\x01\x02", 4, "{\"(array)\":2}" },
        { "\xca\x3f\x00\x00\x00", 5, "0.5" }, /* float32 */
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        msgpack_object object;
        struct error error = { 0 };
        cr_assert_eq(packed_decode((struct bytes){ cases[i].packed, cases[i].size }, &zone, &object, &error), 0, "%zu: %s", i, error.text);
        char *text = json_text(&object);
        cr_assert_str_eq(text, cases[i].wanted);
        free(text);
    }
}

Test(json, escapes_each_special_byte_wherever_it_stands)
{
    static const char *const specials[][2] = {
        { "\"", "\\\"" },      { "\\", "\\\\" },           { "\x1f", "\\u001f" },      { "\n", "\\n" },
        { "\x7f", "\\u007f" }, { "\xff", "\xef\xbf\xbd" }, { "\xc3\xa4", "\xc3\xa4" },
    };
    static const char plain[] = " !~}[]#0@AZaz^_` !~}[]#0@AZaz^_`";
    char text[64], wanted[64];

    for (size_t i = 0; i < sizeof(specials) / sizeof(specials[0]); i++) {
        for (int at = 0; at < 24; at++) {
            msgpack_sbuffer buffer;
            (void)snprintf(text, sizeof(text), "%.*s%s%s", at, plain, specials[i][0], plain + at);
            (void)snprintf(wanted, sizeof(wanted), "\"%.*s%s%s\"", at, plain, specials[i][1], plain + at);
            msgpack_sbuffer_init(&buffer);
            json_write_string(&buffer, (struct bytes){ text, strlen(text) });
            cr_assert(buffer.size == strlen(wanted) && memcmp(buffer.data, wanted, buffer.size) == 0, "%s", wanted);
            msgpack_sbuffer_destroy(&buffer);
        }
    }
}

Test(json, replaces_invalid_utf8_when_writing)
{
    msgpack_sbuffer buffer;

    msgpack_sbuffer_init(&buffer);
    json_write_string(&buffer, (struct bytes){ "a\xff\x01z", 4 });
    cr_assert_arr_eq(buffer.data, "\"a\xef\xbf\xbd\\u0001z\"", buffer.size);
    msgpack_sbuffer_destroy(&buffer);
}

TestSuite(packed, .init = open_zone, .fini = close_zone);

static void expect_packed_refusal(const char *data, size_t size, const char *reason)
{
    msgpack_object object;
    struct error error = { 0 };
    int wanted = strstr(reason, "levels") != NULL ? -ELOOP : -EBADMSG;

    cr_assert_eq(packed_decode((struct bytes){ data, size }, &zone, &object, &error), wanted, "%s", reason);
    cr_assert(strstr(error.text, reason) != NULL, "'%s' does not say '%s'", error.text, reason);
}

Test(packed, refuses_sizes_that_are_not_there)
{
    expect_packed_refusal("", 0, "cut short");
    expect_packed_refusal("\xdd\xff\xff\xff\xff", 5, "cut short"); /* an array of four milliards */
    expect_packed_refusal("\xdf\xff\xff\xff\xff\x01", 6, "cut short");
    expect_packed_refusal("\xdb\xff\xff\xff\xff", 5, "cut short");
    expect_packed_refusal("\xc6\x00\x00\x00\x02\x01", 6, "cut short");
    expect_packed_refusal("\x92\x01", 2, "cut short");
    expect_packed_refusal("\xc1", 1, "0xc1");
    expect_packed_refusal("\x01\x01", 2, "after the end");
    expect_packed_refusal("\xa1\xff", 2, "UTF-8");
}

Test(packed, nests_64_levels_and_no_more)
{
    char data[66];
    msgpack_object object;
    struct error error = { 0 };

    memset(data, '\x91', sizeof(data));
    data[64] = 0;
    cr_assert_eq(packed_decode((struct bytes){ data, 65 }, &zone, &object, &error), 0, "%s", error.text);
    data[64] = '\x91';
    data[65] = 0;
    expect_packed_refusal(data, 66, "64 levels");
}

/* Against msgpack-c's packer and its own idea of equality. */
Test(packed, reads_every_type)
{
    static const char *const texts[] = { "text", "more than thirty-one bytes make another type of it" };
    static const int64_t integers[] = { 0,  127, 128, 255,  256,  65535,  65536,  4294967295,  4294967296,  INT64_MAX,
                                        -1, -32, -33, -128, -129, -32768, -32769, -2147483648, -2147483649, INT64_MIN };
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    msgpack_unpacked wanted;
    msgpack_object object;
    struct error error = { 0 };
    size_t count = sizeof(integers) / sizeof(integers[0]);

    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, count + 17);
    for (size_t i = 0; i < count; i++)
        msgpack_pack_int64(&packer, integers[i]);
    msgpack_pack_uint64(&packer, UINT64_MAX);
    msgpack_pack_nil(&packer);
    msgpack_pack_true(&packer);
    msgpack_pack_false(&packer);
    msgpack_pack_float(&packer, 0.5F);
    msgpack_pack_double(&packer, -1e100);
    for (size_t i = 0; i < 2; i++) {
        msgpack_pack_str_with_body(&packer, texts[i], strlen(texts[i]));
        msgpack_pack_bin_with_body(&packer, texts[i], strlen(texts[i]));
        msgpack_pack_ext_with_body(&packer, texts[i], strlen(texts[i]), -1);
    }
    msgpack_pack_ext_with_body(&packer, "0123456789abcdef", 16, 5);
    msgpack_pack_array(&packer, 0);
    msgpack_pack_map(&packer, 0);
    msgpack_pack_map(&packer, 20);
    for (int i = 0; i < 20; i++) {
        msgpack_pack_int(&packer, i);
        msgpack_pack_array(&packer, 20);
        for (int j = 0; j < 20; j++)
            msgpack_pack_nil(&packer);
    }
    msgpack_pack_nil(&packer);

    cr_assert_eq(packed_decode((struct bytes){ buffer.data, buffer.size }, &zone, &object, &error), 0, "%s", error.text);
    msgpack_unpacked_init(&wanted);
    cr_assert_eq(msgpack_unpack_next(&wanted, buffer.data, buffer.size, NULL), MSGPACK_UNPACK_SUCCESS);
    cr_assert(msgpack_object_equal(object, wanted.data));
    msgpack_unpacked_destroy(&wanted);
    msgpack_sbuffer_destroy(&buffer);
}

Test(packed, lets_the_last_of_equal_keys_win)
{
    msgpack_object object;
    struct error error = { 0 };

    cr_assert_eq(packed_decode((struct bytes){ "\x82\xa1k\x01\xa1k\x02", 7 }, &zone, &object, &error), 0);
    cr_assert_eq(object.via.map.size, 1);
    cr_assert_eq(object.via.map.ptr[0].val.via.u64, 2);
}
