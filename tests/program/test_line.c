/* SPDX-License-Identifier: Apache-2.0 */
#include "program/line.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct spoken spoken;

static bool hears(const char *line)
{
    return line_hear(line, strlen(line), &spoken);
}

static void expect(const char *line, enum spoken_kind kind, bool has_call, uint64_t call)
{
    cr_assert(hears(line), "%s", line);
    cr_assert_eq(spoken.kind, kind, "%s", line);
    cr_assert_eq(spoken.has_call, has_call, "%s", line);
    if (has_call)
        cr_assert_eq(spoken.call, call, "%s", line);
}

Test(line, is_heard_the_same_whatever_the_order_of_its_members)
{
    expect("{\"type\":\"step\",\"call\":17,\"id\":\"a\"}", SPOKEN_REPORTS, true, 17);
    expect("{\"id\":\"a\", \"call\": 17, \"type\": \"step\"}", SPOKEN_REPORTS, true, 17);
    expect("{\"type\":\"output\",\"call\":0}", SPOKEN_ENDS, true, 0);
    expect("{\"call\":0,\"type\":\"output\"}", SPOKEN_ENDS, true, 0);
}

Test(line, about_no_call_has_none)
{
    expect("{\"type\":\"hello\",\"protocol\":1,\"functions\":[]}", SPOKEN_HELLO, false, 0);
    expect("{\"type\":\"log\",\"message\":\"x\"}", SPOKEN_LOG, false, 0);
    expect("{\"type\":\"bye\"}", SPOKEN_BYE, false, 0);
    expect("{\"type\":\"error\",\"call\":-1}", SPOKEN_ENDS, false, 0);
    expect("{\"type\":\"error\",\"call\":\"17\"}", SPOKEN_ENDS, false, 0);
    expect("{\"type\":\"error\",\"call\":1.5}", SPOKEN_ENDS, false, 0);
}

Test(line, of_a_type_that_is_unknown_is_of_a_later_protocol)
{
    expect("{\"type\":\"sing\",\"call\":1}", SPOKEN_UNKNOWN, true, 1);
    expect("{\"type\":\"st\\u0065p\",\"call\":1}", SPOKEN_REPORTS, true, 1);
}

Test(line, that_is_no_object_with_a_type_is_none)
{
    static const char *const LINES[] = { "",
                                         "{",
                                         "{}",
                                         "[]",
                                         "\"step\"",
                                         "{\"type\":1}",
                                         "{\"type\":null,\"call\":1}",
                                         "{\"type\":\"step",
                                         "{\"type\":\"step\",\"call\":1",
                                         "{\"type\":\"step\",\"call\":1,\"id\":" };

    for (size_t i = 0; i < sizeof(LINES) / sizeof(LINES[0]); i++)
        cr_assert_not(hears(LINES[i]), "%s", LINES[i]);
}

Test(line, of_a_number_that_is_too_large_is_of_no_call)
{
    expect("{\"type\":\"step\",\"call\":18446744073709551617,\"id\":\"a\"}", SPOKEN_REPORTS, false, 0);
    expect("{\"type\":\"step\",\"call\":999999999999999999,\"id\":\"a\"}", SPOKEN_REPORTS, true, 999999999999999999U);
}

Test(line, that_answers_is_json_whatever_the_texts)
{
    const struct stepd_error error = { .name = "A\"B", .message = "line\nbreak\\" };
    size_t size;

    AUTO_FREE char *failed = line_answer_failed("s\"1", &error, &size);
    cr_assert_str_eq(failed, "\"id\":\"s\\\"1\",\"status\":\"failed\",\"error\":{\"name\":\"A\\\"B\",\"message\":\"line\\nbreak\\\\\"}}");
    cr_assert_eq(size, strlen(failed));
    AUTO_FREE char *result = line_answer_result("a", (struct bytes){ "\x93\x01\xc0\xa1x", 5 }, &size);
    cr_assert_str_eq(result, "\"id\":\"a\",\"status\":\"ok\",\"result\":[1,null,\"x\"]}");
    AUTO_FREE char *nothing = line_answer_result("a", (struct bytes){ 0 }, &size);
    cr_assert_str_eq(nothing, "\"id\":\"a\",\"status\":\"ok\",\"result\":null}");
    AUTO_FREE char *later = line_answer_later("a", &size);
    cr_assert_str_eq(later, "\"id\":\"a\",\"status\":\"later\"}");
    AUTO_FREE char *refused = line_refused("no \"hello\"");
    cr_assert_str_eq(refused, "{\"type\":\"refused\",\"reason\":\"no \\\"hello\\\"\"}");
}
