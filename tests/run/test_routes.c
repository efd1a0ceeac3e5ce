/* SPDX-License-Identifier: Apache-2.0 */
#include "run/routes.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const struct function functions[] = {
    { .id = "any", .event = "*" },
    { .id = "raw", .topic = "clicks" },
    { .id = "user-created", .event = "user/created" },
    { .id = "user-all", .event = "user/*" },
    { .id = "mail", .event = "user/created" },
    { .id = "raw-ordered", .topic = "orders", .ordering = STEPD_BY_KEY },
    { .id = "raw-too", .topic = "clicks" },
};
#define COUNT (sizeof(functions) / sizeof(functions[0]))

static struct routes *routes;

static struct routes *routes_of(const struct function *first, size_t count)
{
    const struct function *list[COUNT];

    for (size_t i = 0; i < count; i++)
        list[i] = &first[i];
    return routes_create(list, count);
}

static void create(void)
{
    routes = routes_of(functions, COUNT);
}

static void destroy(void)
{
    routes_destroy(routes);
}

static void expect(const char *topic, const char *name, const char *wanted)
{
    const struct function *found[COUNT];
    char ids[200] = "";
    size_t count = routes_match(routes, topic, name, found, COUNT);

    for (size_t i = 0; i < count; i++)
        (void)snprintf(ids + strlen(ids), sizeof(ids) - strlen(ids), "%s%s", i > 0 ? " " : "", found[i]->id);
    cr_assert_str_eq(ids, wanted);
}

TestSuite(routes, .init = create, .fini = destroy);

Test(routes, match_by_name_prefix_and_topic_in_order_of_registration)
{
    expect("events", "user/created", "any user-created user-all mail");
    expect("clicks", "user/created", "any raw user-created user-all mail raw-too");
    expect("clicks", "user/deleted", "any raw user-all raw-too");
    expect("events", "user/", "any user-all");
    expect("events", "user", "any");
    expect("orders", "order/placed", "any raw-ordered");
}

Test(routes, start_only_topic_functions_for_what_has_no_name)
{
    expect("clicks", NULL, "raw raw-too");
    expect("events", NULL, "");
}

Test(routes, know_which_names_start_functions_by_event)
{
    cr_assert(routes_take_name(routes, "user/created"));
    cr_assert(routes_take_name(routes, "clicks")); /* "*" takes all */

    routes_destroy(routes);
    routes = routes_of(&functions[1], COUNT - 1);
    cr_assert(routes_take_name(routes, "user/created"));
    cr_assert(routes_take_name(routes, "user/gone"));
    cr_assert_not(routes_take_name(routes, "clicks"));
    cr_assert_not(routes_take_name(routes, "user"));
}

Test(routes, count_what_does_not_fit)
{
    const struct function *found[2] = { NULL, NULL };

    cr_assert_eq(routes_match(routes, "clicks", "user/created", found, 1), 6);
    cr_assert_str_eq(found[0]->id, "any");
    cr_assert_null(found[1]);
    cr_assert_eq(routes_function_count(routes), COUNT);
}

Test(routes, know_topics_with_raw_functions)
{
    cr_assert(routes_topic_has_raw(routes, "clicks"));
    cr_assert_not(routes_topic_has_raw(routes, "events"));
}

Test(routes, know_where_keys_are_ordered)
{
    cr_assert(routes_has_ordered(routes, "orders"));
    cr_assert_not(routes_has_ordered(routes, "events"));

    struct function ordered = { .id = "o", .event = "x", .ordering = STEPD_BY_KEY };
    struct routes *all = routes_of(&ordered, 1);
    cr_assert(routes_has_ordered(all, "any topic"));
    routes_destroy(all);
}

Test(routes, of_nothing_match_nothing)
{
    struct routes *none = routes_create(NULL, 0);

    cr_assert_eq(routes_match(none, "events", "user/created", NULL, 0), 0);
    routes_destroy(none);
}

Test(routes, find_each_of_many_names)
{
    enum { MANY = 5000 };
    static char names[MANY][24];
    static struct function many[MANY];
    static const struct function *list[MANY];

    for (size_t i = 0; i < MANY; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "event/%zu", i);
        many[i] = (struct function){ .id = names[i], .event = names[i] };
        list[i] = &many[i];
    }
    struct routes *large = routes_create(list, MANY);
    for (size_t i = 0; i < MANY; i++) {
        const struct function *found;
        cr_assert_eq(routes_match(large, "events", names[i], &found, 1), 1);
        cr_assert_eq(found, &many[i]);
    }
    routes_destroy(large);
}

Test(routes, give_the_newest_settings_of_a_function, .init = NULL, .fini = NULL)
{
    struct function first = { .id = "mail", .event = "user/created", .retries = 1 };
    const struct function newer = { .id = "mail", .event = "user/created", .retries = 2 };
    const struct function *found[1];
    struct routes *own = routes_of(&first, 1);

    cr_assert_eq(routes_match(own, "events", "user/created", found, 1), 1);
    cr_assert_eq(found[0]->retries, 1);
    atomic_store(&first.newest, &newer);
    cr_assert_eq(routes_match(own, "events", "user/created", found, 1), 1);
    cr_assert_eq(found[0]->retries, 2);
    routes_destroy(own);
}

Test(routes, lead_to_what_replaced_them)
{
    const struct function added = { .id = "new", .event = "user/created" };
    const struct function *list[] = { &functions[1], &added };

    routes_replace(routes, ROUTES_OF_MODULES, list, 2);
    expect("clicks", "user/created", "raw new");
    expect("events", "user/deleted", "");
    routes_replace(routes, ROUTES_OF_MODULES, list, 1);
    expect("clicks", "user/created", "raw");
    expect("events", "user/created", "");
}

Test(routes, each_source_replaces_its_own)
{
    const struct function of_module = { .id = "module", .event = "order/made" };
    const struct function of_app = { .id = "app", .event = "order/made" };
    const struct function of_program = { .id = "program", .event = "order/made" };
    const struct function *module = &of_module, *app = &of_app, *program = &of_program;
    const struct function *found[4];
    struct routes *own = routes_create(&module, 1);

    routes_replace(own, ROUTES_OF_PROGRAMS, &program, 1);
    routes_replace(own, ROUTES_OF_APPS, &app, 1);
    cr_assert_eq(routes_match(own, "events", "order/made", found, 4), 3);
    cr_assert(found[0] == module && found[1] == app && found[2] == program);
    routes_replace(own, ROUTES_OF_APPS, NULL, 0);
    cr_assert_eq(routes_match(own, "events", "order/made", found, 4), 2);
    cr_assert(found[1] == program);
    routes_destroy(own);
}
