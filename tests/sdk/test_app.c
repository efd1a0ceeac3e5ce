/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/app.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STEPS(retries) "\"steps\":{\"step\":{\"runtime\":{\"type\":\"http\",\"url\":\"http://a/api?fnId=f&stepId=step\"}" retries "}}"
#define GO_STEPS(retries) \
    "\"steps\":{\"step\":{\"id\":\"step\",\"name\":\"f\",\"runtime\":{\"url\":\"http://a/api?fnId=f&step=step\"},\"retries\":" retries "}" \
    "}"
#define TRIGGER "\"triggers\":[{\"event\":\"made\"}]"

static struct app *app;
static char *error;
static struct config *config; /* that the app points into */

static void teardown(void)
{
    app_destroy(app);
    config_destroy(config);
    free(error);
}

TestSuite(app, .fini = teardown);

/* Of an app with one function: `members` beside its id. */
static int create(const char *members)
{
    AUTO_FREE char *body = xasprintf("{\"appName\":\"shop\",\"functions\":[{\"id\":\"shop-f\",%s}]}", members);

    return app_create((struct bytes){ body, strlen(body) }, NULL, &app, &error);
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

static bool wants(const char *name)
{
    static const msgpack_object nothing = { .type = MSGPACK_OBJECT_NIL };
    const struct stepd_event event = { .id = "1", .name = name, .topic = "t", .data = &nothing, .user = &nothing };
    const struct function *function = &app->functions[0]->base;

    return function->wants == NULL || function->wants(function, &event);
}

Test(app, has_one_function_for_several_triggers_and_each_expression_is_of_its_own)
{
    const struct function *function =
        created(STEPS("") ",\"triggers\":[{\"event\":\"a\"},{\"event\":\"b/*\",\"expression\":\"event.name == 'b/y'\"},"
                          "{\"cron\":\"0 9 * * 1-5\"}]");

    cr_assert_str_eq(function->id, "shop-f");
    cr_assert_eq(function->events.count, 2);
    cr_assert_str_eq(function->events.items[1], "b/*");
    cr_assert_eq(function->flow->given.cron.count, 1);
    cr_assert(wants("a"));
    cr_assert(wants("b/y"));
    cr_assert_not(wants("b/x"));
}

Test(app, knows_the_ids_that_its_function_had_when_each_trigger_was_one)
{
    const struct function *function = created(STEPS("") ",\"triggers\":[{\"event\":\"a\"},{\"event\":\"b\"},{\"event\":\"c\"}]");

    cr_assert_eq(function->older_ids.count, 2);
    cr_assert_str_eq(function->older_ids.items[0], "shop-f:2");
    cr_assert_str_eq(function->older_ids.items[1], "shop-f:3");
}

Test(app, may_ask_for_concurrency_as_a_number_and_for_idempotency_by_the_event_s_id)
{
    const struct function *function =
        created(STEPS("") "," TRIGGER ",\"concurrency\":[{\"limit\":3}],\"idempotency\":\"event.id\",\"name\":\"F\"");

    cr_assert_eq(function->concurrency, 3);
    cr_assert_eq(function->dedupe_ms, INT64_C(24) * 3600000);
}

/* As TypeScript's SDK 4.24.0 and Python's 0.5.19 send them. */
Test(app, may_ask_for_flow_control_as_the_sdks_do)
{
    const struct stepd_function *given =
        &created(STEPS("") "," TRIGGER ",\"rateLimit\":{\"limit\":2,\"period\":\"10s\",\"key\":\"event.data.k\"},"
                           "\"throttle\":{\"key\":\"event.data.k\",\"limit\":1,\"period\":\"2s\",\"burst\":3},"
                           "\"concurrency\":[{\"limit\":2},{\"key\":\"event.data.u\",\"limit\":1,\"scope\":\"env\"}],"
                           "\"priority\":{\"run\":\"event.data.vip ? 120 : 0\"},\"singleton\":{\"mode\":\"skip\",\"key\":\"event.data.k\"},"
                           "\"idempotency\":\"event.data.cart\"")
             ->flow->given;

    cr_assert_eq(given->rate_limit.limit, 2);
    cr_assert_eq(given->rate_limit.period_ms, 10000);
    cr_assert_str_eq(given->rate_limit.key, "event.data.k");
    cr_assert_eq(given->throttle.burst, 3);
    cr_assert_eq(given->throttle.period_ms, 2000);
    cr_assert_eq(given->concurrency_limits.count, 2);
    cr_assert_str_eq(given->concurrency_limits.items[1].scope, "inngest/env");
    cr_assert_str_eq(given->priority, "event.data.vip ? 120 : 0");
    cr_assert_eq(given->singleton.mode, STEPD_SINGLETON_SKIP);
    cr_assert_str_eq(given->dedupe_key, "event.data.cart");
    cr_assert_eq(given->dedupe_ms, INT64_C(24) * 3600000);
}

Test(app, may_write_its_concurrency_as_go_s_sdk_does_and_its_periods_with_parts)
{
    const struct stepd_function *given =
        &created("\"concurrency\":{\"step\":[{\"limit\":5,\"key\":\"event.data.u\",\"scope\":\"fn\",\"hash\":\"x\"}]},"
                 "\"throttle\":{\"limit\":0,\"period\":\"1m30s\",\"burst\":0},\"Singleton\":{\"key\":\"event.data.k\",\"mode\":\"skip\"}"
                 "," GO_STEPS("null") "," TRIGGER)
             ->flow->given;

    cr_assert_eq(given->concurrency_limits.count, 1);
    cr_assert_eq(given->throttle.limit, 1);
    cr_assert_eq(given->throttle.period_ms, 90000);
    cr_assert_str_eq(given->singleton.key, "event.data.k");
}

/* What Inngest's server refuses, which says only that a function is invalid. */
Test(app, is_refused_what_inngest_s_server_refuses)
{
    static const struct {
        const char *members, *reason;
    } wrong[] = {
        { "\"throttle\":{\"limit\":1}", "throttle" },
        { "\"throttle\":{\"limit\":1,\"period\":\"soon\"}", "throttle.period" },
        { "\"rateLimit\":{\"limit\":0,\"period\":\"1s\"}", "rateLimit.limit" },
        { "\"rateLimit\":{\"limit\":1,\"period\":\"25h\"}", "rateLimit.period" },
        { "\"rateLimit\":{\"limit\":1,\"period\":\"1s\",\"key\":\"\"}", "rateLimit.key" },
        { "\"rateLimit\":{\"limit\":1,\"period\":\"1s\",\"key\":\"event.data.n >\"}", "rateLimit" },
        { "\"debounce\":{\"period\":\"500ms\"}", "debounce.period" },
        { "\"debounce\":{\"period\":\"8d\"}", "debounce.period" },
        { "\"batchEvents\":{\"maxSize\":1,\"timeout\":\"2s\"}", "batchEvents.maxSize" },
        { "\"batchEvents\":{\"maxSize\":2}", "batchEvents" },
        { "\"batchEvents\":{\"maxSize\":2,\"timeout\":\"1d\"}", "batchEvents.timeout" },
        { "\"batchEvents\":{\"maxSize\":2,\"timeout\":\"2s\"},\"debounce\":{\"period\":\"2s\"}", "batchEvents and debounce" },
        { "\"batchEvents\":{\"maxSize\":2,\"timeout\":\"2s\"},\"singleton\":{\"mode\":\"skip\"}", "batchEvents and singleton" },
        { "\"batchEvents\":{\"maxSize\":2,\"timeout\":\"2s\"},\"priority\":{\"run\":\"1\"}", "batchEvents and priority" },
        { "\"batchEvents\":{\"maxSize\":2,\"timeout\":\"2s\"},\"cancel\":[{\"event\":\"x\"}]", "batchEvents and cancel" },
        { "\"concurrency\":[{\"limit\":1},{\"limit\":2},{\"limit\":3}]", "3 concurrency limits" },
        { "\"concurrency\":[{\"limit\":1,\"scope\":\"env\"}]", "without a key" },
        { "\"concurrency\":{\"fn\":[{\"limit\":1}]}", "concurrency.fn" },
        { "\"singleton\":{\"mode\":\"once\"}", "singleton.mode" },
        { "\"priority\":{\"run\":\"event.data.p +\"}", "priority" },
        { "\"cancel\":[{\"event\":\"a\"},{\"event\":\"a\"},{\"event\":\"a\"},{\"event\":\"a\"},{\"event\":\"a\"},{\"event\":\"a\"}]",
          "6 events that cancel it" },
        { "\"throttle\":{\"limit\":1,\"period\":\"1s\",\"colour\":\"red\"}", "throttle.colour" },
        { "\"idempotency\":\"event.data.x ==\"", "idempotency" },
        { "\"middleware\":{\"x\":1}", "middleware" },
    };
    static const char *const triggers[][2] = {
        { "", "no trigger" },
        { "{\"event\":\"a\",\"expression\":\"event.data.n >\"}", "1:15: syntax" },
        { "{\"event\":\"\"}", "neither an event nor a cron" },
        { "{\"event\":\"a\"},{\"event\":\"a\"}", "twice" },
        { "{\"cron\":\"* * * * * *\"}", "cron" },
        { "{\"cron\":\"@daily\"}", "five fields" },
        { "{\"cron\":\"0 0 * * 7\"}", "weekdays" },
        { "{\"cron\":\"TZ=Nowhere/There 0 0 * * 1\"}", "zone" },
        { "{\"cron\":\"0 0 * * 1\",\"event\":\"a\"}", "both" },
        { "{\"event\":\"1\"},{\"event\":\"2\"},{\"event\":\"3\"},{\"event\":\"4\"},{\"event\":\"5\"},{\"event\":\"6\"},{\"event\":\"7\"},"
          "{\"event\":\"8\"},{\"event\":\"9\"},{\"event\":\"10\"},{\"event\":\"11\"}",
          "11 triggers" },
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        AUTO_FREE char *members = xasprintf(STEPS("") "," TRIGGER ",%s", wrong[i].members);
        refused(members, wrong[i].reason);
    }
    for (size_t i = 0; i < sizeof(triggers) / sizeof(triggers[0]); i++) {
        AUTO_FREE char *members = xasprintf(STEPS("") ",\"triggers\":[%s]", triggers[i][0]);
        refused(members, triggers[i][1]);
    }
    refused(STEPS(",\"retries\":{\"attempts\":1001}") "," TRIGGER, "1001 retries");
    refused(TRIGGER, "HTTP address");
}

/* ---- with a config --------------------------------------------------------------------------------- */

static void set_config(const char *functions)
{
    AUTO_FREE char *text = xasprintf("topics: [t]\nkafka: {bootstrap.servers: a, group.id: g}\nredis: {url: \"redis://a\"}\nmodules: []\n"
                                     "inngest: {topic: t}\nfunctions:\n  %s\n",
                                     functions);
    const char *const texts[] = { text };
    struct config_faults faults = { 0 };

    cr_assert_eq(config_parse("test", texts, 1, &config, &faults), 0, "%s", faults.count > 0 ? faults.items[0].text : "");
}

static int create_with(const char *functions, const char *members)
{
    AUTO_FREE char *body = xasprintf("{\"appName\":\"shop\",\"functions\":[{\"id\":\"shop-f\",%s}]}", members);

    set_config(functions);
    return app_create((struct bytes){ body, strlen(body) }, config, &app, &error);
}

Test(app, has_the_settings_that_the_config_gives_its_functions)
{
    cr_assert_eq(
        create_with("shop-f: {breaker: {failures: 3, window: 1m, pause: 5s}, retries: 9, throttle: null, on_error: [{error: Down}]}",
                    STEPS("") "," TRIGGER ",\"throttle\":{\"limit\":1,\"period\":\"1s\"}"),
        0, "%s", error);
    const struct function *function = &app->functions[0]->base;
    cr_assert_eq(function->flow->given.breaker.failures, 3);
    cr_assert_eq(function->flow->given.throttle.limit, 0);
    cr_assert_eq(function->flow->given.on_error.count, 1);
    cr_assert_eq(function->flow->given.on_error.items[0].retries, 9);
    cr_assert_eq(function->retries, 9);
}

Test(app, is_refused_where_the_config_says_what_is_for_modules_alone)
{
    cr_assert_eq(create_with("shop-f: {ordering: by_key}", STEPS("") "," TRIGGER), -EINVAL);
    cr_assert(strstr(error, "function 'shop-f'") != NULL && strstr(error, "'ordering'") != NULL, "%s", error);
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
        cr_assert_eq(app_create((struct bytes){ bodies[i], strlen(bodies[i]) }, NULL, &app, &error), -EINVAL, "%s", bodies[i]);
        cr_assert_not_null(error);
        free(error);
        error = NULL;
    }
}

/* ---- as Go's SDK registers ------------------------------------------------------------------------- */

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
    cr_assert_null(function->wants);
}

/* ---- ids ------------------------------------------------------------------------------------------- */

static int create_named(const char *app_name, const char *id)
{
    AUTO_FREE char *body = xasprintf("{\"appName\":\"%s\",\"functions\":[{\"id\":\"%s\"," STEPS("") "," TRIGGER "}]}", app_name, id);

    return app_create((struct bytes){ body, strlen(body) }, NULL, &app, &error);
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
