/* SPDX-License-Identifier: Apache-2.0 */
/* The header's calls of run/read.c: data out of objects, and JSON. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "run/context.h"

static struct stepd_ctx ctx;

static void open_context(void)
{
    context_init(&ctx);
}

static void close_context(void)
{
    context_done(&ctx);
}

TestSuite(read, .init = open_context, .fini = close_context);

static const msgpack_object *parsed(const char *text)
{
    return stepd_from_json(&ctx, text, strlen(text));
}

Test(read, finds_values_by_their_paths)
{
    const msgpack_object *object = parsed("{\"user\":{\"name\":\"Ada\",\"ids\":[7,8]},\"half\":0.5,\"is\":true}");

    cr_assert_str_eq(stepd_get_str(&ctx, object, "user.name", "?"), "Ada");
    cr_assert_eq(stepd_get_int(&ctx, object, "user.ids.1", -1), 8);
    cr_assert_eq(stepd_get_double(&ctx, object, "half", 0), 0.5);
    cr_assert(stepd_get_bool(&ctx, object, "is", false));
    cr_assert_null(stepd_get(&ctx, object, "user.ids.2"));
    cr_assert_null(stepd_get(&ctx, object, "user.name.first"));
    cr_assert_eq(stepd_get(&ctx, object, ""), object);
}

Test(read, answers_otherwise_where_the_type_is_another)
{
    const msgpack_object *object = parsed("{\"text\":\"7\",\"number\":7}");

    cr_assert_eq(stepd_get_int(&ctx, object, "text", -1), -1);
    cr_assert_str_eq(stepd_get_str(&ctx, object, "number", "?"), "?");
    cr_assert(stepd_get_bool(&ctx, object, "number", true));
}

Test(read, json_comes_back_as_it_went_in)
{
    static const char text[] = "{\"big\":18446744073709551615,\"small\":-9223372036854775808,\"list\":[null,true,\"\\u0000\\n\"]}";

    cr_assert_str_eq(stepd_to_json(&ctx, parsed(text)), text);
}

Test(read, an_integer_beyond_64_bits_is_a_text_and_a_number_in_json_again)
{
    const msgpack_object *object = parsed("{\"n\":18446744073709551616,\"s\":\"18446744073709551616\"}");

    cr_assert_eq(stepd_get(&ctx, object, "n")->type, MSGPACK_OBJECT_STR);
    cr_assert_str_eq(stepd_get_str(&ctx, object, "n", "?"), "18446744073709551616");
    cr_assert_eq(stepd_get_double(&ctx, object, "n", 0), 18446744073709551616.0);
    cr_assert_eq(stepd_get_double(&ctx, object, "s", -1), -1);
    cr_assert_eq(stepd_get_int(&ctx, object, "n", -1), -1);
    cr_assert_str_eq(stepd_to_json(&ctx, object), "{\"n\":18446744073709551616,\"s\":\"18446744073709551616\"}");
}

Test(read, json_outlives_the_text_it_came_from)
{
    char text[] = "[\"kept\"]";
    const msgpack_object *object = parsed(text);

    memset(text, 'x', sizeof(text));
    cr_assert_str_eq(stepd_to_json(&ctx, object), "[\"kept\"]");
}

Test(read, what_is_no_json_is_nothing)
{
    static const char *const WRONG[] = { "", "{", "{\"a\":1}}", "nul", "\"\xff\"", "[1,]" };

    for (size_t i = 0; i < sizeof(WRONG) / sizeof(WRONG[0]); i++)
        cr_assert_null(parsed(WRONG[i]), "%s", WRONG[i]);
}
