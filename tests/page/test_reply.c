/* SPDX-License-Identifier: Apache-2.0 */
/* Who may read, and who may change something. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "page_fixture.h"

#define TYPE "Content-Type", "application/json"

static struct config config;
static struct page page = { .settings = { .config = &config } };

/* 200, or what it is answered. */
static unsigned judge(const struct asked *asked,
                      bool (*may)(const struct page *page, const struct web_request *request, struct web_reply *reply))
{
    struct web_request request = page_fixture_request(asked);
    struct web_reply reply = { .status = 200 };

    bool is_let = may(&page, &request, &reply);
    cr_assert_eq(is_let, reply.status == 200);
    free(reply.body);
    return reply.status;
}

#define READ(...) judge(&(struct asked){ .headers = { __VA_ARGS__ } }, request_may_read)
#define CHANGE(...) judge(&(struct asked){ .headers = { __VA_ARGS__ } }, request_may_change)

static void with_token(void)
{
    config = (struct config){ .http_token = "open sesame" };
}

static void without_token(void)
{
    config = (struct config){ .http_token = "", .http_without_token = true };
}

TestSuite(reply, .init = with_token);

Test(reply, the_token_lets_change)
{
    cr_assert_eq(CHANGE(TYPE, "Host", "stepd:8288", "Authorization", "Bearer open sesame"), 200);
}

Test(reply, no_token_and_a_wrong_one_do_not)
{
    cr_expect_eq(CHANGE(TYPE, "Host", "stepd:8288"), 401);
    static const char *const wrong[] = { "Bearer open sesamE", "Bearer open sesam", "Bearer open sesame ", "Bearer ",
                                         "bearer open sesame", "open sesame",       "Basic open sesame",   "" };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        cr_expect_eq(CHANGE(TYPE, "Host", "stepd:8288", "Authorization", wrong[i]), 401, "'%s'", wrong[i]);
}

Test(reply, where_no_token_is_set_nobody_changes_anything)
{
    config = (struct config){ .http_token = "" };
    cr_expect_eq(CHANGE(TYPE, "Host", "stepd:8288"), 403);
    cr_expect_eq(CHANGE(TYPE, "Host", "stepd:8288", "Authorization", "Bearer "), 403);
    cr_expect_eq(READ("Host", "stepd:8288"), 200);
}

Test(reply, changes_come_from_the_same_origin)
{
    cr_expect_eq(CHANGE(TYPE, "Host", "stepd:8288", "Authorization", "Bearer open sesame", "Origin", "http://stepd:8288"), 200);
    static const char *const others[] = { "http://evil.example",           "http://stepd:8289", "http://stepd", "null", "", "stepd:8288",
                                          "http://stepd:8288.evil.example" };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        cr_expect_eq(CHANGE(TYPE, "Host", "stepd:8288", "Authorization", "Bearer open sesame", "Origin", others[i]), 403, "'%s'",
                     others[i]);
    cr_expect_eq(CHANGE(TYPE, "Authorization", "Bearer open sesame", "Origin", "http://stepd:8288"), 403, "no host");
    cr_expect_eq(CHANGE(TYPE, "Host", "stepd:8288", "Authorization", "Bearer open sesame", "Sec-Fetch-Site", "cross-site"), 403);
}

Test(reply, what_a_form_can_send_changes_nothing)
{
    without_token();
    static const char *const types[] = { "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "" };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        cr_expect_eq(CHANGE("Content-Type", types[i], "Host", "127.0.0.1:8288"), 415, "'%s'", types[i]);
    cr_expect_eq(CHANGE("Host", "127.0.0.1:8288"), 415);
}

Test(reply, without_a_token_it_is_served_by_address_only)
{
    without_token();
    static const char *const good[] = { "127.0.0.1:8288", "127.0.0.1", "localhost:8288", "localhost", "[::1]:8288", "10.0.0.7:8288" };
    static const char *const bad[] = { "rebound.example:8288", "localhost.evil.example", "127.0.0.1.evil.example:8288", "", "127.0.0.1x" };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        cr_expect_eq(READ("Host", good[i]), 200, "%s", good[i]);
        cr_expect_eq(CHANGE(TYPE, "Host", good[i]), 200, "%s", good[i]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_expect_eq(READ("Host", bad[i]), 403, "%s", bad[i]);
        cr_expect_eq(CHANGE(TYPE, "Host", bad[i]), 403, "%s", bad[i]);
    }
    cr_expect_eq(READ(NULL), 403, "no host");
}

Test(reply, other_sites_do_not_read)
{
    cr_expect_eq(READ("Host", "stepd:8288", "Sec-Fetch-Site", "cross-site"), 403);
    cr_expect_eq(READ("Host", "stepd:8288", "Sec-Fetch-Site", "same-origin"), 200);
    cr_expect_eq(READ("Host", "stepd:8288", "Sec-Fetch-Site", "none"), 200, "typed in");
}

Test(reply, headers_let_no_script_in)
{
    struct web_reply reply = { .status = 200 };
    const char *policy = NULL;

    reply_error(&reply, 400, "%s", "<script>\n\"\\");
    cr_assert_eq(reply.status, 400);
    cr_assert_eq(reply.size, strlen("{\"error\":\"<script>\\n\\\"\\\\\"}"));
    cr_assert_eq(memcmp(reply.body, "{\"error\":\"<script>\\n\\\"\\\\\"}", reply.size), 0, "%.*s", (int)reply.size, reply.body);
    for (const struct web_header *header = reply.headers; header->name != NULL; header++)
        if (strcmp(header->name, "Content-Security-Policy") == 0)
            policy = header->value;
    cr_assert_not_null(policy);
    cr_assert_not_null(strstr(policy, "default-src 'none'; script-src 'self';"));
    cr_assert_null(strstr(policy, "unsafe"));
    free(reply.body);
}
