/* SPDX-License-Identifier: Apache-2.0 */
#include "modules/options.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

struct everything {
    const char *text;
    int64_t number;
    bool is_on;
    double ratio;
    int64_t wait_ms;
    int64_t bytes;
    const char *const *list;
    const char *const *map;
    const char *other;
    int64_t another;
    int64_t third;
};

#define OPTION(name_, type_, field_, default_) \
    STEPD_OPTION(.name = name_, .type = type_, .offset = offsetof(struct everything, field_), .default_text = default_)

static const struct stepd_option with_defaults[] = {
    OPTION("text", STEPD_STRING, text, "hello"),
    OPTION("number", STEPD_INT, number, "-3"),
    OPTION("on", STEPD_BOOL, is_on, "true"),
    OPTION("ratio", STEPD_DOUBLE, ratio, "0.5"),
    OPTION("wait", STEPD_DURATION, wait_ms, "1m"),
    OPTION("bytes", STEPD_SIZE, bytes, "4KiB"),
    OPTION("list", STEPD_STRING_LIST, list, "[one, 'two, three']"),
    OPTION("map", STEPD_STRING_MAP, map, "{a: 1, b: 'x: y'}"),
    { .name = NULL },
};

static struct config_faults faults;
static struct option_table table = { .owner = "module mail", .options = with_defaults, .size = sizeof(struct everything) };
static const struct place place = { .file = "stepd.yaml", .line = 7, .column = 3 };

static void teardown(void)
{
    config_faults_done(&faults);
}

TestSuite(options, .fini = teardown);

static struct setting scalar(const char *name, const char *text)
{
    return (struct setting){ .name = (char *)(uintptr_t)name,
                             .kind = SETTING_SCALAR,
                             .text = (char *)(uintptr_t)text,
                             .place = { "stepd.yaml", 9, 5 },
                             .value_place = { "stepd.yaml", 9, 11 } };
}

static struct setting map_of(struct setting *items, size_t count)
{
    return (struct setting){ .kind = SETTING_MAP, .items = items, .count = count };
}

/* The one fault there is, at line:column. */
static void check_fault(int line, int column, const char *text)
{
    cr_assert_eq(faults.count, 1);
    cr_assert_str_eq(faults.items[0].text, text);
    cr_assert_eq(faults.items[0].place.line, line);
    cr_assert_eq(faults.items[0].place.column, column);
}

Test(options, defaults_stand_where_nothing_is_given)
{
    cr_assert(options_check(&table, &place, &faults));
    struct everything *filled = options_fill(&table, NULL, &place, &faults);
    cr_assert_not_null(filled);
    cr_assert_str_eq(filled->text, "hello");
    cr_assert_eq(filled->number, -3);
    cr_assert(filled->is_on);
    cr_assert_eq(filled->ratio, 0.5);
    cr_assert_eq(filled->wait_ms, 60000);
    cr_assert_eq(filled->bytes, 4096);
    cr_assert_str_eq(filled->list[0], "one");
    cr_assert_str_eq(filled->list[1], "two, three");
    cr_assert_null(filled->list[2]);
    cr_assert_str_eq(filled->map[0], "a");
    cr_assert_str_eq(filled->map[3], "x: y");
    cr_assert_null(filled->map[4]);
    options_free(with_defaults, filled);
}

Test(options, what_is_given_replaces_the_defaults)
{
    struct setting list_items[] = { scalar(NULL, "x") };
    struct setting map_items[] = { scalar("k", "v") };
    struct setting items[] = {
        scalar("text", ""),
        scalar("number", "9007199254740993"),
        scalar("on", "false"),
        scalar("ratio", "2"),
        scalar("wait", "250ms"),
        scalar("bytes", "7"),
        { .name = (char *)(uintptr_t) "list", .kind = SETTING_LIST, .items = list_items, .count = 1 },
        { .name = (char *)(uintptr_t) "map", .kind = SETTING_MAP, .items = map_items, .count = 1 },
    };
    struct setting given = map_of(items, 8);
    struct everything *filled = options_fill(&table, &given, &place, &faults);

    cr_assert_not_null(filled);
    cr_assert_str_eq(filled->text, "");
    cr_assert_eq(filled->number, INT64_C(9007199254740993));
    cr_assert_not(filled->is_on);
    cr_assert_eq(filled->ratio, 2.0);
    cr_assert_eq(filled->wait_ms, 250);
    cr_assert_eq(filled->bytes, 7);
    cr_assert_str_eq(filled->list[0], "x");
    cr_assert_null(filled->list[1]);
    cr_assert_str_eq(filled->map[1], "v");
    cr_assert_null(filled->map[2]);
    options_free(with_defaults, filled);
}

Test(options, a_name_without_a_value_keeps_the_default)
{
    struct setting items[] = { { .name = (char *)(uintptr_t) "number", .kind = SETTING_NULL } };
    struct setting given = map_of(items, 1);
    struct everything *filled = options_fill(&table, &given, &place, &faults);

    cr_assert_eq(filled->number, -3);
    options_free(with_defaults, filled);
}

Test(options, an_unknown_name_is_told_with_those_that_are_known)
{
    static const struct stepd_option mail[] = { OPTION("server", STEPD_STRING, text, "x"),
                                                OPTION("retries", STEPD_INT, number, "1"),
                                                OPTION("from", STEPD_STRING, other, "y"),
                                                { .name = NULL } };
    const struct option_table mail_table = { .owner = "module mail", .options = mail, .size = sizeof(struct everything) };
    struct setting items[] = { scalar("retrys", "3") };
    struct setting given = map_of(items, 1);

    cr_assert_null(options_fill(&mail_table, &given, &place, &faults));
    check_fault(9, 5, "[module mail] has no option 'retrys' (it has: from, retries, server): did you mean 'retries'?");
}

Test(options, a_slip_of_a_function_setting_is_known_too)
{
    const struct option_table none = { .owner = "function f", .taken = config_function_keys() };
    struct setting items[] = { scalar("concurency", "3") };
    struct setting given = map_of(items, 1);

    cr_assert_null(options_fill(&none, &given, &place, &faults));
    check_fault(9, 5, "[function f] has no option 'concurency': did you mean 'concurrency'?");
}

Test(options, what_must_be_given_is_asked_for)
{
    static const struct stepd_option needed[] = {
        STEPD_OPTION(.name = "url", .type = STEPD_STRING, .offset = offsetof(struct everything, text), .help = "where to post"),
        { .name = NULL },
    };
    const struct option_table needed_table = { .owner = "function crm", .options = needed, .size = sizeof(struct everything) };

    cr_assert_null(options_fill(&needed_table, NULL, &place, &faults));
    check_fault(7, 3, "[function crm] needs option 'url': where to post");
}

Test(options, a_variable_that_is_not_there_was_told_already)
{
    static const struct stepd_option needed[] = {
        STEPD_OPTION(.name = "url", .type = STEPD_STRING, .offset = offsetof(struct everything, text)),
        { .name = NULL },
    };
    const struct option_table needed_table = { .owner = "function crm", .options = needed, .size = sizeof(struct everything) };
    struct setting item = scalar("url", "");
    struct setting given = map_of(&item, 1);

    item.kind = SETTING_MISSING;
    cr_assert_null(options_fill(&needed_table, &given, &place, &faults));
    cr_assert_eq(faults.count, 0);
}

Test(options, all_wrong_values_are_told_at_once)
{
    struct setting list_items[] = { { .kind = SETTING_MAP } };
    struct setting items[] = {
        scalar("number", "many"),
        scalar("on", "yes"),
        scalar("wait", "5"),
        scalar("bytes", "9999999999GiB"),
        scalar("list", "x"),
        scalar("ratio", "x"),
        { .name = (char *)(uintptr_t) "text", .kind = SETTING_LIST },
        { .name = (char *)(uintptr_t) "list", .kind = SETTING_LIST, .items = list_items, .count = 1 },
    };
    struct setting given = map_of(items, 7);

    cr_assert_null(options_fill(&table, &given, &place, &faults));
    cr_assert_eq(faults.count, 7);
    cr_assert_str_eq(faults.items[1].text, "[module mail] 'number' must be a whole number, not 'many'");
    cr_assert_eq(faults.items[1].place.column, 11);
    cr_assert_str_eq(faults.items[5].text, "[module mail] 'bytes' is too large: '9999999999GiB'");
    cr_assert_str_eq(faults.items[6].text, "[module mail] 'list' must be a list of texts");
}

Test(options, a_list_within_a_list_is_refused)
{
    struct setting list_items[] = { scalar(NULL, "fine"), { .kind = SETTING_MAP } };
    struct setting items[] = { { .name = (char *)(uintptr_t) "list", .kind = SETTING_LIST, .items = list_items, .count = 2 } };
    struct setting given = map_of(items, 1);

    cr_assert_null(options_fill(&table, &given, &place, &faults));
    cr_assert_eq(faults.count, 1);
}

Test(options, a_relative_path_counts_from_the_configs_folder)
{
    static const char *const names[] = { "", "/etc/a.pem", "certs/a.pem" };
    static const char *const wanted[] = { "", "/etc/a.pem", "/srv/conf/certs/a.pem" };
    const struct stepd_option paths[] = { STEPD_OPTION(.name = "file", .type = STEPD_PATH), { .name = NULL } };
    const struct option_table path_table = {
        .owner = "function f", .options = paths, .size = sizeof(char *), .config_path = "/srv/conf/stepd.yaml"
    };

    for (size_t i = 0; i < 3; i++) {
        struct setting file = { .name = (char *)"file", .kind = SETTING_SCALAR, .text = (char *)(uintptr_t)names[i] };
        const struct setting given = { .kind = SETTING_MAP, .items = &file, .count = 1 };
        char **filled = options_fill(&path_table, &given, &(struct place){ 0 }, NULL);
        cr_assert_str_eq(*filled, wanted[i]);
        options_free(paths, filled);
    }
}

Test(options, a_bad_table_is_refused_with_each_reason)
{
    static const struct stepd_option bad[] = {
        OPTION("timeout", STEPD_INT, number, "1"),
        OPTION("default", STEPD_INT, another, "one"),
        OPTION("list", STEPD_STRING_LIST, list, "{a: 1}"),
        OPTION("nested", STEPD_STRING_MAP, map, "{a: [1]}"),
        STEPD_OPTION(.name = "outside", .type = STEPD_INT, .offset = sizeof(struct everything), .default_text = "1"),
        STEPD_OPTION(.name = "crooked", .type = STEPD_INT, .offset = 12, .default_text = "1"),
        STEPD_OPTION(.name = "type", .type = (enum stepd_option_type)40, .default_text = "1"),
        OPTION("default", STEPD_INT, number, "1"),
        OPTION("", STEPD_INT, number, "1"),
        OPTION("fine", STEPD_INT, third, NULL),
        OPTION("over", STEPD_INT, third, "1"),
        { .name = NULL },
    };
    static const char *const taken[] = { "timeout", NULL };
    const struct option_table bad_table = { .owner = "function f", .options = bad, .size = sizeof(struct everything), .taken = taken };

    cr_assert_not(options_check(&bad_table, &place, &faults));
    cr_assert_eq(faults.count, 10);
    cr_assert_str_eq(faults.items[0].text,
                     "[function f] option 'timeout' has the name of a setting that every function has: choose another");
    cr_assert_str_eq(faults.items[1].text, "[function f] option 'default' has a default that is not of its type");
    cr_assert_str_eq(faults.items[9].text, "[function f] option 'over' lies where another option does: is .offset set?");
}

Test(options, no_table_needs_nothing)
{
    const struct option_table none = { .owner = "function f" };

    cr_assert(options_check(&none, &place, &faults));
    cr_assert_null(options_fill(&none, NULL, &place, &faults));
    cr_assert_eq(faults.count, 0);
    options_free(NULL, NULL);
}
