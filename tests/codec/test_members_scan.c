/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/members_scan.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char forty[] = "{[:,]} 0123456789 abcdefghijklmnopqrstuv";

struct found {
    struct member name, data, ts, end;
};

static struct found fresh(void)
{
    return (struct found){ .name = MEMBER("name"), .data = MEMBER("data"), .ts = MEMBER("ts"), .end = { .key = NULL } };
}

static bool scan(const char *text, struct found *found)
{
    size_t others;

    *found = fresh();
    return members_scan_json((struct bytes){ text, strlen(text) }, &found->name, &others);
}

static void expect_text(struct bytes bytes, const char *wanted)
{
    cr_assert_eq(bytes.size, strlen(wanted));
    cr_assert_eq(memcmp(bytes.data, wanted, bytes.size), 0, "%.*s", (int)bytes.size, (const char *)bytes.data);
}

Test(members_scan, finds_members_among_others)
{
    struct found found;

    cr_assert(scan(" { \"x\" : [1, {\"name\": 2}] , \"name\" : \"a/b\" ,\"data\":{\"deep\":[[],{}]}, \"ts\":1700000000123 }\n", &found));
    expect_text(found.name.bytes, "\"a/b\"");
    cr_assert_eq(found.name.value.via.str.size, 3);
    expect_text(found.data.bytes, "{\"deep\":[[],{}]}");
    cr_assert_eq(found.data.value.type, MSGPACK_OBJECT_MAP);
    cr_assert_eq(found.ts.value.via.u64, 1700000000123);
}

/* Wherever in a string it stands, among characters that are looked at together. */
Test(members_scan, sees_what_is_special_at_every_place)
{
    static const struct {
        const char *text;
        bool is_read;
    } specials[] = {
        { "\xc3\xa9", true }, { "\xe2\x82\xac", true }, { "\xf0\x9f\x98\x80\xc3\xa9", true },
        { "\\n", true },      { "\x7f", true },         { "\xc3", false },
        { "\x80", false },    { "\xff", false },        { "\xed\xa0\x80", false },
        { "\x1f", false },    { "\\u0041", false },     { "\"", false },
    };

    for (size_t i = 0; i < sizeof(specials) / sizeof(specials[0]); i++) {
        for (int before = 0; before < 40; before++) {
            for (int after = 0; after < 40; after += 13) {
                struct found found;
                char text[160];
                (void)snprintf(text, sizeof(text), "{\"name\":\"a\",\"x\":\"%.*s%s%.*s\"}", before, forty, specials[i].text, after, forty);
                cr_assert_eq(scan(text, &found), specials[i].is_read, "%s", text);
                cr_assert_eq(found.name.is_present, specials[i].is_read);
            }
        }
    }
}

Test(members_scan, takes_the_last_of_two)
{
    struct found found;

    cr_assert(scan("{\"name\":\"first\",\"name\":null}", &found));
    cr_assert_eq(found.name.value.type, MSGPACK_OBJECT_NIL);
}

/* Not only what is wrong: whatever takes more than a glance. */
Test(members_scan, leaves_the_rest_to_the_parser)
{
    static const char *const texts[] = {
        "",
        "1",
        "[]",
        "{",
        "{}x",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":[1,]}",
        "{\"a\":[1}}",
        "{\"a\":01}",
        "{\"a\":1.}",
        "{\"a\":-}",
        "{\"a\":1e5}",
        "{\"a\":tru}",
        "{\"a\":\"\\u0041\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"b}",
        "{\"name\":\"a\\n\"}",
        "{\"a\":\"\xc0\x80\"}",
        "{\"a\":\"\\",
        "{'a':1}",
        "{\"a\":+1}",
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct found found;
        cr_assert(!scan(texts[i], &found), "%s", texts[i]);
        cr_assert(!found.name.is_present && !found.data.is_present && !found.ts.is_present);
    }
}

Test(members_scan, sees_what_stands_at_any_place_of_a_word)
{
    struct found found;
    char text[64];

    for (int before = 0; before < 20; before++) {
        (void)snprintf(text, sizeof(text), "{\"%.*s\\\"\":\"%.*s\\\\\",\"name\":1}", before, "aaaaaaaaaaaaaaaaaaaa", before,
                       "bbbbbbbbbbbbbbbbbbbb");
        cr_assert(!scan(text, &found)); /* the key has an escape */
        (void)snprintf(text, sizeof(text), "{\"%.*s\":\"%.*s\\\\\",\"name\":1}", before, "aaaaaaaaaaaaaaaaaaaa", before,
                       "bbbbbbbbbbbbbbbbbbbb");
        cr_assert(scan(text, &found), "%s", text);
        cr_assert_eq(found.name.value.via.u64, 1);
        (void)snprintf(text, sizeof(text), "{\"a\":\"%.*s\x1f%.*s\"}", before, "aaaaaaaaaaaaaaaaaaaa", 20 - before, "bbbbbbbbbbbbbbbbbbbb");
        cr_assert(!scan(text, &found));
    }
}

Test(members_scan, goes_as_deep_as_the_parser_and_no_deeper)
{
    struct found found;

    for (int levels = 62; levels <= 65; levels++) {
        char text[256] = "{\"data\":";
        size_t size = strlen(text);
        memset(text + size, '[', (size_t)levels);
        memset(text + size + levels, ']', (size_t)levels);
        text[size + 2 * (size_t)levels] = '}';
        text[size + 2 * (size_t)levels + 1] = 0;
        cr_assert_eq(scan(text, &found), levels < 64);
    }
}

/* ---- maps of an array ------------------------------------------------------------------------------- */

static bool scan_array(const char *text, struct bytes **ret_texts, struct member **ret_members, size_t *ret_count)
{
    static const struct member wanted[] = { MEMBER("id"), MEMBER("n"), { .key = NULL } };

    return members_scan_maps((struct bytes){ text, strlen(text) }, wanted, ret_texts, ret_members, ret_count);
}

static void expect_maps(const char *text, size_t wanted, const char *const *each)
{
    struct bytes *texts = NULL;
    struct member *members = NULL;
    size_t count = 0;

    cr_assert(scan_array(text, &texts, &members, &count), "%s", text);
    cr_assert_eq(count, wanted, "%s", text);
    for (size_t i = 0; i < count; i++) {
        cr_assert_eq(texts[i].size, strlen(each[i]), "%s", text);
        cr_assert_eq(memcmp(texts[i].data, each[i], texts[i].size), 0, "%s", text);
    }
    free(texts);
    free(members);
}

Test(members_scan, finds_the_maps_of_an_array_as_they_stand_there)
{
    expect_maps("[]", 0, NULL);
    expect_maps(" [ ] ", 0, NULL);
    expect_maps("[{}]", 1, (const char *const[]){ "{}" });
    expect_maps("[ {\"a\": [1, 2]} ,\n{\"b\": \"x,]\\\"\"},{ } ]", 3,
                (const char *const[]){ "{\"a\": [1, 2]}", "{\"b\": \"x,]\\\"\"}", "{ }" });
}

/* Of more maps than there is room for at first, each its own. */
Test(members_scan, finds_the_members_of_each_map_of_an_array)
{
    char text[2000] = "[";
    struct bytes *texts = NULL;
    struct member *members = NULL;
    size_t count = 0;

    for (int i = 0; i < 50; i++)
        (void)snprintf(text + strlen(text), 40, "%s{\"n\": %d%s}", i > 0 ? ", " : "", i, i % 2 == 0 ? ", \"id\": \"x\"" : "");
    cr_assert(scan_array(strcat(text, "]"), &texts, &members, &count));
    cr_assert_eq(count, 50);
    for (size_t i = 0; i < count; i++) {
        cr_expect_eq(members[3 * i].is_present, i % 2 == 0);
        cr_expect(members[3 * i + 1].is_present && members[3 * i + 1].value.via.u64 == i);
        cr_expect_null(members[3 * i + 2].key);
    }
    free(texts);
    free(members);
}

Test(members_scan, leaves_what_may_be_no_array_of_maps_to_the_parser)
{
    static const char *const texts[] = { "",
                                         " ",
                                         "{}",
                                         "1",
                                         "[",
                                         "[{}",
                                         "[{},",
                                         "[{},]",
                                         "[,{}]",
                                         "[1]",
                                         "[{} {}]",
                                         "[{}]]",
                                         "[]]",
                                         "[{}] 2",
                                         "[{}]x",
                                         "[{]",
                                         "[{},1]",
                                         "[[]]",
                                         "[{\"a\":01}]",
                                         "[\"{}\"]",
                                         "[null]",
                                         "[{\"a\":\"\\u00e4\"}]",
                                         "[{\"a\":NaN}]" };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct bytes *found = NULL;
        struct member *members = NULL;
        size_t count = 0;
        cr_assert_not(scan_array(texts[i], &found, &members, &count), "%s", texts[i]);
    }
}

Test(members_scan, refuses_an_array_of_maps_at_the_depth_at_which_the_parser_does)
{
    for (int levels = 62; levels <= 66; levels++) {
        char text[200] = "[{\"a\":";
        struct bytes *texts = NULL;
        struct member *members = NULL;
        size_t count = 0;
        for (int i = 2; i < levels; i++)
            strcat(text, "[");
        for (int i = 2; i < levels; i++)
            strcat(text, "]");
        cr_assert_eq(scan_array(strcat(text, "}]"), &texts, &members, &count), levels <= 64, "%d", levels);
        if (levels <= 64) {
            free(texts);
            free(members);
        }
    }
}
