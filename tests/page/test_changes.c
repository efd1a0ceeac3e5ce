/* SPDX-License-Identifier: Apache-2.0 */
/* What people change, and what failed. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "page_fixture.h"

#define T 1700000000000

static struct page_fixture fixture;

static void setup(void)
{
    page_fixture_start(&fixture, 1);
}

static void teardown(void)
{
    page_fixture_stop(&fixture);
}

TestSuite(changes, .init = setup, .fini = teardown, .timeout = 60);

static const char *change(const char *id, const char *word, unsigned *ret_status)
{
    static char text[512];
    AUTO_FREE char *path = xasprintf("/api/runs/%s%s", id, word);
    AUTO_FREE char *body = page_fixture_ask(&fixture, page_change_run, &(struct asked){ .path = path, .body = "{}" }, ret_status);

    (void)snprintf(text, sizeof(text), "%s", body);
    return text;
}

static const char *answer(page_answer answerer, const char *body, unsigned *ret_status)
{
    static char text[4096];
    AUTO_FREE char *said = page_fixture_ask(&fixture, answerer, &(struct asked){ .path = "/api/retry", .body = body }, ret_status);

    (void)snprintf(text, sizeof(text), "%s", said);
    return text;
}

static const char *count_of(const char *list)
{
    return redis_says(fixture.redis.store, "ZCARD t{0}:%s", list);
}

Test(changes, a_failed_run_is_retried_once)
{
    char id[RUN_ID_LENGTH + 1];
    unsigned status;

    strcpy(id, page_fixture_run(&fixture, 1, "f", T, 0, FATE_FAILED, "Broken"));
    cr_assert_str_eq(change(id, "/retry", &status), "{\"changed\":\"retried\"}");
    cr_assert_eq(status, 200);
    cr_assert_str_eq(count_of("dead"), "0");
    cr_assert_str_eq(count_of("delayed"), "1");
    cr_assert_str_eq(change(id, "/retry", &status), "{\"error\":\"only a failed or cancelled run can be retried\"}");
    cr_assert_eq(status, 409);
}

Test(changes, a_waiting_run_is_cancelled_and_one_that_runs_is_asked_to_end)
{
    char id[RUN_ID_LENGTH + 1];
    unsigned status;

    strcpy(id, page_fixture_run(&fixture, 1, "f", T, T * 2, FATE_SLEEPING, NULL));
    cr_assert_str_eq(change(id, "/cancel", &status), "{\"changed\":\"cancelled\"}");
    strcpy(id, page_fixture_run(&fixture, 2, "f", T, 0, FATE_OWNED, NULL));
    cr_assert_str_eq(change(id, "/cancel", &status), "{\"changed\":\"asked\"}");
    strcpy(id, page_fixture_run(&fixture, 3, "f", T, 0, FATE_COMPLETED, NULL));
    (void)change(id, "/cancel", &status);
    cr_assert_eq(status, 409);
}

Test(changes, what_is_no_run_and_no_change_is_not_found)
{
    static const char *const ids[] = { "00000000000000000000000000000000", "", "x", "../x", "0000000000000000000000000000000g" };
    unsigned status;

    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        (void)change(ids[i], "/retry", &status);
        cr_expect_eq(status, 404, "%s", ids[i]);
    }
    (void)change(ids[0], "/explode", &status);
    cr_expect_eq(status, 404);
}

static void make_failed(int first, int count, const char *function, const char *error)
{
    for (int i = 0; i < count; i++)
        (void)page_fixture_run(&fixture, first + i, function, T + first + i, 0, FATE_FAILED, error);
}

Test(changes, all_of_a_function_or_of_an_error_are_retried)
{
    unsigned status;

    make_failed(0, 3, "f", "Broken");
    make_failed(10, 4, "g", "Broken");
    make_failed(20, 2, "g", "Gone");
    cr_assert_str_eq(answer(page_retry_all, "{\"function\":\"f\"}", &status), "{\"retried\":3,\"before_ms\":null}");
    cr_assert_str_eq(answer(page_retry_all, "{\"function\":\"g\",\"error\":\"Gone\"}", &status), "{\"retried\":2,\"before_ms\":null}");
    cr_assert_str_eq(count_of("dead"), "4");
    cr_assert_str_eq(answer(page_retry_all, "{}", &status), "{\"retried\":4,\"before_ms\":null}");
    cr_assert_str_eq(count_of("dead"), "0");
    cr_assert_str_eq(answer(page_retry_all, "[]", &status), "{\"error\":\"the body is to be a JSON object\"}");
    cr_assert_eq(status, 400);
}

static char *list_of(const char *word, char (*ids)[RUN_ID_LENGTH + 1], size_t count)
{
    char *list = xstrdup("");

    for (size_t i = 0; i < count; i++) {
        AUTO_FREE char *before = list;
        list = xasprintf("%s%s\"%s\"", before, i > 0 ? "," : "", ids[i]);
    }
    AUTO_FREE char *ids_text = list;
    return xasprintf("{\"do\":\"%s\",\"ids\":[%s]}", word, ids_text);
}

Test(changes, many_chosen_are_changed_in_one_request)
{
    char ids[4][RUN_ID_LENGTH + 1] = { { 0 } };
    unsigned status;

    strcpy(ids[0], page_fixture_run(&fixture, 1, "f", T, 0, FATE_FAILED, "Broken"));
    strcpy(ids[1], page_fixture_run(&fixture, 2, "f", T, 0, FATE_FAILED, "Broken"));
    strcpy(ids[2], page_fixture_run(&fixture, 3, "f", T, T * 2, FATE_SLEEPING, NULL));
    strcpy(ids[3], page_fixture_run(&fixture, 4, "f", T, 0, FATE_OWNED, NULL));
    AUTO_FREE char *retry = list_of("retry", ids, 3);
    cr_assert_str_eq(answer(page_change_many, retry, &status), "{\"changed\":2,\"asked\":0}");
    cr_assert_eq(status, 200);
    cr_assert_str_eq(count_of("dead"), "0");
    AUTO_FREE char *cancel = list_of("cancel", ids, 4);
    cr_assert_str_eq(answer(page_change_many, cancel, &status), "{\"changed\":3,\"asked\":1}");
    cr_assert_str_eq(count_of("delayed"), "0");
}

Test(changes, what_is_no_list_of_runs_changes_none)
{
    static const char *const bodies[] = { "{}",
                                          "{\"do\":\"retry\"}",
                                          "{\"do\":\"explode\",\"ids\":[]}",
                                          "{\"do\":\"retry\",\"ids\":\"all\"}",
                                          "{\"do\":\"retry\",\"ids\":[7]}",
                                          "{\"do\":\"cancel\",\"ids\":[\"0000000000000000000000000000000g\"]}" };
    unsigned status;

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        (void)answer(page_change_many, bodies[i], &status);
        cr_expect_eq(status, 400, "%s", bodies[i]);
    }
}

Test(changes, a_place_that_no_answer_had_is_refused)
{
    static const char *const places[] = { "9223372036854775808", "-1", "\"now\"", "null" };
    unsigned status;

    make_failed(0, 1, "f", "Broken");
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        AUTO_FREE char *body = xasprintf("{\"before_ms\":%s}", places[i]);
        cr_expect_str_eq(answer(page_retry_all, body, &status), "{\"error\":\"'before_ms' is to be the one that the last answer had\"}");
        cr_expect_eq(status, 400);
    }
    cr_assert_str_eq(count_of("dead"), "1");
}

Test(changes, many_are_retried_in_several_requests)
{
    unsigned status;
    long retried = 0;

    make_failed(0, 603, "f", "Broken");
    AUTO_FREE char *body = xstrdup("{}");
    for (int asked = 0; body != NULL; asked++) {
        cr_assert_lt(asked, 10, "it never ends");
        const char *said = answer(page_retry_all, body, &status);
        retried += strtol(strchr(said, ':') + 1, NULL, 10);
        const char *before = strstr(said, "\"before_ms\":");
        free(body);
        body = strstr(before, "null") == NULL ? xasprintf("{%s", before) : NULL;
    }
    cr_assert_eq(retried, 603);
    cr_assert_str_eq(count_of("dead"), "0");
}

Test(changes, what_failed_is_grouped)
{
    make_failed(0, 3, "f", "Broken");
    make_failed(10, 1, "g", "Broken");
    make_failed(20, 5, "g", "<b>Gone</b>");
    AUTO_FREE char *body = page_fixture_ask(&fixture, page_failed, &(struct asked){ .path = "/api/failed" }, NULL);

    const char *gone = strstr(body, "{\"error\":\"<b>Gone</b>\",\"function\":\"g\",\"message\":\"why it failed\"");
    const char *broken = strstr(body, "{\"error\":\"Broken\",\"function\":\"f\"");
    cr_assert(gone != NULL && broken != NULL && gone < broken, "the most first: %s", body);
    cr_assert_not_null(strstr(gone, "\"count\":5}"));
    cr_assert_not_null(strstr(body, "\"looked\":9,\"is_all\":true}"), "%s", body);
}
