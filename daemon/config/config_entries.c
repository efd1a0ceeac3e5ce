/* SPDX-License-Identifier: Apache-2.0 */
/* The entries of `functions` and `programs`: maps whose names are the user's. */
#include <assert.h>
#include <string.h>

#include "base/memory.h"
#include "config/config_flow.h"
#include "config/config_schema.h"
#include "config/config_sections_internal.h"

static bool id_is_valid(const char *id)
{
    size_t length = strlen(id);

    return length > 0 && length <= 200 && strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/") == length;
}

/* With each %t for an event's topic. */
/* ---- functions --------------------------------------------------------------------------------- */

static bool starts_by_flow(const struct config_function *function)
{
    return setting_find(&function->flow, "events") != NULL || setting_find(&function->flow, "cron") != NULL;
}

void config_function_read(const struct setting *setting, struct config_function *function, struct config_faults *faults)
{
    *function = (struct config_function){ .id = setting->name, .place = setting->place, .is_enabled = true };
    function->options = (struct setting){ .name = setting->name, .place = setting->place, .kind = SETTING_MAP };
    function->flow = function->options;
    if (!id_is_valid(setting->name))
        config_faults_add(faults, &setting->place, "'%s' is no function's id: letters, digits, and any of -_.:/", setting->name);
    if (setting->kind == SETTING_NULL || !config_is_map(setting, faults))
        return;
    function->options.items = xcalloc(setting->count, sizeof(*function->options.items));
    function->flow.items = xcalloc(setting->count, sizeof(*function->flow.items));
    for (size_t i = 0; i < setting->count; i++) {
        const struct setting *item = &setting->items[i];
        const struct config_key *key = config_keys_find(&CONFIG_FUNCTION, item->name);
        if (config_flow_is_key(item->name))
            function->flow.items[function->flow.count++] = *item;
        else if (key == NULL)
            function->options.items[function->options.count++] = *item;
        else if (item->kind != SETTING_NULL)
            config_key_read(key, item, function, faults);
    }
    assert(function->options.count + function->flow.count <= setting->count);
    if (function->event != NULL && function->topic != NULL)
        config_faults_add(faults, &setting->place, "function '%s' has both 'event' and 'topic': it is started by one", setting->name);
    if (function->use != NULL && function->event == NULL && function->topic == NULL && !starts_by_flow(function))
        config_faults_add(faults, &setting->place, "function '%s' has neither 'event' nor 'topic': what starts it?", setting->name);
    if (function->topic != NULL && !config_topic_is_valid(function->topic))
        config_faults_add(faults, &setting_find(setting, "topic")->value_place, "'%s' is no topic", function->topic);
}

void config_functions_read(struct config *config, struct config_faults *faults)
{
    const struct setting *functions = setting_find(&config->root, "functions");

    if (functions == NULL || functions->kind == SETTING_NULL || !config_is_map(functions, faults))
        return;
    config->functions = xcalloc(functions->count, sizeof(*config->functions));
    config->function_count = functions->count;
    for (size_t i = 0; i < functions->count; i++)
        config_function_read(&functions->items[i], &config->functions[i], faults);
}

/* ---- programs ---------------------------------------------------------------------------------- */

/* What no program can be given, and what no variable can be called. */
#define ARGUMENT_MOST (128 * 1024 - 1)

static void command_read(const struct setting *setting, struct config_program *program, struct config_faults *faults)
{
    const struct setting *command = setting_find(setting, "command");
    size_t count = command != NULL && command->kind == SETTING_LIST ? command->count : 0;

    program->command = xcalloc(count + 1, sizeof(*program->command));
    if (command != NULL && command->kind == SETTING_MISSING)
        return;
    if (count == 0) {
        config_faults_add(faults, command != NULL ? &command->value_place : &setting->place,
                          "program '%s': 'command' must be a list: the program, then its arguments", setting->name);
        return;
    }
    for (size_t i = 0, told = 0; i < count; i++) {
        const char *word = config_text(&command->items[i], "a text", faults);
        if (word != NULL && (strlen(word) > ARGUMENT_MOST || (i == 0 && word[0] == '\0')))
            config_faults_add(faults, &command->items[i].value_place, "program '%s' can't be given such an argument", setting->name);
        else if (word != NULL)
            program->command[told++] = word;
    }
}

static void environment_read(const struct setting *setting, struct config_program *program, struct config_faults *faults)
{
    const struct setting *env = setting_find(setting, "env");
    size_t count = 0;

    program->environment = xcalloc(2 * (env != NULL ? env->count : 0) + 1, sizeof(*program->environment));
    if (env == NULL || env->kind == SETTING_NULL || !config_is_map(env, faults))
        return;
    for (size_t i = 0; i < env->count; i++) {
        const struct setting *item = &env->items[i];
        const char *value = config_text(item, "a text", faults);
        if (item->name[0] == '\0' || strchr(item->name, '=') != NULL)
            config_faults_add(faults, &item->place, "'env' has '%s', which can't be the name of a variable", item->name);
        else if (value != NULL && strlen(item->name) + 1 + strlen(value) > ARGUMENT_MOST)
            config_faults_add(faults, &item->place, "'env' has more than 128 KiB for '%.100s', which no program can be given", item->name);
        else if (value != NULL) {
            program->environment[count++] = item->name;
            program->environment[count++] = value;
        }
    }
}

static void program_read(const struct config *config, const struct setting *setting, struct config_program *program,
                         struct config_faults *faults)
{
    *program = (struct config_program){
        .name = setting->name,
        .place = setting->place,
        .processes = 1,
        .in_flight = 64,
        .drain_ms = 10000,
        .inherits_environment = true,
    };
    if (!id_is_valid(setting->name))
        config_faults_add(faults, &setting->place, "'%s' is no program's name: letters, digits, and any of -_.:/", setting->name);
    if (setting->kind == SETTING_NULL)
        config_faults_add(faults, &setting->place, "program '%s' has no 'command'", setting->name);
    if (setting->kind == SETTING_NULL || !config_is_map(setting, faults))
        return;
    config_keys_read(&CONFIG_PROGRAM, setting, program, faults);
    command_read(setting, program, faults);
    environment_read(setting, program, faults);
    program->directory = program->directory_given != NULL ? config_path_absolute(config, program->directory_given) : xstrdup("");
}

void config_programs_read(struct config *config, struct config_faults *faults)
{
    const struct setting *programs = setting_find(&config->root, "programs");

    if (programs == NULL || programs->kind == SETTING_NULL || !config_is_map(programs, faults))
        return;
    config->programs = xcalloc(programs->count, sizeof(*config->programs));
    config->program_count = programs->count;
    for (size_t i = 0; i < programs->count; i++)
        program_read(config, &programs->items[i], &config->programs[i], faults);
}
