/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/registry.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "run/routes.h"
#include "sdk/app.h"
#include "sdk/calls.h"

/* A shelf in memory. */
struct memory {
    char *names[10];
    char *things[10];
    size_t count;
    int error;
};

static struct memory apps, gone;
static struct routes *routes;
static const struct calls_settings calls = { 0 };

static int save(void *context, const char *name, struct bytes thing)
{
    struct memory *memory = context;
    size_t at = 0;

    if (memory->error != 0)
        return memory->error;
    while (at < memory->count && strcmp(memory->names[at], name) != 0)
        at++;
    if (at == memory->count)
        memory->names[memory->count++] = xstrdup(name);
    free(memory->things[at]);
    memory->things[at] = xstrndup(thing.data, thing.size);
    return 0;
}

static int load(void *context, void (*each)(void *each_context, const char *name, struct bytes thing), void *each_context)
{
    const struct memory *memory = context;

    for (size_t i = 0; i < memory->count; i++)
        each(each_context, memory->names[i], (struct bytes){ memory->things[i], strlen(memory->things[i]) });
    return memory->error;
}

static char *find_holder(void *context, const char *id)
{
    (void)context;
    return strcmp(id, "resize") == 0 ? xstrdup("program media") : NULL;
}

static struct registry *create(void)
{
    const struct inngest_settings settings = {
        .routes = routes, .shelf = { save, load, &apps }, .gone = { save, load, &gone }, .find_holder = find_holder
    };

    return registry_create(&settings, &calls);
}

static struct registry *registry;

static void setup(void)
{
    routes = routes_create(NULL, 0);
    registry = create();
}

static void teardown(void)
{
    registry_destroy(registry);
    routes_destroy(routes);
}

TestSuite(registry, .init = setup, .fini = teardown);

static char *function_text(const char *id)
{
    return xasprintf("{\"id\":\"%s\",\"triggers\":[{\"event\":\"%s\"}],"
                     "\"steps\":{\"step\":{\"runtime\":{\"url\":\"http://a/?fnId=f&stepId=step\"}}}}",
                     id, id);
}

/* An app with one function or two. */
static int put(const char *app, const char *first, const char *second, bool *ret_is_new)
{
    AUTO_FREE char *one = function_text(first);
    AUTO_FREE char *two = second != NULL ? function_text(second) : NULL;
    AUTO_FREE char *body =
        xasprintf("{\"appName\":\"%s\",\"functions\":[%s%s%s]}", app, one, two != NULL ? "," : "", two != NULL ? two : "");
    AUTO_FREE char *error = NULL;

    return registry_register(registry, (struct bytes){ body, strlen(body) }, ret_is_new, &error);
}

static bool is_routed(const char *event)
{
    return routes_match(routes, "events", event, NULL, 0) == 1;
}

static const struct sdk_function *find(const char *id)
{
    const struct function *function = registry_find(registry, id);

    return function != NULL ? function->options : NULL;
}

Test(registry, routes_events_to_what_is_registered)
{
    bool is_new;

    cr_assert_eq(put("shop", "a", NULL, &is_new), 0);
    cr_assert(is_new);
    cr_assert(is_routed("a"));
    cr_assert_eq(find("a")->settings, &calls);
    cr_assert_null(find("b"));
    cr_assert_eq(put("shop", "a", NULL, &is_new), 0);
    cr_assert_not(is_new);
}

Test(registry, keeps_nothing_that_is_not_durable)
{
    bool is_new;

    apps.error = -EAGAIN;
    cr_assert_eq(put("shop", "a", NULL, &is_new), -EAGAIN);
    cr_assert_not(is_routed("a"));
    cr_assert_null(find("a"));
}

Test(registry, gives_an_id_to_one_app_alone)
{
    bool is_new;

    cr_assert_eq(put("shop", "a", NULL, &is_new), 0);
    cr_assert_eq(put("other", "a", NULL, &is_new), -EINVAL);
    cr_assert_eq(put("other", "b", NULL, &is_new), 0);
}

Test(registry, takes_no_function_that_a_program_has_and_names_it)
{
    AUTO_FREE char *one = function_text("resize");
    AUTO_FREE char *body = xasprintf("{\"appName\":\"shop\",\"functions\":[%s]}", one);
    AUTO_FREE char *why = NULL;
    bool is_new;

    cr_assert_eq(registry_register(registry, (struct bytes){ body, strlen(body) }, &is_new, &why), -EINVAL);
    cr_assert_str_eq(why, "function 'resize' has the id of another function: program media");
    cr_assert_null(find("resize"));
}

Test(registry, knows_a_function_that_went_away_but_routes_nothing_to_it)
{
    bool is_new;

    cr_assert_eq(put("shop", "a", "b", &is_new), 0);
    cr_assert_eq(put("shop", "a", NULL, &is_new), 0);
    cr_assert_not(is_routed("b"));
    cr_assert(find("b")->is_gone);
    cr_assert_not(find("a")->is_gone);
}

Test(registry, of_another_daemon_learns_all_from_the_shelves)
{
    bool is_new;

    cr_assert_eq(put("shop", "a", "b", &is_new), 0);
    cr_assert_eq(put("shop", "a", NULL, &is_new), 0);
    registry_destroy(registry);
    registry = create();
    cr_assert_null(find("a"));
    cr_assert_eq(registry_refresh(registry), 0);
    cr_assert(is_routed("a"));
    cr_assert(find("b")->is_gone);
}

Test(registry, has_a_function_again_whose_app_came_back_to_it)
{
    bool is_new;

    cr_assert_eq(put("shop", "a", "b", &is_new), 0);
    cr_assert_eq(put("shop", "a", NULL, &is_new), 0);
    cr_assert_eq(put("shop", "a", "b", &is_new), 0);
    cr_assert_not(find("b")->is_gone);
    cr_assert(is_routed("b"));
    registry_destroy(registry);
    registry = create();
    cr_assert_eq(registry_refresh(registry), 0);
    cr_assert_not(find("b")->is_gone);
}

Test(registry, takes_from_the_shelf_what_is_no_longer_in_the_way_of_another)
{
    static const char shelved[] = "{\"appName\":\"other\",\"functions\":[{\"id\":\"a\",\"triggers\":[{\"event\":\"theirs\"}],"
                                  "\"steps\":{\"step\":{\"runtime\":{\"url\":\"http://b/?fnId=a&stepId=step\"}}}}]}";
    bool is_new;

    cr_assert_eq(put("shop", "a", NULL, &is_new), 0);
    cr_assert_eq(save(&apps, "other", (struct bytes){ shelved, strlen(shelved) }), 0);
    for (int second = 0; second < 3; second++)
        cr_assert_eq(registry_refresh(registry), 0);
    cr_assert_not(is_routed("theirs"));
    cr_assert_eq(put("shop", "b", NULL, &is_new), 0);
    cr_assert_eq(registry_refresh(registry), 0);
    cr_assert(is_routed("theirs"));
    cr_assert(is_routed("b"));
}

Test(registry, of_what_is_refused_on_the_shelf_nothing_is_in_force)
{
    static const char shelved[] = "no JSON";

    cr_assert_eq(save(&apps, "broken", (struct bytes){ shelved, strlen(shelved) }), 0);
    for (int second = 0; second < 3; second++)
        cr_assert_eq(registry_refresh(registry), 0);
    cr_assert_null(find("a"));
}
