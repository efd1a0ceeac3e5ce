/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/members.h"

#include <criterion/criterion.h>
#include <string.h>

#include "codec/number.h"

struct found {
    struct member name, data, id, end;
};

static void find(const char *text, struct found *found)
{
    struct members_shape shape;
    struct error error = { 0 };

    *found = (struct found){ .name = MEMBER("name"), .data = MEMBER("data"), .id = MEMBER("id"), .end = { .key = NULL } };
    cr_assert_eq(members_find_json((struct bytes){ text, strlen(text) }, &found->name, &shape, &error), 0, "%s: %s", text, error.text);
    cr_assert(shape.is_map);
}

static void expect_bytes(const struct member *member, const char *wanted)
{
    cr_assert(member->is_present);
    cr_assert_eq(member->bytes.size, strlen(wanted));
    cr_assert_eq(memcmp(member->bytes.data, wanted, member->bytes.size), 0, "%.*s", (int)member->bytes.size,
                 (const char *)member->bytes.data);
}

Test(members_json, finds_members_as_they_stand_among_words_that_are_no_json)
{
    static const char text[] = "{\"name\":\"a/b\",\"data\":{\"n\":[NaN,-Infinity]},\"id\":NaN}";
    struct found found;

    find(text, &found);
    expect_bytes(&found.name, "\"a/b\"");
    cr_assert_eq(found.name.value.via.str.ptr, text + strlen("{\"name\":\""));
    expect_bytes(&found.data, "{\"n\":[NaN,-Infinity]}");
    cr_assert_eq(found.id.value.type, MSGPACK_OBJECT_NIL);
}

Test(members_json, finds_members_beside_lone_surrogates)
{
    struct found found;

    find("{\"x\\ud800\":1,\"name\":\"\\ud800\",\"data\":\"\\udc00\",\"id\":\"plain\"}", &found);
    cr_assert(found.name.has_escapes);
    expect_bytes(&found.name, "\"\\ud800\"");
    expect_bytes(&found.data, "\"\\udc00\"");
    expect_bytes(&found.id, "\"plain\"");
    cr_assert_eq(memcmp(found.id.value.via.str.ptr, "plain", 5), 0);
}

Test(members_json, finds_members_behind_blanks_that_yajl_takes)
{
    struct found found;

    find("{\"name\"\v:\f\"a\",\"data\"\v\v:\v{\"n\":1}}", &found);
    expect_bytes(&found.name, "\"a\"");
    expect_bytes(&found.data, "{\"n\":1}");
}

Test(members_json, reads_an_integer_beyond_64_bits)
{
    struct found found;

    find("{\"name\":\"a\",\"id\":18446744073709551616}", &found);
    cr_assert(number_is_large(&found.id.value));
    expect_bytes(&found.id, "18446744073709551616");
}
