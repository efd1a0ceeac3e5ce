/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config_key.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/log.h"

const struct config_key *config_keys_find(const struct config_keys *keys, const char *name)
{
    for (size_t i = 0; i < keys->count; i++) {
        if (strcmp(keys->list[i].name, name) == 0)
            return &keys->list[i];
    }
    return NULL;
}

static void fault_unknown(struct config_faults *faults, const struct setting *setting, const struct config_keys *keys)
{
    const char *names[CONFIG_KEYS_MAX];

    assert(keys->count <= CONFIG_KEYS_MAX);
    for (size_t i = 0; i < keys->count; i++)
        names[i] = keys->list[i].name;
    const char *suggestion = config_suggest(setting->name, names, keys->count);
    if (suggestion != NULL)
        config_faults_add(faults, &setting->place, "unknown key '%s', did you mean '%s'?", setting->name, suggestion);
    else
        config_faults_add(faults, &setting->place, "unknown key '%s'", setting->name);
}

const char *config_text(const struct setting *setting, const char *expected, struct config_faults *faults)
{
    if (setting->kind == SETTING_SCALAR)
        return setting->text;
    if (setting->kind == SETTING_MISSING)
        return NULL;
    config_faults_add(faults, &setting->value_place, "'%s' must be %s", setting->name != NULL ? setting->name : "a list's entry", expected);
    return NULL;
}

static void fault_range(struct config_faults *faults, const struct setting *setting, const char *name, const struct config_key *key)
{
    char least[LOG_DURATION_SIZE];
    char most[LOG_DURATION_SIZE];

    assert(key->least <= key->most);
    if (key->type == KEY_DURATION || key->type == KEY_SCHEDULE)
        config_faults_add(faults, &setting->value_place, "'%s' must be between %s and %s, not '%s'", name, log_duration(key->least, least),
                          log_duration(key->most, most), setting_shown(setting));
    else
        config_faults_add(faults, &setting->value_place, "'%s' must be between %lld and %lld, not '%s'", name, (long long)key->least,
                          (long long)key->most, setting_shown(setting));
}

static bool number_read(const struct config_key *key, const struct setting *setting, const char *name, struct config_faults *faults,
                        int64_t *ret_number)
{
    static const struct {
        int (*parse)(const char *text, int64_t *ret_value);
        const char *expected;
    } kinds[] = {
        [KEY_INT] = { parse_int, "a whole number" },
        [KEY_INT64] = { parse_int, "a whole number" },
        [KEY_DURATION] = { parse_duration_ms, "a duration such as 250ms, 15s, 1m30s, 2h, 7d" },
        [KEY_SCHEDULE] = { parse_duration_ms, "a duration such as 250ms, 15s, 1m30s, 2h, 7d" },
        [KEY_SIZE] = { parse_size, "a size such as 64KiB, 4MiB" },
    };
    int64_t number;
    assert((size_t)key->type < COUNT_OF(kinds) && kinds[key->type].parse != NULL);
    const char *text = config_text(setting, kinds[key->type].expected, faults);

    if (text == NULL)
        return false;
    int status = kinds[key->type].parse(text, &number);
    if (status == -EINVAL) {
        config_faults_add(faults, &setting->value_place, "'%s' must be %s, not '%s'", name, kinds[key->type].expected,
                          setting_shown(setting));
        return false;
    }
    if (status != 0 || number < key->least || number > key->most) {
        fault_range(faults, setting, name, key);
        return false;
    }
    *ret_number = number;
    return true;
}

static bool name_read(const struct config_key *key, const struct setting *setting, struct config_faults *faults, int *ret_index)
{
    const char *text = config_text(setting, "a word", faults);
    size_t count = 0;
    char known[128] = "";

    assert(key->names != NULL);
    if (text == NULL)
        return false;
    for (; key->names[count] != NULL; count++) {
        if (strcmp(key->names[count], text) == 0) {
            *ret_index = (int)count;
            return true;
        }
        (void)snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s", count > 0 ? ", " : "", key->names[count]);
    }
    config_faults_add(faults, &setting->value_place, "'%s' must be one of %s; not '%s'", key->name, known, setting_shown(setting));
    return false;
}

static bool schedule_read(const struct config_key *key, const struct setting *setting, void *target, struct config_faults *faults)
{
    char *base = target;

    assert(key->given != NOT_TOLD); /* where its count stands */
    if (setting->kind != SETTING_LIST || setting->count == 0) {
        config_faults_add(faults, &setting->value_place, "'%s' must be a list of durations, such as [15s, 30s, 1m]", key->name);
        return false;
    }
    if (*(size_t *)(void *)(base + key->given) > 0) {
        config_faults_add(faults, &setting->place, "'schedule' and 'backoff' are one setting: give one of them");
        return false;
    }
    int64_t *schedule_ms = xcalloc(setting->count, sizeof(*schedule_ms));
    bool is_good = true;
    for (size_t i = 0; i < setting->count; i++)
        is_good = number_read(key, &setting->items[i], key->name, faults, &schedule_ms[i]) && is_good;
    if (!is_good) {
        free(schedule_ms);
        return false;
    }
    *(int64_t **)(void *)(base + key->offset) = schedule_ms;
    *(size_t *)(void *)(base + key->given) = setting->count;
    return true;
}

static bool string_read(const struct config_key *key, const struct setting *setting, const char **target, struct config_faults *faults)
{
    const char *text = config_text(setting, "a text", faults);

    if (text == NULL)
        return false;
    if ((int64_t)strlen(text) < key->least) {
        config_faults_add(faults, &setting->value_place, "'%s' must not be empty", key->name);
        return false;
    }
    *target = text;
    return true;
}

static bool bool_read(const struct config_key *key, const struct setting *setting, bool *target, struct config_faults *faults)
{
    const char *text = config_text(setting, "true or false", faults);

    if (text == NULL)
        return false;
    if (parse_bool(text, target) != 0) {
        config_faults_add(faults, &setting->value_place, "'%s' must be true or false, not '%s'", key->name, setting_shown(setting));
        return false;
    }
    return true;
}

static bool int_read(const struct config_key *key, const struct setting *setting, int *target, struct config_faults *faults)
{
    int64_t number;

    if (!number_read(key, setting, key->name, faults, &number))
        return false;
    *target = (int)number;
    return true;
}

/* False: it is not given. */
static bool value_read(const struct config_key *key, const struct setting *setting, void *target, struct config_faults *faults)
{
    void *field = (char *)target + key->offset;

    switch (key->type) {
    case KEY_STRING:
        return string_read(key, setting, field, faults);
    case KEY_BOOL:
        return bool_read(key, setting, field, faults);
    case KEY_INT:
        return int_read(key, setting, field, faults);
    case KEY_INT64:
    case KEY_DURATION:
    case KEY_SIZE:
        return number_read(key, setting, key->name, faults, field);
    case KEY_NAME:
        return name_read(key, setting, faults, field);
    case KEY_SCHEDULE:
        (void)schedule_read(key, setting, target, faults);
        return false; /* its count says that it is */
    case KEY_OTHER:
        return false;
    }
    abort(); /* a type that there is not */
}

void config_key_read(const struct config_key *key, const struct setting *setting, void *target, struct config_faults *faults)
{
    assert(key->type != KEY_OTHER || key->given == NOT_TOLD);
    if (value_read(key, setting, target, faults) && key->given != NOT_TOLD)
        *(bool *)((char *)target + key->given) = true;
}

bool config_is_map(const struct setting *setting, struct config_faults *faults)
{
    if (setting->kind == SETTING_SCALAR || setting->kind == SETTING_LIST)
        config_faults_add(faults, &setting->value_place, "'%s' must be a map of keys", setting->name);
    return setting->kind == SETTING_MAP;
}

void config_keys_read(const struct config_keys *keys, const struct setting *map, void *target, struct config_faults *faults)
{
    for (size_t i = 0; i < map->count; i++) {
        const struct setting *item = &map->items[i];
        const struct config_key *key = config_keys_find(keys, item->name);
        if (key == NULL)
            fault_unknown(faults, item, keys);
        else if (item->kind != SETTING_NULL && item->kind != SETTING_MISSING)
            config_key_read(key, item, target, faults);
    }
}
