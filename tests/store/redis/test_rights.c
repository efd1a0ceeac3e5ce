/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/rights.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "redis_fixture.h"
#include "store/health.h"
#include "store/redis/script.h"

#define URL_SIZE 160

static struct redis_fixture fixture;

static void start(void)
{
    redis_fixture_start(&fixture);
}

static void stop(void)
{
    redis_fixture_stop(&fixture);
}

TestSuite(rights, .init = start, .fini = stop, .timeout = 60);

/* The fixture's URL with the user `app` in it. */
static const char *url_of_app(char ret_url[URL_SIZE])
{
    (void)snprintf(ret_url, URL_SIZE, "unix://app:secret@%s", fixture.socket);
    return ret_url;
}

/* What `app` lacks once it has `rules`; the caller frees. */
static char *missing_with(const char *rules)
{
    struct store_settings settings = redis_fixture_settings(&fixture);
    struct redis_store *store = redis_fixture_open(&fixture);
    char url[URL_SIZE];
    char words[400];

    (void)snprintf(words, sizeof(words), "ACL SETUSER app reset on >secret %s", rules);
    cr_assert_str_eq(redis_says(store, "%s", words), "OK");
    settings.url = url_of_app(url);
    return store_rights_missing(&settings);
}

static void expect_missing(const char *rules, const char *expected)
{
    AUTO_FREE char *missing = missing_with(rules);

    cr_expect_str_eq(missing, expected, "%s: lacks '%s'", rules, missing);
}

Test(rights, nothing_is_missing_where_all_is_allowed)
{
    expect_missing("allkeys allcommands", "");
}

Test(rights, each_command_and_the_keys_that_are_missing_are_named)
{
    expect_missing("~t{* allcommands -hset -client|kill -zrange", "+client|kill +hset +zrange");
    expect_missing("~other* allcommands", "~t{*");
}

Test(rights, nothing_is_said_where_redis_does_not_say)
{
    expect_missing("~t{* allcommands -hset -multi", "");
}

Test(rights, a_store_does_not_start_without_them_and_says_what_gives_them)
{
    struct store_settings settings = redis_fixture_settings(&fixture);
    struct error error = { 0 };
    char url[URL_SIZE];

    free(missing_with("~t{* allcommands -info -hset"));
    settings.url = url_of_app(url);
    struct redis_store *store = store_create(&settings);
    cr_assert_eq(store_start(store, &error), -EACCES);
    cr_assert_str_eq(error.text, "Redis's access rules lack what stepd needs: ACL SETUSER app +hset +info");
    store_destroy(store);
}

/* NAME of each call('NAME' and read('NAME'. */
static void check_calls(const char *script, const char *text)
{
    static const char *const OPENINGS[] = { "call('", "read('" };

    for (size_t i = 0; i < 2; i++) {
        for (const char *at = text; (at = strstr(at, OPENINGS[i])) != NULL;) {
            char command[32] = "";
            at += strlen(OPENINGS[i]);
            (void)snprintf(command, sizeof(command), "%.*s", (int)strcspn(at, "'"), at);
            cr_expect(rights_know(command), "%s.lua calls %s: add it to RIGHTS of rights.c, and to docs/security.md", script, command);
        }
    }
}

Test(rights, each_command_of_a_script_is_asked_for)
{
    for (int script = 0; script < SCRIPT_COUNT; script++) {
        char *text = script_text(script);
        check_calls(script_name(script), text);
        free(text);
    }
}
