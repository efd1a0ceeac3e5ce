/* SPDX-License-Identifier: Apache-2.0 */
#include "program/reply.h"

#include <criterion/criterion.h>
#include <string.h>

#include "run/context.h"

static struct stepd_ctx ctx;
static struct reply reply;

static void setup(void)
{
    context_init(&ctx);
}

static void teardown(void)
{
    context_done(&ctx);
}

TestSuite(reply, .init = setup, .fini = teardown);

static const char *read_line(const char *line)
{
    return reply_read(&ctx, line, strlen(line), &reply);
}

static void expect_read(const char *line, enum reply_kind kind)
{
    const char *fault = read_line(line);

    cr_assert_null(fault, "%s: %s", line, fault);
    cr_assert_eq(reply.kind, kind, "%s", line);
}

static void expect_refused(const char *line, const char *words)
{
    const char *fault = read_line(line);

    cr_assert(fault != NULL && strstr(fault, words) != NULL, "%s: %s", line, fault != NULL ? fault : "read");
}

Test(reply, of_a_step_has_its_result)
{
    expect_read("{\"type\":\"step\",\"call\":1,\"id\":\"a\",\"result\":7}", REPLY_STEP);
    cr_assert_eq(reply.step_count, 1);
    cr_assert_str_eq(reply.steps[0].id, "a");
    cr_assert_not(reply.steps[0].has_failed);
    cr_assert_eq(reply.steps[0].result->via.u64, 7);
    cr_assert_not(reply.is_beside);
    expect_read("{\"type\":\"step\",\"id\":\"a\",\"beside\":true}", REPLY_STEP);
    cr_assert_eq(reply.steps[0].result->type, MSGPACK_OBJECT_NIL);
    cr_assert(reply.is_beside);
}

Test(reply, of_steps_has_all_of_them)
{
    expect_read(
        "{\"type\":\"steps\",\"steps\":[{\"id\":\"a\",\"result\":1},{\"id\":\"b\",\"error\":{\"name\":\"E\",\"retriable\":false}}]}",
        REPLY_STEPS);
    cr_assert_eq(reply.step_count, 2);
    cr_assert(reply.steps[1].has_failed);
    cr_assert_str_eq(reply.steps[1].error.said.name, "E");
    cr_assert_str_eq(reply.steps[1].error.said.message, "");
    cr_assert_not(reply.steps[1].error.said.is_retriable);
    expect_refused("{\"type\":\"steps\",\"steps\":{}}", "\"steps\" is a list");
    expect_refused("{\"type\":\"steps\",\"steps\":[{\"id\":\"a\"},{}]}", "the \"id\" of a step");
}

Test(reply, has_ids_of_1_to_200_bytes_without_a_nul)
{
    char line[300] = "{\"type\":\"step\",\"id\":\"", *end = line + strlen(line);

    memset(end, 'x', 200);
    strcpy(end + 200, "\"}");
    expect_read(line, REPLY_STEP);
    strcpy(end + 200, "x\"}");
    expect_refused(line, "1 to 200 bytes");
    expect_refused("{\"type\":\"step\",\"id\":\"\"}", "1 to 200 bytes");
    expect_refused("{\"type\":\"step\",\"id\":\"a\\u0000b\"}", "1 to 200 bytes");
    expect_refused("{\"type\":\"step\",\"id\":5}", "1 to 200 bytes");
}

Test(reply, of_a_sleep_says_how_long_or_until_when)
{
    expect_read("{\"type\":\"sleep\",\"id\":\"a\",\"ms\":1.2}", REPLY_SLEEP);
    cr_assert_eq(reply.ms, 2);
    cr_assert_eq(reply.until_ms, -1);
    expect_read("{\"type\":\"sleep\",\"id\":\"a\",\"until_ms\":1e300}", REPLY_SLEEP);
    cr_assert_gt(reply.until_ms, INT64_C(1) << 60);
    expect_read("{\"type\":\"sleep\",\"id\":\"a\",\"ms\":-5}", REPLY_SLEEP);
    cr_assert_eq(reply.ms, 0);
    expect_refused("{\"type\":\"sleep\",\"id\":\"a\"}", "\"ms\" or \"until_ms\"");
    expect_refused("{\"type\":\"sleep\",\"id\":\"a\",\"ms\":\"5s\"}", "\"ms\" or \"until_ms\"");
}

Test(reply, of_an_error_has_a_name_and_blanks_for_nuls)
{
    expect_read("{\"type\":\"error\",\"error\":{\"name\":\"E\",\"message\":\"a\\u0000b\",\"retry_after_ms\":10}}", REPLY_ERROR);
    cr_assert_str_eq(reply.error.said.message, "a b");
    cr_assert(reply.error.said.is_retriable);
    cr_assert_eq(reply.error.said.retry_after_ms, 10);
    expect_refused("{\"type\":\"error\"}", "an \"error\" is an object");
    expect_refused("{\"type\":\"error\",\"error\":{\"message\":\"x\"}}", "with a \"name\"");
    expect_refused("{\"type\":\"error\",\"error\":{\"name\":\"E\",\"retry_after_ms\":\"1\"}}", "\"retry_after_ms\"");
}

Test(reply, of_what_is_sent_waited_for_or_invoked_has_a_name)
{
    expect_read("{\"type\":\"send\",\"id\":\"a\",\"name\":\"x/y\",\"data\":{}}", REPLY_SEND);
    cr_assert_str_eq(reply.name, "x/y");
    expect_read("{\"type\":\"wait\",\"id\":\"a\",\"event\":\"x\",\"when\":\"true\",\"timeout_ms\":5}", REPLY_WAIT);
    cr_assert_str_eq(reply.when, "true");
    cr_assert_eq(reply.ms, 5);
    expect_read("{\"type\":\"invoke\",\"id\":\"a\",\"function\":\"f\"}", REPLY_INVOKE);
    cr_assert_eq(reply.data->type, MSGPACK_OBJECT_NIL);
    expect_refused("{\"type\":\"send\",\"id\":\"a\"}", "a name is a text");
    expect_refused("{\"type\":\"wait\",\"id\":\"a\",\"name\":\"x\"}", "a name is a text");
}

Test(reply, that_is_none_says_so)
{
    expect_refused("[]", "a JSON object");
    expect_refused("{\"type\":\"st", "a JSON object");
    expect_refused("{\"type\":\"hello\"}", "that is none");
    expect_refused("{\"type\":7}", "that is none");
}
