/* SPDX-License-Identifier: Apache-2.0 */
#include "modules/loader.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "modules/module_file.h"
#include "modules/options.h"
#include "modules/shipped.h"

#define FUNCTION_COUNT_MAX 100000

/* ---- finding and opening ---------------------------------------------------------------------- */

static bool is_loaded(const struct loaded *loaded, const void *handle)
{
    for (size_t i = 0; i < loaded->module_count; i++) {
        if (loaded->modules[i]->handle == handle)
            return true;
    }
    return false;
}

static const struct module *module_named(const struct loaded *loaded, const char *name)
{
    for (size_t i = 0; i < loaded->module_count; i++) {
        if (strcmp(loaded->modules[i]->declared->name, name) == 0)
            return loaded->modules[i];
    }
    return NULL;
}

/* What holds of a module as a whole; its functions come later, when all modules are known. */
static bool module_check(const struct loaded *loaded, const struct module *module, struct config_faults *faults)
{
    const struct stepd_module *declared = module->declared;
    const struct place place = { .file = place_file(module->path) };

    if (declared->name == NULL || declared->name[0] == '\0') {
        config_faults_add(faults, &place, "has no .name");
        return false;
    }
    const struct module *other = module_named(loaded, declared->name);
    if (other != NULL) {
        config_faults_add(faults, &place, "is module '%s', as %s is: rename one, or remove it", declared->name, other->path);
        return false;
    }
    if (declared->functions == NULL || declared->function_count == 0 || declared->function_count > FUNCTION_COUNT_MAX) {
        config_faults_add(faults, &place, "[module %s] has no functions: .functions = STEPD_FUNCTIONS(...)", declared->name);
        return false;
    }
    AUTO_FREE char *owner = xasprintf("module %s", declared->name);
    const struct option_table table = { .owner = owner, .options = declared->options, .size = declared->options_size };
    return options_check(&table, &place, faults);
}

/* A file that is named twice, or by another name too, is one module. */
static bool file_load(struct loaded *loaded, const char *path, struct config_faults *faults)
{
    struct module *module = module_open(path, faults);

    if (module == NULL)
        return false;
    if (is_loaded(loaded, module->handle)) {
        module_forget(module);
        return true;
    }
    if (!module_check(loaded, module, faults)) {
        module_forget(module);
        return false;
    }
    module->index = loaded->module_count;
    loaded->modules = xrealloc(loaded->modules, (loaded->module_count + 1) * sizeof(*loaded->modules));
    loaded->modules[loaded->module_count++] = module;
    return true;
}

static int is_shared_object(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');

    return entry->d_name[0] != '.' && dot != NULL && strcmp(dot, ".so") == 0;
}

/* By bytes, whatever the locale. */
static int entry_compare(const struct dirent **left, const struct dirent **right)
{
    return strcmp((*left)->d_name, (*right)->d_name);
}

static bool folder_load(struct loaded *loaded, const char *folder, const struct place *place, struct config_faults *faults)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, is_shared_object, entry_compare);
    bool is_complete = count >= 0;

    if (count < 0)
        config_faults_add(faults, place, "modules of '%s': %s", folder, strerror(errno));
    if (count == 0)
        log_warn("no modules in %s", folder);
    for (int i = 0; i < count; i++) {
        AUTO_FREE char *path = xasprintf("%s/%s", folder, entries[i]->d_name);
        is_complete = file_load(loaded, path, faults) && is_complete;
        free(entries[i]);
    }
    free(entries);
    return is_complete;
}

static bool path_load(struct loaded *loaded, const char *path, const struct place *place, struct config_faults *faults)
{
    struct stat info;

    if (stat(path, &info) != 0) {
        config_faults_add(faults, place, "module '%s': %s", path, strerror(errno));
        return false;
    }
    return S_ISDIR(info.st_mode) ? folder_load(loaded, path, place, faults) : file_load(loaded, path, faults);
}

/* Where the config names its module number `at`. */
static struct place path_place(const struct config *config, size_t at)
{
    const struct setting *modules = setting_find(&config->root, "modules");

    if (modules == NULL || at >= modules->count)
        return (struct place){ .file = place_file(config->path) };
    return modules->items[at].value_place;
}

static bool files_load(struct loaded *loaded, const struct config *config, struct config_faults *faults)
{
    bool is_complete = true;

    for (size_t i = 0; config->modules[i] != NULL; i++) {
        const struct place place = path_place(config, i);
        is_complete = path_load(loaded, config->modules[i], &place, faults) && is_complete;
    }
    return is_complete;
}

/* ---- what comes with the daemon --------------------------------------------------------------- */

static bool module_has_template(const struct module *module, const char *name)
{
    for (size_t i = 0; i < module->declared->function_count; i++) {
        const struct stepd_function function = module_function(module, i);
        if (function.template && function.id != NULL && strcmp(function.id, name) == 0)
            return true;
    }
    return false;
}

/* A module of the config's own that has such a template, or such a name, stands for the one that is shipped. */
static bool is_shipped_and_missing(const struct loaded *loaded, const char *name)
{
    if (!shipped_has(name) || module_named(loaded, name) != NULL)
        return false;
    for (size_t i = 0; i < loaded->module_count; i++) {
        if (module_has_template(loaded->modules[i], name))
            return false;
    }
    return true;
}

static bool shipped_load(struct loaded *loaded, const char *name, struct config_faults *faults)
{
    if (!is_shipped_and_missing(loaded, name))
        return true;
    AUTO_FREE char *path = shipped_file(name);
    return path == NULL || file_load(loaded, path, faults);
}

/* Only those that a function or an option asks for: the others cost nothing. */
static bool shipped_load_wanted(struct loaded *loaded, const struct config *config, struct config_faults *faults)
{
    bool is_complete = true;

    for (size_t i = 0; i < config->function_count; i++) {
        if (config->functions[i].use != NULL)
            is_complete = shipped_load(loaded, config->functions[i].use, faults) && is_complete;
    }
    for (size_t i = 0; config->options != NULL && i < config->options->count; i++)
        is_complete = shipped_load(loaded, config->options->items[i].name, faults) && is_complete;
    return is_complete;
}

/* Code is loaded at the start alone. False: a function of the new config waits for the next. */
static bool shipped_check_loaded(const struct loaded *loaded, const struct config *config, struct config_faults *faults)
{
    const size_t faults_before = faults->count;

    for (size_t i = 0; i < config->function_count; i++) {
        const struct config_function *given = &config->functions[i];
        if (given->use != NULL && is_shipped_and_missing(loaded, given->use))
            config_faults_add(faults, &given->place,
                              "'use: %s' is the first of its kind, and its module is loaded at the start: restart stepd", given->use);
    }
    return faults->count == faults_before;
}

/* ---- the modules' own options ----------------------------------------------------------------- */

static void *module_options_fill(const struct module *module, const struct config *config, struct config_faults *faults)
{
    const struct stepd_module *declared = module->declared;
    const struct setting *given = config_module_options(config, declared->name);
    const struct place place = given != NULL ? given->place : (struct place){ .file = place_file(config->path) };
    AUTO_FREE char *owner = xasprintf("module %s", declared->name);
    const struct option_table table = {
        .owner = owner, .options = declared->options, .size = declared->options_size, .config_path = config->path
    };

    void *filled = options_fill(&table, given, &place, faults);

    options_ask(owner, declared->check, filled, &place, faults);
    return filled;
}

static void options_load(struct loaded *loaded, const struct config *config, struct config_faults *faults)
{
    for (size_t i = 0; i < loaded->module_count; i++)
        loaded->modules[i]->options = module_options_fill(loaded->modules[i], config, faults);
}

/* They are for the next start, but what is wrong with them is told now. */
static void options_check_values(const struct loaded *loaded, const struct config *config, struct config_faults *faults)
{
    for (size_t i = 0; i < loaded->module_count; i++)
        options_free(loaded->modules[i]->declared->options, module_options_fill(loaded->modules[i], config, faults));
}

/* Options of a module that is not there are a slip. */
static void options_check_names(const struct loaded *loaded, const struct config *config, struct config_faults *faults)
{
    AUTO_FREE const char **names = xcalloc(loaded->module_count + 1, sizeof(*names));

    for (size_t i = 0; i < loaded->module_count; i++)
        names[i] = loaded->modules[i]->declared->name;
    for (size_t i = 0; config->options != NULL && i < config->options->count; i++) {
        const struct setting *given = &config->options->items[i];
        if (module_named(loaded, given->name) != NULL)
            continue;
        const char *meant = config_suggest(given->name, names, loaded->module_count);
        config_faults_add(faults, &given->place, "no module '%s' is loaded%s%s%s", given->name, meant != NULL ? ", did you mean '" : "",
                          meant != NULL ? meant : "", meant != NULL ? "'?" : "");
    }
}

/* ---- the whole -------------------------------------------------------------------------------- */

int loader_load(const struct config *config, struct loaded **ret_loaded, struct config_faults *faults)
{
    struct loaded *loaded = xcalloc(1, sizeof(*loaded));
    size_t faults_before = faults->count;
    /* A misspelt `modules` does not make a slip of each function. */
    bool is_complete = files_load(loaded, config, faults) && (faults_before == 0 || config->modules[0] != NULL);
    is_complete = shipped_load_wanted(loaded, config, faults) && is_complete;

    loaded->config = config;
    options_load(loaded, config, faults);
    if (is_complete)
        options_check_names(loaded, config, faults);
    functions_build(config, loaded->modules, loaded->module_count, is_complete, &loaded->functions, faults);
    if (faults->count > faults_before) {
        loaded_destroy(loaded);
        return -EINVAL;
    }
    *ret_loaded = loaded;
    return 0;
}

static bool names_same_modules(const struct config *one, const struct config *other)
{
    size_t i = 0;

    while (one->modules[i] != NULL && other->modules[i] != NULL && strcmp(one->modules[i], other->modules[i]) == 0)
        i++;
    return one->modules[i] == NULL && other->modules[i] == NULL;
}

int loader_renew(struct loaded *loaded, const struct config *config, struct config_faults *faults)
{
    size_t faults_before = faults->count;
    bool is_complete = names_same_modules(loaded->config, config);

    is_complete = shipped_check_loaded(loaded, config, faults) && is_complete;
    struct functions newer = { 0 };

    options_check_values(loaded, config, faults);
    if (is_complete)
        options_check_names(loaded, config, faults);
    functions_build(config, loaded->modules, loaded->module_count, is_complete, &newer, faults);
    if (faults->count > faults_before) {
        functions_done(&newer);
        return -EINVAL;
    }
    loaded->renewals = xrealloc(loaded->renewals, (loaded->renewal_count + 1) * sizeof(*loaded->renewals));
    loaded->renewals[loaded->renewal_count++] = newer;
    functions_renew(&loaded->functions, &newer);
    return 0;
}

int modules_init(struct loaded *loaded, struct error *ret_error)
{
    assert(loaded->initialised_count == 0);
    for (size_t i = 0; i < loaded->module_count; i++) {
        struct module *module = loaded->modules[i];
        int status = module->declared->init != NULL ? module->declared->init(module->options, &module->shared) : 0;
        if (status != 0) {
            modules_exit(loaded);
            return error_set(ret_error, ECANCELED, "module %s (%s) refused to start: init answered %d", module->declared->name,
                             module->path, status);
        }
        loaded->initialised_count++;
    }
    return 0;
}

void modules_exit(struct loaded *loaded)
{
    while (loaded->initialised_count > 0) {
        struct module *module = loaded->modules[--loaded->initialised_count];
        assert(loaded->initialised_count < loaded->module_count);
        if (module->declared->exit != NULL)
            module->declared->exit(module->shared);
        module->shared = NULL;
    }
}

void loaded_destroy(struct loaded *loaded)
{
    if (loaded == NULL)
        return;
    assert(loaded->initialised_count == 0); /* modules_exit() first */
    functions_done(&loaded->functions);
    for (size_t i = 0; i < loaded->renewal_count; i++)
        functions_done(&loaded->renewals[i]);
    free(loaded->renewals);
    for (size_t i = 0; i < loaded->module_count; i++) {
        options_free(loaded->modules[i]->declared->options, loaded->modules[i]->options);
        module_forget(loaded->modules[i]);
    }
    free(loaded->modules);
    free(loaded);
}
