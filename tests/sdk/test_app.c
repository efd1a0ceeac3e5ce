/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/app.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STEPS(retries) "\"steps\":{\"step\":{\"runtime\":{\"type\":\"http\",\"url\":\"http://a/api?fnId=f&stepId=step\"}" retries "}}"
#define TRIGGER "\"triggers\":[{\"event\":\"made\"}]"

static struct app *app;
static char *error;

static void teardown(void)
{
    app_destroy(app);
    free(error);
}

TestSuite(app, .fini = teardown);

/* Of an app with one function: `members` beside its id. */
static int create(const char *members)
{
    AUTO_FREE char *body = xasprintf("{\"appName\":\"shop\",\"functions\":[{\"id\":\"shop-f\",%s}]}", members);

    return app_create((struct bytes){ body, strlen(body) }, &app, &error);
}

static const struct function *created(const char *members)
{
    cr_assert_eq(create(members), 0, "%s", error);
    cr_assert_eq(app->count, 1);
    return &app->functions[0]->base;
}

static void refused(const char *members, const char *feature)
{
    cr_assert_eq(create(members), -EINVAL, "%s", members);
    cr_assert(strstr(error, "function 'shop-f'") != NULL, "%s", error);
    cr_assert(strstr(error, feature) != NULL, "%s", error);
    free(error);
    error = NULL;
}

Test(app, is_its_functions_as_the_daemon_runs_them)
{
    const struct function *function = created(STEPS(",\"retries\":{\"attempts\":7}") "," TRIGGER);

    cr_assert_str_eq(app->name, "shop");
    cr_assert_str_eq(function->id, "shop-f");
    cr_assert_str_eq(function->event, "made");
    cr_assert_eq(function->retries, 7);
    cr_assert_eq(function->concurrency, 0);
    cr_assert_eq(function->dedupe_ms, 0);
    cr_assert_str_eq(app->functions[0]->url, "http://a/api?fnId=f&stepId=");
    cr_assert_eq(function->options, app->functions[0]);
}

Test(app, that_says_nothing_of_retries_has_four)
{
    cr_assert_eq(created(STEPS("") "," TRIGGER)->retries, 4);
}

Test(app, has_a_function_for_each_trigger)
{
    cr_assert_eq(create(STEPS("") ",\"triggers\":[{\"event\":\"a\"},{\"event\":\"b/*\",\"expression\":\"event.data.x == 'y'\"}]"), 0, "%s",
                 error);
    cr_assert_eq(app->count, 2);
    cr_assert_str_eq(app->functions[1]->id, "shop-f:2");
    cr_assert_str_eq(app->functions[1]->slug, "shop-f");
    cr_assert_str_eq(app->functions[1]->event, "b/*");
    cr_assert_str_eq(app->functions[1]->expression, "event.data.x == 'y'");
}

Test(app, may_ask_for_concurrency_as_a_number_and_for_idempotency_by_the_event_s_id)
{
    const struct function *function =
        created(STEPS("") "," TRIGGER ",\"concurrency\":[{\"limit\":3}],\"idempotency\":\"event.id\",\"name\":\"F\"");

    cr_assert_eq(function->concurrency, 3);
    cr_assert_eq(function->dedupe_ms, INT64_C(24) * 3600000);
}

Test(app, is_refused_what_stepd_does_not_have)
{
    static const char *const features[] = {
        "throttle", "rateLimit", "debounce", "batchEvents", "priority", "cancel", "singleton", "timeouts",
    };

    for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
        AUTO_FREE char *members = xasprintf(STEPS("") "," TRIGGER ",\"%s\":{\"limit\":1}", features[i]);
        refused(members, features[i]);
    }
    refused(STEPS("") ",\"triggers\":[{\"cron\":\"* * * * *\"}]", "cron");
    refused(STEPS("") ",\"triggers\":[]", "no trigger");
    refused(STEPS("") ",\"triggers\":[{\"event\":\"a\",\"expression\":\"event.data.n >\"}]", "1:15: syntax");
    refused(STEPS("") "," TRIGGER ",\"concurrency\":[{\"limit\":1,\"key\":\"event.data.x\"}]", "concurrency");
    refused(STEPS("") "," TRIGGER ",\"concurrency\":[{\"limit\":1},{\"limit\":2}]", "concurrency");
    refused(STEPS("") "," TRIGGER ",\"idempotency\":\"event.data.x\"", "idempotency");
    refused(STEPS(",\"retries\":{\"attempts\":1001}") "," TRIGGER, "1001 retries");
    refused(TRIGGER, "HTTP address");
}

Test(app, may_name_a_feature_it_does_not_use)
{
    (void)created(STEPS("") "," TRIGGER ",\"throttle\":null,\"cancel\":null");
}

Test(app, of_no_sense_is_refused_whatever_it_is)
{
    static const char *const bodies[] = {
        "",
        "{",
        "[]",
        "{}",
        "{\"appName\":\"\"}",
        "{\"appName\":\"a\"}",
        "{\"appName\":\"a\",\"functions\":{}}",
        "{\"appName\":\"a\",\"functions\":[5]}",
        "{\"appName\":\"a\",\"functions\":[{\"id\":\"no steps\"}]}",
    };

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        cr_assert_eq(app_create((struct bytes){ bodies[i], strlen(bodies[i]) }, &app, &error), -EINVAL, "%s", bodies[i]);
        cr_assert_not_null(error);
        free(error);
        error = NULL;
    }
}

/* ---- as Go's SDK registers ------------------------------------------------------------------------- */

#define GO_STEPS(retries) \
    "\"steps\":{\"step\":{\"id\":\"step\",\"name\":\"f\",\"runtime\":{\"url\":\"http://a/api?fnId=f&step=step\"},\"retries\":" retries "}" \
    "}"

Test(app, of_go_s_sdk_is_taken_with_its_retries_and_address)
{
    const struct function *function = created("\"retries\":10,\"Singleton\":null," GO_STEPS("{\"attempts\":10}") "," TRIGGER);

    cr_assert_eq(function->retries, 10);
    cr_assert_str_eq(app->functions[0]->url, "http://a/api?fnId=f&step=step&stepId=");
}

Test(app, may_say_its_retries_at_the_function_alone_or_as_a_whole_float)
{
    cr_assert_eq(created("\"retries\":2," GO_STEPS("null") "," TRIGGER)->retries, 2);
    app_destroy(app);
    cr_assert_eq(created("\"retries\":null," GO_STEPS("null") "," TRIGGER)->retries, 4);
    app_destroy(app);
    cr_assert_eq(created(STEPS(",\"retries\":{\"attempts\":3.0}") "," TRIGGER)->retries, 3);
}

Test(app, with_retries_that_are_no_number_is_refused)
{
    refused(STEPS(",\"retries\":{\"attempts\":2.5}") "," TRIGGER, "retries");
    refused(STEPS(",\"retries\":{\"attempts\":\"three\"}") "," TRIGGER, "retries");
    refused("\"retries\":-1," GO_STEPS("null") "," TRIGGER, "retries");
}

Test(app, that_asks_for_nothing_under_whatever_name_is_taken)
{
    const char *const nothing[] = { "null", "false", "\"\"", "[]", "{}" };
    const char *const names[] = { "throttle", "Singleton", "cancel", "batchEvents", "idempotency", "concurrency", "of tomorrow" };

    for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
        for (size_t j = 0; j < sizeof(names) / sizeof(names[0]); j++) {
            AUTO_FREE char *members = xasprintf("\"%s\":%s," STEPS("") "," TRIGGER, names[j], nothing[i]);
            (void)created(members);
            app_destroy(app);
            app = NULL;
        }
    }
}

Test(app, may_write_out_what_its_concurrency_and_trigger_mean_anyway)
{
    const struct function *function = created(STEPS("") ",\"concurrency\":[{\"limit\":3,\"key\":null,\"scope\":\"fn\"}],"
                                                        "\"triggers\":[{\"event\":\"made\",\"expression\":\"\",\"cron\":null}]");

    cr_assert_eq(function->concurrency, 3);
    cr_assert_null(app->functions[0]->expression);
    app_destroy(app);
    app = NULL;
    refused(STEPS("") "," TRIGGER ",\"concurrency\":[{\"limit\":3,\"scope\":\"account\"}]", "concurrency");
    refused(STEPS("") "," TRIGGER ",\"concurrency\":[{\"limit\":3,\"key\":\"event.data.x\"}]", "concurrency");
}

/* ---- ids ------------------------------------------------------------------------------------------- */

static int create_named(const char *app_name, const char *id)
{
    AUTO_FREE char *body = xasprintf("{\"appName\":\"%s\",\"functions\":[{\"id\":\"%s\"," STEPS("") "," TRIGGER "}]}", app_name, id);

    return app_create((struct bytes){ body, strlen(body) }, &app, &error);
}

Test(app, and_its_functions_may_have_ids_with_blanks_and_letters_beyond_ascii)
{
    const char *const ids[] = { "My App-Send Email", "\xc3\xbcn\xc3\xaf", "\xe6\x97\xa5\xe6\x9c\xac",
                                "\xf0\x9f\x93\xa7",  "a&b=c?#%25",        "it's" };

    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        cr_assert_eq(create_named(ids[i], ids[i]), 0, "%s", error);
        cr_assert_str_eq(app->name, ids[i]);
        cr_assert_str_eq(app->functions[0]->slug, ids[i]);
        app_destroy(app);
        app = NULL;
    }
}

Test(app, with_an_id_that_is_empty_too_long_or_has_control_characters_is_refused)
{
    char too_long[202] = { 0 };

    memset(too_long, 'a', sizeof(too_long) - 1);
    const char *const ids[] = { "", too_long, "a\\nb", "a\\u007fb" };
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        cr_assert_eq(create_named("shop", ids[i]), -EINVAL, "%s", ids[i]);
        free(error);
        cr_assert_eq(create_named(ids[i], "f"), -EINVAL, "%s", ids[i]);
        free(error);
        error = NULL;
    }
}
