/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config_flow.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/memory.h"
#include "config/config_key.h"

#define YEAR_MS INT64_C(31536000000)
#define COUNT_MOST INT64_C(1000000000)
#define KEYS(list) \
    { \
        list, COUNT_OF(list) \
    }

const char *const CONFIG_FLOW_KEYS[] = {
    "events",    "when",          "cron",           "catch_up",           "dedupe_key", "rate_limit",
    "throttle",  "debounce",      "batch",          "concurrency_limits", "priority",   "singleton",
    "cancel_on", "start_timeout", "finish_timeout", "on_error",           "breaker",    "expects",
    NULL,
};

bool config_flow_is_key(const char *name)
{
    for (size_t i = 0; CONFIG_FLOW_KEYS[i] != NULL; i++) {
        if (strcmp(CONFIG_FLOW_KEYS[i], name) == 0)
            return true;
    }
    return false;
}

/* ---- settings that are maps ---------------------------------------------------------------------- */

static const char *const singleton_names[] = { "none", "skip", "cancel", NULL };
static const char *const catch_up_names[] = { "last", "none", "all", NULL };

#define AT(field) offsetof(struct stepd_rate_limit, field)
static const struct config_key rate_limit_keys[] = {
    { "limit", KEY_INT64, AT(limit), NOT_TOLD, 1, COUNT_MOST, NULL },
    { "period", KEY_DURATION, AT(period_ms), NOT_TOLD, 1, YEAR_MS, NULL },
    { "key", KEY_STRING, AT(key), NOT_TOLD, 1, 0, NULL },
};
#undef AT
#define AT(field) offsetof(struct stepd_throttle, field)
static const struct config_key throttle_keys[] = {
    { "limit", KEY_INT64, AT(limit), NOT_TOLD, 1, COUNT_MOST, NULL },
    { "period", KEY_DURATION, AT(period_ms), NOT_TOLD, 1, YEAR_MS, NULL },
    { "burst", KEY_INT64, AT(burst), NOT_TOLD, 0, COUNT_MOST, NULL },
    { "key", KEY_STRING, AT(key), NOT_TOLD, 1, 0, NULL },
};
#undef AT
#define AT(field) offsetof(struct stepd_debounce, field)
static const struct config_key debounce_keys[] = {
    { "period", KEY_DURATION, AT(period_ms), NOT_TOLD, 1, YEAR_MS, NULL },
    { "timeout", KEY_DURATION, AT(timeout_ms), NOT_TOLD, 0, YEAR_MS, NULL },
    { "key", KEY_STRING, AT(key), NOT_TOLD, 1, 0, NULL },
};
#undef AT
#define AT(field) offsetof(struct stepd_batch, field)
static const struct config_key batch_keys[] = {
    { "size", KEY_INT64, AT(size), NOT_TOLD, 1, COUNT_MOST, NULL },
    { "timeout", KEY_DURATION, AT(timeout_ms), NOT_TOLD, 1, YEAR_MS, NULL },
    { "key", KEY_STRING, AT(key), NOT_TOLD, 1, 0, NULL },
};
#undef AT
#define AT(field) offsetof(struct stepd_limit, field)
static const struct config_key limit_keys[] = {
    { "limit", KEY_INT64, AT(limit), NOT_TOLD, 1, COUNT_MOST, NULL },
    { "key", KEY_STRING, AT(key), NOT_TOLD, 1, 0, NULL },
    { "scope", KEY_STRING, AT(scope), NOT_TOLD, 1, 0, NULL },
};
#undef AT
#define AT(field) offsetof(struct stepd_singleton, field)
static const struct config_key singleton_keys[] = {
    { "mode", KEY_NAME, AT(mode), NOT_TOLD, 0, 0, singleton_names },
    { "key", KEY_STRING, AT(key), NOT_TOLD, 1, 0, NULL },
};
#undef AT
#define AT(field) offsetof(struct stepd_cancel, field)
static const struct config_key cancel_keys[] = {
    { "event", KEY_STRING, AT(event), NOT_TOLD, 1, 0, NULL },
    { "when", KEY_STRING, AT(when), NOT_TOLD, 1, 0, NULL },
    { "timeout", KEY_DURATION, AT(timeout_ms), NOT_TOLD, 0, YEAR_MS, NULL },
};
#undef AT
#define AT(field) offsetof(struct stepd_breaker, field)
static const struct config_key breaker_keys[] = {
    { "failures", KEY_INT64, AT(failures), NOT_TOLD, 1, COUNT_MOST, NULL },
    { "window", KEY_DURATION, AT(window_ms), NOT_TOLD, 1, YEAR_MS, NULL },
    { "pause", KEY_DURATION, AT(pause_ms), NOT_TOLD, 1, YEAR_MS, NULL },
    { "key", KEY_STRING, AT(key), NOT_TOLD, 1, 0, NULL },
};
#undef AT
#define AT(field) offsetof(struct stepd_expected, field)
static const struct config_key expected_keys[] = {
    { "event", KEY_STRING, AT(event), NOT_TOLD, 1, 0, NULL },
    { "when", KEY_STRING, AT(when), NOT_TOLD, 1, 0, NULL },
};
#undef AT

/* As the config gives one: what it leaves out of it is the function's. */
struct given_policy {
    const char *error;
    bool has_retries;
    int retries;
    int64_t *delays_ms;
    size_t delay_count;
};
#define AT(field) offsetof(struct given_policy, field)
static const struct config_key policy_keys[] = {
    { "error", KEY_STRING, AT(error), NOT_TOLD, 1, 0, NULL },
    { "retries", KEY_INT, AT(retries), AT(has_retries), 0, STEPD_MAX_RETRIES, NULL },
    { "schedule", KEY_SCHEDULE, AT(delays_ms), AT(delay_count), 0, YEAR_MS, NULL },
    { "backoff", KEY_SCHEDULE, AT(delays_ms), AT(delay_count), 0, YEAR_MS, NULL },
};
#undef AT

/* A setting that is one map, or one value, at `offset` of the function. */
struct flow_map {
    const char *name;
    size_t offset;
    size_t size;
    struct config_keys keys;
};

#define AT(field) offsetof(struct stepd_function, field), sizeof(((struct stepd_function *)0)->field)
static const struct flow_map flow_maps[] = {
    { "rate_limit", AT(rate_limit), KEYS(rate_limit_keys) }, { "throttle", AT(throttle), KEYS(throttle_keys) },
    { "debounce", AT(debounce), KEYS(debounce_keys) },       { "batch", AT(batch), KEYS(batch_keys) },
    { "singleton", AT(singleton), KEYS(singleton_keys) },    { "breaker", AT(breaker), KEYS(breaker_keys) },
};
#undef AT

#define AT(field) offsetof(struct stepd_function, field)
static const struct config_key flow_values[] = {
    { "when", KEY_STRING, AT(when), NOT_TOLD, 1, 0, NULL },
    { "dedupe_key", KEY_STRING, AT(dedupe_key), NOT_TOLD, 1, 0, NULL },
    { "priority", KEY_STRING, AT(priority), NOT_TOLD, 1, 0, NULL },
    { "start_timeout", KEY_DURATION, AT(start_timeout_ms), NOT_TOLD, 0, YEAR_MS, NULL },
    { "finish_timeout", KEY_DURATION, AT(finish_timeout_ms), NOT_TOLD, 0, YEAR_MS, NULL },
    { "catch_up", KEY_NAME, AT(catch_up), NOT_TOLD, 0, 0, catch_up_names },
};
#undef AT

/* ---- settings that are lists ---------------------------------------------------------------------- */

static void *lists_keep(struct config_lists *lists, void *list)
{
    assert(list != NULL);
    lists->items = xrealloc(lists->items, (lists->count + 1) * sizeof(*lists->items));
    lists->items[lists->count++] = list;
    return list;
}

void config_lists_done(struct config_lists *lists)
{
    for (size_t i = 0; i < lists->count; i++)
        free(lists->items[i]);
    free(lists->items);
    *lists = (struct config_lists){ 0 };
}

static bool is_list(const struct setting *setting, const char *of_what, struct config_faults *faults)
{
    if (setting->kind == SETTING_LIST && setting->count > 0)
        return true;
    if (setting->kind != SETTING_MISSING)
        config_faults_add(faults, &setting->value_place, "'%s' must be a list of %s", setting->name, of_what);
    return false;
}

/* One text counts as a list of it. */
static struct stepd_texts texts_read(const struct setting *setting, const char *of_what, struct config_lists *lists,
                                     struct config_faults *faults)
{
    const struct setting *items = setting->kind == SETTING_SCALAR ? setting : setting->items;
    size_t count = setting->kind == SETTING_SCALAR ? 1 : setting->count;
    size_t read = 0;

    if (setting->kind != SETTING_SCALAR && !is_list(setting, of_what, faults))
        return (struct stepd_texts){ 0 };
    const char **texts = lists_keep(lists, xcalloc(count, sizeof(*texts)));
    for (size_t i = 0; i < count; i++) {
        const char *text = config_text(&items[i], "a text", faults);
        if (text != NULL)
            texts[read++] = text;
    }
    return (struct stepd_texts){ texts, read };
}

/* An array of `size` each, zeroed but for what the list's maps give; NULL after a fault. */
static void *maps_read(const struct setting *setting, const struct config_keys *keys, size_t size, struct config_lists *lists,
                       struct config_faults *faults)
{
    if (!is_list(setting, "maps", faults))
        return NULL;
    char *all = lists_keep(lists, xcalloc(setting->count, size));
    for (size_t i = 0; i < setting->count; i++) {
        if (setting->items[i].kind != SETTING_MAP) {
            config_faults_add(faults, &setting->items[i].value_place, "each of '%s' must be a map of keys", setting->name);
            return NULL;
        }
        config_keys_read(keys, &setting->items[i], all + i * size, faults);
    }
    return all;
}

static const struct stepd_error_policy *policy_find(const struct stepd_error_policy *list, size_t count, const char *error)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i].error != NULL && error != NULL && strcmp(list[i].error, error) == 0)
            return &list[i];
    }
    return NULL;
}

/* The module's, of which those that the config names are replaced where they stand; others come before them. */
static void policies_merge(const struct stepd_error_policy *given, size_t given_count, struct stepd_function *function,
                           struct config_lists *lists)
{
    const struct stepd_error_policies declared = function->on_error;
    struct stepd_error_policy *all = lists_keep(lists, xcalloc(given_count + declared.count, sizeof(*all)));
    size_t count = 0;

    for (size_t i = 0; i < given_count; i++) {
        if (policy_find(declared.items, declared.count, given[i].error) == NULL)
            all[count++] = given[i];
    }
    for (size_t i = 0; i < declared.count; i++) {
        const struct stepd_error_policy *replacing = policy_find(given, given_count, declared.items[i].error);
        all[count++] = replacing != NULL ? *replacing : declared.items[i];
    }
    assert(count <= given_count + declared.count);
    function->on_error = (struct stepd_error_policies){ all, count };
}

static void on_error_read(const struct setting *setting, struct stepd_function *function, struct config_lists *lists,
                          struct config_faults *faults)
{
    static const struct config_keys keys = KEYS(policy_keys);
    const struct given_policy *given = maps_read(setting, &keys, sizeof(*given), lists, faults);

    if (given == NULL)
        return;
    AUTO_FREE struct stepd_error_policy *policies = xcalloc(setting->count, sizeof(*policies));
    for (size_t i = 0; i < setting->count; i++) {
        policies[i] = (struct stepd_error_policy){
            .error = given[i].error,
            .retries = given[i].has_retries ? given[i].retries : function->retries,
            .backoff = { .delays_ms = given[i].delays_ms, .count = given[i].delay_count },
        };
        if (given[i].delays_ms != NULL)
            (void)lists_keep(lists, given[i].delays_ms);
    }
    policies_merge(policies, setting->count, function, lists);
}

static void list_read(const struct setting *setting, struct stepd_function *function, struct config_lists *lists,
                      struct config_faults *faults)
{
    static const struct config_keys limits = KEYS(limit_keys);
    static const struct config_keys cancels = KEYS(cancel_keys);
    static const struct config_keys expecteds = KEYS(expected_keys);
    size_t count = setting->count;

    if (strcmp(setting->name, "events") == 0) {
        function->events = texts_read(setting, "events, such as [order/made, order/changed]", lists, faults);
    } else if (strcmp(setting->name, "cron") == 0) {
        function->cron = texts_read(setting, "schedules, such as [\"0 9 * * 1-5\"]", lists, faults);
    } else if (strcmp(setting->name, "concurrency_limits") == 0) {
        const struct stepd_limit *items = maps_read(setting, &limits, sizeof(*items), lists, faults);
        function->concurrency_limits = (struct stepd_limits){ items, items != NULL ? count : 0 };
    } else if (strcmp(setting->name, "cancel_on") == 0) {
        const struct stepd_cancel *items = maps_read(setting, &cancels, sizeof(*items), lists, faults);
        function->cancel_on = (struct stepd_cancels){ items, items != NULL ? count : 0 };
    } else if (strcmp(setting->name, "expects") == 0) {
        const struct stepd_expected *items = maps_read(setting, &expecteds, sizeof(*items), lists, faults);
        function->expects = (struct stepd_expecteds){ items, items != NULL ? count : 0 };
    } else if (strcmp(setting->name, "on_error") == 0) {
        on_error_read(setting, function, lists, faults);
    }
}

/* ---- all ------------------------------------------------------------------------------------------ */

static const struct flow_map *map_find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(flow_maps); i++) {
        if (strcmp(flow_maps[i].name, name) == 0)
            return &flow_maps[i];
    }
    return NULL;
}

static void take_away(const char *name, struct stepd_function *function)
{
    static const struct {
        const char *name;
        size_t offset, size;
    } lists[] = {
#define AT(field) offsetof(struct stepd_function, field), sizeof(((struct stepd_function *)0)->field)
        { "events", AT(events) },
        { "cron", AT(cron) },
        { "concurrency_limits", AT(concurrency_limits) },
        { "cancel_on", AT(cancel_on) },
        { "on_error", AT(on_error) },
        { "expects", AT(expects) },
        { "when", AT(when) },
        { "priority", AT(priority) },
        { "dedupe_key", AT(dedupe_key) },
        { "catch_up", AT(catch_up) },
        { "start_timeout", AT(start_timeout_ms) },
        { "finish_timeout", AT(finish_timeout_ms) },
#undef AT
    };
    const struct flow_map *map = map_find(name);

    if (map != NULL)
        memset((char *)function + map->offset, 0, map->size);
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        if (strcmp(lists[i].name, name) == 0)
            memset((char *)function + lists[i].offset, 0, lists[i].size);
    }
}

/* An empty one says neither that there is to be a limit nor that there is to be none. */
static void map_read(const struct flow_map *map, const struct setting *setting, struct stepd_function *function,
                     struct config_faults *faults)
{
    assert(map->offset + map->size <= sizeof(*function));
    if (setting->count == 0)
        config_faults_add(faults, &setting->value_place, "'%s' is empty: give it '%s', or let it be null, which takes the module's away",
                          setting->name, map->keys.list[0].name);
    config_keys_read(&map->keys, setting, (char *)function + map->offset, faults);
}

void config_flow_read(const struct setting *given, struct stepd_function *function, struct config_lists *lists,
                      struct config_faults *faults)
{
    static const struct config_keys values = KEYS(flow_values);

    for (size_t i = 0; i < given->count; i++) {
        const struct setting *setting = &given->items[i];
        const struct flow_map *map = map_find(setting->name);
        const struct config_key *value = config_keys_find(&values, setting->name);
        if (setting->kind == SETTING_MISSING)
            continue;
        if (strcmp(setting->name, "on_error") != 0 || setting->kind == SETTING_NULL)
            take_away(setting->name, function);
        if (setting->kind == SETTING_NULL)
            continue;
        if (map != NULL && config_is_map(setting, faults))
            map_read(map, setting, function, faults);
        else if (map == NULL && value != NULL)
            config_key_read(value, setting, function, faults);
        else if (map == NULL)
            list_read(setting, function, lists, faults);
    }
}
