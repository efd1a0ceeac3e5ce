/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/op_list.h"

#include <criterion/criterion.h>
#include <string.h>

#include "run/context.h"

#define A "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8" /* of "a" */

static struct stepd_ctx ctx;

static void setup(void)
{
    context_init(&ctx);
}

static void teardown(void)
{
    context_done(&ctx);
}

TestSuite(ops, .init = setup, .fini = teardown);

static struct op_list read(const char *json)
{
    struct op_list ops = { 0 };
    const msgpack_object *body = stepd_from_json(&ctx, json, strlen(json));

    cr_assert_not_null(body);
    op_list_read(&ctx, body, &ops);
    return ops;
}

static struct op read_one(const char *json)
{
    struct op_list ops = read(json);

    cr_assert_eq(ops.count, 1);
    return ops.items[0];
}

Test(ops, tell_a_step_s_result_by_the_name_its_author_gave_it)
{
    struct op op = read_one("[{\"op\":\"StepRun\",\"id\":\"" A "\",\"displayName\":\"a\",\"userland\":{\"id\":\"a\"},\"data\":7}]");

    cr_assert_eq(op.kind, OP_RESULT);
    cr_assert_str_eq(op.name, "a");
    cr_assert_str_eq(op.hash.text, A);
    cr_assert_eq(op.data->via.u64, 7);
}

Test(ops, of_a_step_that_failed_tell_its_error)
{
    struct op op = read_one("[{\"op\":\"StepError\",\"id\":\"" A "\",\"error\":{\"name\":\"Oh\",\"message\":\"no\"}}]");

    cr_assert_eq(op.kind, OP_ERROR);
    cr_assert_str_eq(op.error.name, "Oh");
    cr_assert_str_eq(op.error.message, "no");
    cr_assert_eq(read_one("[{\"op\":\"StepFailed\",\"id\":\"" A "\"}]").kind, OP_FAILED);
}

Test(ops, tell_how_long_a_step_sleeps)
{
    struct op op = read_one("[{\"op\":\"Sleep\",\"id\":\"" A "\",\"name\":\"1s\"}]");

    cr_assert_eq(op.kind, OP_SLEEP);
    cr_assert_str_eq(op.duration, "1s");
}

Test(ops, come_in_the_order_in_which_the_app_lists_them)
{
    struct op_list ops =
        read("[{\"op\":\"StepPlanned\",\"id\":\"x\",\"displayName\":\"p\"},{\"op\":\"RunComplete\",\"id\":\"y\",\"data\":[1]}]");

    cr_assert_eq(ops.count, 2);
    cr_assert_eq(ops.items[0].kind, OP_PLANNED);
    cr_assert_eq(ops.items[1].kind, OP_COMPLETE);
    cr_assert_eq(ops.items[1].data->type, MSGPACK_OBJECT_ARRAY);
}

Test(ops, that_stepd_has_not_got_say_what_they_are)
{
    struct op op = read_one("[{\"op\":\"DeferAdd\",\"id\":\"" A "\",\"displayName\":\"a\"}]");

    cr_assert_eq(op.kind, OP_UNKNOWN);
    cr_assert_str_eq(op.duration, "DeferAdd");
}

Test(ops, tell_what_signal_a_step_waits_for_and_whether_it_replaces_who_does)
{
    struct op op =
        read_one("[{\"op\":\"WaitForSignal\",\"id\":\"" A "\",\"name\":\"s/a\",\"opts\":{\"signal\":\"s/a\",\"timeout\":\"2s\"}}]");

    cr_assert_eq(op.kind, OP_SIGNAL);
    cr_assert_str_eq(op.event, "s/a");
    cr_assert_str_eq(op.timeout, "2s");
    cr_assert(!op.replaces);
    op = read_one("[{\"op\":\"WaitForSignal\",\"id\":\"" A "\",\"name\":\"s/a\",\"opts\":{\"conflict\":\"replace\"}}]");
    cr_assert_str_eq(op.event, "s/a");
    cr_assert(op.replaces);
}

Test(ops, of_any_other_shape_are_none)
{
    cr_assert_eq(read("{}").count, 0);
    cr_assert_eq(read("7").count, 0);
    cr_assert_eq(read("[1,null,{},{\"op\":\"StepRun\"},{\"id\":\"\"},{\"id\":5}]").count, 0);
}

Test(ops, name_an_error_of_any_shape)
{
    struct op_error error;
    const char *json = "{\"message\":\"no\"}";

    op_error_read(&ctx, 500, stepd_from_json(&ctx, json, strlen(json)), &error);
    cr_assert_str_eq(error.name, "Error");
    cr_assert_str_eq(error.message, "no");
    op_error_read(&ctx, 502, stepd_from_json(&ctx, "[1]", 3), &error);
    cr_assert_str_eq(error.name, "CallRefused");
    cr_assert_str_eq(error.message, "[1]");
    op_error_read(&ctx, 502, NULL, &error);
    cr_assert_str_eq(error.message, "null");
}

/* ---- as Go's SDK tells them ------------------------------------------------------------------------ */

Test(ops, of_a_sleep_tell_the_duration_in_its_options_before_its_name)
{
    cr_assert_str_eq(read_one("[{\"op\":\"Sleep\",\"id\":\"" A "\",\"name\":\"nap\",\"opts\":{\"duration\":\"1s\"}}]").duration, "1s");
    cr_assert_str_eq(read_one("[{\"op\":\"Sleep\",\"id\":\"" A "\",\"name\":\"2s\",\"opts\":{}}]").duration, "2s");
    cr_assert_str_eq(read_one("[{\"op\":\"Sleep\",\"id\":\"" A "\",\"name\":\"2s\",\"opts\":null}]").duration, "2s");
}

Test(ops, keep_what_a_step_gave_beside_its_error)
{
    struct op op =
        read_one("[{\"op\":\"StepFailed\",\"id\":\"" A "\",\"error\":{\"name\":\"Step failed\",\"message\":\"no\",\"data\":{\"n\":1}}}]");

    cr_assert_not_null(op.error.data);
    cr_assert_eq(op.error.data->type, MSGPACK_OBJECT_MAP);
    cr_assert_null(read_one("[{\"op\":\"StepFailed\",\"id\":\"" A "\",\"error\":{\"message\":\"no\"}}]").error.data);
}

Test(ops, of_what_was_thrown_and_is_no_error_tell_its_text)
{
    cr_assert_str_eq(read_one("[{\"op\":\"StepError\",\"id\":\"" A "\",\"error\":null}]").error.message, "null");
    cr_assert_str_eq(read_one("[{\"op\":\"StepError\",\"id\":\"" A "\",\"error\":0}]").error.message, "0");
    cr_assert_str_eq(read_one("[{\"op\":\"StepError\",\"id\":\"" A "\",\"error\":\"\"}]").error.message, "");
    cr_assert_str_eq(read_one("[{\"op\":\"StepFailed\",\"id\":\"" A "\",\"error\":false}]").error.message, "false");
    cr_assert_str_eq(read_one("[{\"op\":\"StepFailed\",\"id\":\"" A "\"}]").error.message, "");
}
