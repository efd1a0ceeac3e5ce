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
    cr_assert_eq(create(STEPS("") ",\"triggers\":[{\"event\":\"a\"},{\"event\":\"b/*\",\"expression\":\"event.data.x == 'y'\"}]"), 0, "%s", error);
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
    refused(STEPS("") ",\"triggers\":[{\"event\":\"a\",\"expression\":\"event.data.n > 1\"}]", "event.data.n > 1");
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
        "", "{", "[]", "{}", "{\"appName\":\"\"}", "{\"appName\":\"a\"}", "{\"appName\":\"a\",\"functions\":{}}",
        "{\"appName\":\"a\",\"functions\":[5]}", "{\"appName\":\"a\",\"functions\":[{\"id\":\"no blanks\"}]}",
    };

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        cr_assert_eq(app_create((struct bytes){ bodies[i], strlen(bodies[i]) }, &app, &error), -EINVAL, "%s", bodies[i]);
        cr_assert_not_null(error);
        free(error);
        error = NULL;
    }
}
