/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "config/config_key.h"
#include "config/config_schema.h"
#include "config/config_sections.h"
#include "config/yaml.h"

static int is_drop_in(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');

    return entry->d_name[0] != '.' && dot != NULL && strcmp(dot, ".yaml") == 0;
}

/* By bytes, whatever the locale. */
static int drop_in_compare(const struct dirent **left, const struct dirent **right)
{
    return strcmp((*left)->d_name, (*right)->d_name);
}

/* False: a file can't be read, or is not YAML. */
static bool load_files(struct config *config, enum yaml_missing missing, struct config_faults *faults)
{
    AUTO_FREE char *copy = xstrdup(config->path);
    AUTO_FREE char *folder = xasprintf("%s/conf.d", dirname(copy));
    struct dirent **drop_ins = NULL;

    config->root.kind = SETTING_MAP;
    bool is_read = yaml_load(config->path, missing, &config->root, faults);
    int count = scandir(folder, &drop_ins, is_drop_in, drop_in_compare);
    if (count < 0 && errno != ENOENT && errno != ENOTDIR)
        config_faults_add(faults, &(struct place){ .file = place_file(folder) }, "can't be read: %s", strerror(errno));
    for (int i = 0; i < count; i++) {
        AUTO_FREE char *path = xasprintf("%s/%s", folder, drop_ins[i]->d_name);
        is_read = yaml_load(path, missing, &config->root, faults) && is_read;
        free(drop_ins[i]);
    }
    free(drop_ins);
    return is_read;
}

/* From what was read to what it means. */
static void interpret(struct config *config, struct config_faults *faults)
{
    config_keys_read(&CONFIG_TOP, &config->root, config, faults);
    for (size_t i = 0; i < CONFIG_SECTION_COUNT; i++) {
        const struct setting *section = setting_find(&config->root, CONFIG_SECTIONS[i].name);
        if (section != NULL && section->kind != SETTING_NULL && config_is_map(section, faults))
            config_keys_read(&CONFIG_SECTIONS[i].keys, section, config, faults);
    }
    config_read_by_hand(config, faults);
}

/* Half a file would be full of follow-up faults: NULL. */
static struct config *load_all(const char *path, enum yaml_missing missing, struct config_faults *faults)
{
    struct config *config = xcalloc(1, sizeof(*config));
    char real[PATH_MAX];

    config->path = xstrdup(realpath(path, real) != NULL ? real : path);
    config_set_defaults(config);
    if (load_files(config, missing, faults)) {
        interpret(config, faults);
        return config;
    }
    config_destroy(config);
    return NULL;
}

/* Takes the config. */
static int answer(struct config *config, size_t faults_before, const struct config_faults *faults, struct config **ret_config)
{
    assert(faults->count >= faults_before);
    if (faults->count == faults_before) {
        *ret_config = config;
        return 0;
    }
    config_destroy(config);
    return -EINVAL;
}

static int load(const char *path, enum yaml_missing missing, struct config **ret_config, struct config_faults *faults)
{
    size_t faults_before = faults->count;
    struct config *config = load_all(path, missing, faults);

    return answer(config, faults_before, faults, ret_config);
}

struct config *config_load_to_check(const char *path, struct config_faults *faults)
{
    return load_all(path, YAML_MISSING_IS_WRONG, faults);
}

int config_load(const char *path, struct config **ret_config, struct config_faults *faults)
{
    return load(path, YAML_MISSING_IS_WRONG, ret_config, faults);
}

int config_load_to_look(const char *path, struct config **ret_config, struct config_faults *faults)
{
    return load(path, YAML_MISSING_IS_EMPTY, ret_config, faults);
}

int config_parse(const char *name, const char *const *texts, size_t count, struct config **ret_config, struct config_faults *faults)
{
    struct config *config = xcalloc(1, sizeof(*config));
    size_t faults_before = faults->count;
    bool is_read = true;

    config->path = xstrdup(name);
    config_set_defaults(config);
    for (size_t i = 0; i < count; i++)
        is_read = yaml_parse(texts[i], name, YAML_MISSING_IS_WRONG, &config->root, faults) && is_read;
    if (is_read)
        interpret(config, faults);
    return answer(config, faults_before, faults, ret_config);
}

void config_destroy(struct config *config)
{
    if (config == NULL)
        return;
    for (size_t i = 0; config->modules != NULL && config->modules[i] != NULL; i++)
        free(config->modules[i]);
    free(config->modules);
    free(config->topics);
    free(config->redact);
    free(config->inngest.apps);
    free(config->schema_registry.topics);
    for (size_t i = 0; i < COUNT_OF(config->schema_registry.owned); i++)
        free(config->schema_registry.owned[i]);
    free(config->retry.schedule_ms);
    for (size_t i = 0; i < config->function_count; i++)
        config_function_done(&config->functions[i]);
    for (size_t i = 0; i < config->program_count; i++) {
        free(config->programs[i].command);
        free(config->programs[i].environment);
        free(config->programs[i].directory);
    }
    free(config->programs);
    free(config->functions);
    setting_done(&config->root);
    free(config->path);
    free(config);
}

void config_function_done(struct config_function *function)
{
    free(function->retry.schedule_ms);
    free(function->options.items);
    free(function->flow.items);
}

const struct config_function *config_function_find(const struct config *config, const char *id)
{
    for (size_t i = 0; i < config->function_count; i++) {
        if (strcmp(config->functions[i].id, id) == 0)
            return &config->functions[i];
    }
    return NULL;
}

const char *const *config_function_keys(void)
{
    static const char *names[CONFIG_KEYS_MAX + 1];

    assert(CONFIG_FUNCTION.count <= CONFIG_KEYS_MAX);
    for (size_t i = 0; i < CONFIG_FUNCTION.count; i++)
        names[i] = CONFIG_FUNCTION.list[i].name;
    return names;
}

const struct setting *config_module_options(const struct config *config, const char *name)
{
    return config->options != NULL ? setting_find(config->options, name) : NULL;
}

const char *config_kafka(const struct config *config, const char *name)
{
    const struct setting *setting = setting_find(config->kafka, name);

    return setting != NULL ? setting->text : NULL;
}
