/* SPDX-License-Identifier: Apache-2.0 */
#include "modules/options.h"

#include <assert.h>
#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include <libfyaml.h>

#include "base/array.h"

static const struct {
    size_t size; /* and alignment, of the field */
    const char *expected;
} types[] = {
    [STEPD_STRING] = { sizeof(char *), "a text" },
    [STEPD_INT] = { sizeof(int64_t), "a whole number" },
    [STEPD_BOOL] = { sizeof(bool), "true or false" },
    [STEPD_DOUBLE] = { sizeof(double), "a number" },
    [STEPD_DURATION] = { sizeof(int64_t), "a duration such as 250ms, 15s, 1m30s, 2h, 7d" },
    [STEPD_SIZE] = { sizeof(int64_t), "a size such as 512, 64KiB, 4MiB" },
    [STEPD_STRING_LIST] = { sizeof(char **), "a list of texts" },
    [STEPD_STRING_MAP] = { sizeof(char **), "a map of texts" },
    [STEPD_PATH] = { sizeof(char *), "a path" },
};
#define TYPE_COUNT COUNT_OF(types)

static bool is_collection(enum stepd_option_type type)
{
    return type == STEPD_STRING_LIST || type == STEPD_STRING_MAP;
}

static void texts_free(char **texts)
{
    for (char **at = texts; texts != NULL && *at != NULL; at++)
        free(*at);
    free(texts);
}

/* ---- one value -------------------------------------------------------------------------------- */

static int scalar_write(enum stepd_option_type type, const char *text, void *field)
{
    switch (type) {
    case STEPD_STRING:
    case STEPD_PATH:
        *(char **)field = xstrdup(text);
        return 0;
    case STEPD_INT:
        return parse_int(text, field);
    case STEPD_BOOL:
        return parse_bool(text, field);
    case STEPD_DOUBLE:
        return parse_double(text, field);
    case STEPD_DURATION:
        return parse_duration_ms(text, field);
    case STEPD_SIZE:
        return parse_size(text, field);
    case STEPD_STRING_LIST:
    case STEPD_STRING_MAP:
        break;
    }
    return -EINVAL;
}

/* "" names no file. */
static void path_complete(const char *config_path, char **path)
{
    if (config_path == NULL || (*path)[0] == '/' || (*path)[0] == '\0')
        return;
    AUTO_FREE char *copy = xstrdup(config_path);
    char *whole = xasprintf("%s/%s", dirname(copy), *path);
    free(*path);
    *path = whole;
}

static char *node_text(struct fy_node *node)
{
    size_t size = 0;
    const char *text = fy_node_get_scalar(node, &size);

    return text != NULL ? xstrndup(text, size) : NULL;
}

static char **sequence_texts(struct fy_node *sequence)
{
    char **texts = xcalloc((size_t)fy_node_sequence_item_count(sequence) + 1, sizeof(*texts));
    struct fy_node *item;
    void *position = NULL;

    for (size_t i = 0; (item = fy_node_sequence_iterate(sequence, &position)) != NULL; i++) {
        texts[i] = node_text(item);
        if (texts[i] == NULL) {
            texts_free(texts);
            return NULL;
        }
    }
    return texts;
}

static char **mapping_texts(struct fy_node *mapping)
{
    char **texts = xcalloc((size_t)fy_node_mapping_item_count(mapping) * 2 + 1, sizeof(*texts));
    struct fy_node_pair *pair;
    void *position = NULL;

    for (size_t i = 0; (pair = fy_node_mapping_iterate(mapping, &position)) != NULL; i += 2) {
        texts[i] = node_text(fy_node_pair_key(pair));
        texts[i + 1] = texts[i] != NULL ? node_text(fy_node_pair_value(pair)) : NULL;
        if (texts[i + 1] == NULL) {
            texts_free(texts);
            return NULL;
        }
    }
    return texts;
}

/* What a default such as "[a, b]" or "{a: 1}" means; NULL: it is neither. */
static char **default_texts(enum stepd_option_type type, const char *text)
{
    static const struct fy_parse_cfg quiet = { .flags = FYPCF_QUIET | FYPCF_DEFAULT_PARSE };
    struct fy_document *document = fy_document_build_from_string(&quiet, text, FY_NT);
    struct fy_node *root = document != NULL ? fy_document_root(document) : NULL;
    char **texts = NULL;

    if (type == STEPD_STRING_LIST && root != NULL && fy_node_is_sequence(root))
        texts = sequence_texts(root);
    else if (type == STEPD_STRING_MAP && root != NULL && fy_node_is_mapping(root))
        texts = mapping_texts(root);
    fy_document_destroy(document);
    return texts;
}

static int default_write(const struct stepd_option *option, void *field)
{
    if (!is_collection(option->type))
        return scalar_write(option->type, option->default_text, field);
    char **texts = default_texts(option->type, option->default_text);
    if (texts == NULL)
        return -EINVAL;
    *(char ***)field = texts;
    return 0;
}

static bool collection_write(const struct option_table *table, const struct stepd_option *option, const struct setting *given, void *field,
                             struct config_faults *faults)
{
    bool is_map = option->type == STEPD_STRING_MAP;
    char **texts = xcalloc(given->count * 2 + 1, sizeof(*texts));
    size_t count = 0;

    assert(given->kind == (is_map ? SETTING_MAP : SETTING_LIST));
    for (size_t i = 0; i < given->count; i++) {
        const struct setting *item = &given->items[i];
        if (item->kind != SETTING_SCALAR && item->kind != SETTING_MISSING) {
            config_faults_add(faults, &item->value_place, "[%s] '%s' must be %s: here is none", table->owner, option->name,
                              types[option->type].expected);
            texts_free(texts);
            return false;
        }
        if (is_map)
            texts[count++] = xstrdup(item->name);
        texts[count++] = xstrdup(item->text);
    }
    *(char ***)field = texts;
    return true;
}

static bool given_write(const struct option_table *table, const struct stepd_option *option, const struct setting *given, void *field,
                        struct config_faults *faults)
{
    enum setting_kind kind = option->type == STEPD_STRING_LIST  ? SETTING_LIST
                             : option->type == STEPD_STRING_MAP ? SETTING_MAP
                                                                : SETTING_SCALAR;
    const char *expected = types[option->type].expected;

    if (given->kind != kind) {
        config_faults_add(faults, &given->value_place, "[%s] '%s' must be %s", table->owner, option->name, expected);
        return false;
    }
    if (kind != SETTING_SCALAR)
        return collection_write(table, option, given, field, faults);
    int status = scalar_write(option->type, given->text, field);
    if (option->type == STEPD_PATH && status == 0)
        path_complete(table->config_path, field);
    if (status == -ERANGE)
        config_faults_add(faults, &given->value_place, "[%s] '%s' is too large: '%s'", table->owner, option->name, setting_shown(given));
    else if (status != 0)
        config_faults_add(faults, &given->value_place, "[%s] '%s' must be %s, not '%s'", table->owner, option->name, expected,
                          setting_shown(given));
    return status == 0;
}

/* ---- the table -------------------------------------------------------------------------------- */

static size_t option_count(const struct stepd_option *options)
{
    size_t count = 0;

    while (options != NULL && options[count].name != NULL)
        count++;
    return count;
}

static const struct stepd_option *option_find(const struct stepd_option *options, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(options[i].name, name) == 0)
            return &options[i];
    }
    return NULL;
}

static bool is_among(const char *const *names, const char *name)
{
    for (; names != NULL && *names != NULL; names++) {
        if (strcmp(*names, name) == 0)
            return true;
    }
    return false;
}

static bool has_overlap(const struct stepd_option *options, size_t at)
{
    size_t start = options[at].offset;
    size_t end = start + types[options[at].type].size;

    assert((unsigned)options[at].type < TYPE_COUNT);
    for (size_t i = 0; i < at; i++) {
        if ((unsigned)options[i].type < TYPE_COUNT && options[i].offset < end && start < options[i].offset + types[options[i].type].size)
            return true;
    }
    return false;
}

static const char *option_fault(const struct option_table *table, size_t at)
{
    const struct stepd_option *option = &table->options[at];
    union { /* as large and as aligned as any field */
        int64_t number;
        double real;
        void *pointer;
    } trial = { 0 };

    if (option->name[0] == '\0')
        return "has an empty name";
    if (option_find(table->options, at, option->name) != NULL)
        return "stands there twice";
    if (is_among(table->taken, option->name))
        return "has the name of a setting that every function has: choose another";
    if ((unsigned)option->type >= TYPE_COUNT)
        return "has an unknown type";
    if (option->offset % types[option->type].size != 0 || option->offset > table->size ||
        table->size - option->offset < types[option->type].size)
        return "lies outside the struct: is .options_size set, and .offset an offsetof()?";
    if (has_overlap(table->options, at))
        return "lies where another option does: is .offset set?";
    if (option->default_text == NULL)
        return NULL;
    if (default_write(option, &trial) != 0)
        return "has a default that is not of its type";
    if (is_collection(option->type))
        texts_free(trial.pointer);
    else if (option->type == STEPD_STRING || option->type == STEPD_PATH)
        free(trial.pointer);
    return NULL;
}

bool options_check(const struct option_table *table, const struct place *place, struct config_faults *faults)
{
    size_t count = option_count(table->options);
    bool is_sound = true;

    for (size_t i = 0; i < count; i++) {
        const char *fault = option_fault(table, i);
        if (fault == NULL)
            continue;
        config_faults_add(faults, place, "[%s] option '%s' %s", table->owner, table->options[i].name, fault);
        is_sound = false;
    }
    return is_sound;
}

/* ---- filling ---------------------------------------------------------------------------------- */

static int name_compare(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static char *joined(const char *const *names, size_t count)
{
    char *text = xstrdup(count > 0 ? names[0] : "");

    for (size_t i = 1; i < count; i++) {
        char *longer = xasprintf("%s, %s", text, names[i]);
        free(text);
        text = longer;
    }
    return text;
}

static void fault_unknown(const struct option_table *table, const struct setting *given, struct config_faults *faults)
{
    size_t count = option_count(table->options);
    size_t known_count = count;
    size_t taken_count = 0;

    while (table->taken != NULL && table->taken[taken_count] != NULL)
        taken_count++;
    AUTO_FREE const char **names = xcalloc(count + taken_count + 1, sizeof(*names));
    for (size_t i = 0; i < count; i++)
        names[i] = table->options[i].name;
    qsort(names, count, sizeof(*names), name_compare);
    for (size_t i = 0; i < taken_count; i++)
        names[known_count++] = table->taken[i];
    const char *meant = config_suggest(given->name, names, known_count);
    AUTO_FREE char *list = joined(names, count);
    config_faults_add(faults, &given->place, "[%s] has no option '%s'%s%s%s%s%s%s", table->owner, given->name,
                      count > 0 ? " (it has: " : "", list, count > 0 ? ")" : "", meant != NULL ? ": did you mean '" : "",
                      meant != NULL ? meant : "", meant != NULL ? "'?" : "");
}

static void *field_of(const struct stepd_option *option, void *filled)
{
    assert(filled != NULL);
    return (char *)filled + option->offset;
}

void *options_fill(const struct option_table *table, const struct setting *given, const struct place *place, struct config_faults *faults)
{
    size_t count = option_count(table->options);
    void *filled = count > 0 ? xcalloc(1, table->size) : NULL;
    bool is_good = true;

    for (size_t i = 0; given != NULL && i < given->count; i++) {
        if (option_find(table->options, count, given->items[i].name) == NULL) {
            fault_unknown(table, &given->items[i], faults);
            is_good = false;
        }
    }
    for (size_t i = 0; i < count; i++) {
        const struct stepd_option *option = &table->options[i];
        const struct setting *value = setting_find(given, option->name);
        if (value != NULL && value->kind == SETTING_MISSING) {
            is_good = false;
        } else if (value != NULL && value->kind != SETTING_NULL) {
            is_good = given_write(table, option, value, field_of(option, filled), faults) && is_good;
        } else if (option->default_text == NULL) {
            config_faults_add(faults, value != NULL ? &value->place : place, "[%s] needs option '%s'%s%s", table->owner, option->name,
                              option->help != NULL ? ": " : "", option->help != NULL ? option->help : "");
            is_good = false;
        } else if (default_write(option, field_of(option, filled)) != 0) {
            config_faults_add(faults, place, "[%s] option '%s' has a default that is not of its type", table->owner, option->name);
            is_good = false;
        }
    }
    if (is_good)
        return filled;
    options_free(table->options, filled);
    return NULL;
}

void options_free(const struct stepd_option *options, void *filled)
{
    if (filled == NULL)
        return;
    assert(options != NULL);
    for (size_t i = 0; options[i].name != NULL; i++) {
        void *field = field_of(&options[i], filled);
        if (options[i].type == STEPD_STRING || options[i].type == STEPD_PATH)
            free(*(char **)field);
        else if (is_collection(options[i].type))
            texts_free(*(char ***)field);
    }
    free(filled);
}

void options_ask(const char *owner, options_check_fn *check, const void *filled, const struct place *place, struct config_faults *faults)
{
    char why[400] = "";

    if (check == NULL || filled == NULL)
        return;
    if (check(filled, why, sizeof(why)) != 0)
        config_faults_add(faults, place, "[%s] %s", owner, why[0] != '\0' ? why : "its module refuses the options");
}
