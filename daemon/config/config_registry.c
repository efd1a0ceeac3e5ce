/* SPDX-License-Identifier: Apache-2.0 */
/* `schema_registry`. */
#include <assert.h>
#include <string.h>

#include "base/array.h"
#include "base/memory.h"
#include "config/config_key.h"
#include "config/config_sections_internal.h"

static void registry_topics_read(struct config *config, const struct setting *topics, struct config_faults *faults)
{
    size_t count = 0;

    if (topics == NULL || topics->kind == SETTING_NULL || topics->kind == SETTING_MISSING)
        return;
    if (topics->kind != SETTING_LIST || topics->count == 0) {
        config_faults_add(faults, &topics->value_place, "'topics' must be a list of topics or patterns, such as [\"shop.*\"]");
        return;
    }
    config->schema_registry.topics = xcalloc(topics->count + 1, sizeof(*config->schema_registry.topics));
    for (size_t i = 0; i < topics->count; i++) {
        const char *pattern = config_pattern_read(&topics->items[i], "topics", "a topic or a pattern", faults);
        if (pattern != NULL)
            config->schema_registry.topics[count++] = pattern;
    }
}

static const char *registry_path(struct config *config, size_t place, const char *path)
{
    assert(place < COUNT_OF(config->schema_registry.owned) && config->schema_registry.owned[place] == NULL);
    if (path != NULL)
        config->schema_registry.owned[place] = config_path_absolute(config, path);
    return config->schema_registry.owned[place];
}

void config_registry_read(struct config *config, struct config_faults *faults)
{
    const struct setting *registry = setting_find(&config->root, "schema_registry");
    const struct setting *url = registry != NULL && registry->kind == SETTING_MAP ? setting_find(registry, "url") : NULL;

    if (registry == NULL || registry->kind != SETTING_MAP)
        return;
    config->schema_registry.is_on = true;
    registry_topics_read(config, setting_find(registry, "topics"), faults);
    config->schema_registry.ca_file = registry_path(config, 0, config->schema_registry.ca_file);
    config->schema_registry.certificate = registry_path(config, 1, config->schema_registry.certificate);
    config->schema_registry.private_key = registry_path(config, 2, config->schema_registry.private_key);
    if (url == NULL || url->kind == SETTING_NULL)
        config_faults_add(faults, &registry->place, "schema_registry has no 'url': where is it?");
    if (config->schema_registry.url == NULL)
        return;
    if (!config_is_web_url(config->schema_registry.url))
        config_faults_add(faults, &url->value_place,
                          "'url' must be one such as https://registry:8081; 'user' and 'password' are keys of their own");
    config->schema_registry.owned[3] = xstrdup(config->schema_registry.url);
    for (char *end = strchr(config->schema_registry.owned[3], '\0'); end > config->schema_registry.owned[3] && end[-1] == '/';)
        *--end = '\0';
    config->schema_registry.url = config->schema_registry.owned[3];
}

void config_registry_check(const struct config *config, struct config_faults *faults)
{
    const struct setting *registry = setting_find(&config->root, "schema_registry");

    if (!config->schema_registry.is_on)
        return;
    if (config->schema_registry.password != NULL && config->schema_registry.user == NULL)
        config_faults_add(faults, &registry->place, "schema_registry has a 'password' and no 'user'");
    if (config->schema_registry.user != NULL && strchr(config->schema_registry.user, ':') != NULL)
        config_faults_add(faults, &setting_find(registry, "user")->value_place,
                          "'user' can't have a ':': HTTP ends the user's name there; a 'password' is a key of its own");
    if ((config->schema_registry.private_key != NULL) != (config->schema_registry.certificate != NULL))
        config_faults_add(faults, &registry->place, "schema_registry has one of 'certificate' and 'private_key': they go together");
}
