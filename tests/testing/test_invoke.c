/* SPDX-License-Identifier: Apache-2.0 */
/* Functions that invoke others: those of the module run, what others come to the test says. */
#include <stepd/testing.h>

#include <criterion/criterion.h>
#include <string.h>

/* Its output: what `function` made of `n`, or the name of its error. */
static enum stepd_status ask(struct stepd_ctx *ctx)
{
    const msgpack_object *data = stepd_event(ctx)->data;
    const msgpack_object *result;
    msgpack_sbuffer n;
    msgpack_packer packer;

    msgpack_sbuffer_init(&n);
    msgpack_packer_init(&packer, &n, msgpack_sbuffer_write);
    msgpack_pack_int64(&packer, stepd_get_int(ctx, data, "n", 0));
    enum stepd_status status = stepd_invoke(ctx, "ask", stepd_get_str(ctx, data, "function", ""), &n, 60000, &result);
    msgpack_sbuffer_destroy(&n);
    if (status == STEPD_FAILED) {
        const char *name = stepd_last_error(ctx)->name;
        msgpack_pack_str_with_body(stepd_output(ctx), name, strlen(name));
        return STEPD_OK;
    }
    if (status == STEPD_OK)
        stepd_pack(ctx, stepd_output(ctx), result);
    return status;
}

static enum stepd_status add(struct stepd_ctx *ctx)
{
    if (stepd_attempt(ctx) == 0)
        return stepd_error(ctx, "Busy", "not yet");
    msgpack_pack_int64(stepd_output(ctx), stepd_get_int(ctx, stepd_event(ctx)->data, "", 0) + 1);
    return STEPD_OK;
}

static enum stepd_status fail(struct stepd_ctx *ctx)
{
    return stepd_non_retriable(ctx, "Declined", "no");
}

STEPD_MODULE(.name = "asking", .functions = STEPD_FUNCTIONS(STEPD_FUNCTION(.id = "ask", .event = "ask", .run = ask),
                                                            STEPD_FUNCTION(.id = "add", .event = "no/one", .run = add),
                                                            STEPD_FUNCTION(.id = "fail", .event = "no/one", .run = fail)));

static struct stepd_test *test;

static void setup(void)
{
    test = stepd_test_create(&stepd_module);
}

static void teardown(void)
{
    stepd_test_destroy(test);
}

TestSuite(invoke, .init = setup, .fini = teardown, .timeout = 60);

static struct stepd_test_run *asked(const char *data)
{
    struct stepd_test_run *run = stepd_test_start(test, "ask", STEPD_TEST_EVENT(.data = data));

    cr_assert_eq(stepd_test_finish(run), STEPD_TEST_COMPLETED);
    return run;
}

Test(invoke, an_invoked_function_of_the_module_runs_with_its_retries)
{
    struct stepd_test_run *run = asked("{function: add, n: 41}");

    cr_assert_str_eq(stepd_test_output_json(run), "42");
    cr_assert_eq(stepd_test_run_count(test), 2);
    struct stepd_test_run *invoked = stepd_test_run_at(test, 1);
    cr_assert_str_eq(stepd_test_function_id(invoked), "add");
    cr_assert_eq(stepd_test_status(invoked), STEPD_TEST_COMPLETED);
    cr_assert_eq(stepd_test_attempt_count(invoked), 2);
}

Test(invoke, a_caller_waits_until_what_it_invoked_has_ended)
{
    struct stepd_test_run *run = stepd_test_start(test, "ask", STEPD_TEST_EVENT(.data = "{function: add}"));

    cr_assert_eq(stepd_test_attempt(run), STEPD_TEST_WAITING);
    cr_assert_eq(stepd_test_finish(stepd_test_run_at(test, 1)), STEPD_TEST_COMPLETED);
    cr_assert_eq(stepd_test_status(run), STEPD_TEST_READY);
    cr_assert_eq(stepd_test_attempt(run), STEPD_TEST_COMPLETED);
}

Test(invoke, its_error_comes_back)
{
    cr_assert_str_eq(stepd_test_output_json(asked("{function: fail}")), "\"Declined\"");
}

Test(invoke, what_is_cancelled_is_an_error_of_its_caller)
{
    struct stepd_test_run *run = stepd_test_start(test, "ask", STEPD_TEST_EVENT(.data = "{function: add}"));

    cr_assert_eq(stepd_test_attempt(run), STEPD_TEST_WAITING);
    (void)stepd_test_attempt(stepd_test_run_at(test, 1));
    cr_assert(stepd_test_cancel(stepd_test_run_at(test, 1)));
    cr_assert_eq(stepd_test_finish(run), STEPD_TEST_COMPLETED);
    cr_assert_str_eq(stepd_test_output_json(run), "\"InvokeCancelled\"");
}

Test(invoke, what_no_module_has_is_said)
{
    cr_assert_str_eq(stepd_test_output_json(asked("{function: nobodys}")), "\"NoSuchFunction\"");
}

Test(invoke, the_test_says_what_others_come_to)
{
    stepd_test_answer(test, "nobodys", "{found: [1, 2]}");
    stepd_test_answer_error(test, "broken", "OutOfOrder", "gone");
    cr_assert_str_eq(stepd_test_output_json(asked("{function: nobodys}")), "{\"found\":[1,2]}");
    cr_assert_str_eq(stepd_test_output_json(asked("{function: broken}")), "\"OutOfOrder\"");
    cr_assert_eq(stepd_test_run_count(test), 2);
}
