/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config_sections.h"

#include <assert.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "config/address.h"
#include "config/config_flow.h"
#include "config/config_schema.h"

#define TOPIC_NAME_MAX 249
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

/* ---- kafka ------------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    const char *why;
} kafka_refused[] = {
    { "enable.auto.commit", "stepd commits an offset only when all before it is done" },
    { "auto.commit.enable", "stepd commits an offset only when all before it is done" },
    { "auto.commit.interval.ms", "stepd commits by itself; `commit_interval` says how often" },
    { "enable.auto.offset.store", "stepd commits an offset only when all before it is done" },
    { "offset.store.method", "offsets are kept by the brokers, where another daemon finds them" },
    { "partition.assignment.strategy", "it is cooperative-sticky: what happens when a partition is revoked is built on it; with "
                                       "group.protocol: consumer the brokers have it (group.remote.assignor)" },
    { "enable.partition.eof", "stepd asks for what it needs itself" },
    { "enable.idempotence", "it is always on, so that a dead letter is neither lost nor doubled by the producer" },
    { "acks", "a run ends only when all in-sync replicas have its dead letter" },
    { "request.required.acks", "a run ends only when all in-sync replicas have its dead letter" },
    { "transactional.id", "stepd's delivery is at least once, without transactions" },
};

static void kafka_setting_check(const struct setting *setting, struct config_faults *faults)
{
    for (size_t i = 0; i < COUNT_OF(kafka_refused); i++) {
        if (strcmp(kafka_refused[i].name, setting->name) == 0) {
            config_faults_add(faults, &setting->place, "'%s' can't be set: %s", setting->name, kafka_refused[i].why);
            return;
        }
    }
    (void)config_text(setting, "a text or a number, as librdkafka takes it", faults);
}

/* `text` NULL: a map. */
static struct setting *map_add(struct setting *map, const char *name, const char *text)
{
    assert(setting_find(map, name) == NULL);
    map->items = xrealloc(map->items, (map->count + 1) * sizeof(*map->items));
    struct setting *item = &map->items[map->count++];
    *item = (struct setting){
        .name = xstrdup(name),
        .kind = text != NULL ? SETTING_SCALAR : SETTING_MAP,
        .text = xstrdup_or_null(text),
    };
    return item;
}

static void kafka_read(struct config *config, struct config_faults *faults)
{
    struct setting *kafka = NULL;

    for (size_t i = 0; i < config->root.count; i++) {
        if (strcmp(config->root.items[i].name, "kafka") == 0)
            kafka = &config->root.items[i];
    }
    if (kafka == NULL)
        kafka = map_add(&config->root, "kafka", NULL);
    if (kafka->kind == SETTING_NULL)
        kafka->kind = SETTING_MAP;
    if (!config_is_map(kafka, faults))
        return;
    for (size_t i = 0; i < kafka->count; i++)
        kafka_setting_check(&kafka->items[i], faults);
    if (setting_find(kafka, "bootstrap.servers") == NULL && setting_find(kafka, "metadata.broker.list") == NULL)
        config_faults_add(faults, kafka->place.file != NULL ? &kafka->place : &(struct place){ .file = place_file(config->path) },
                          "kafka has no 'bootstrap.servers': where is Kafka?");
    if (setting_find(kafka, "group.id") == NULL)
        (void)map_add(kafka, "group.id", "stepd");
    config->kafka = kafka;
}

/* ---- topics, modules, functions, options ------------------------------------------------------ */

static bool topic_is_valid(const char *name)
{
    size_t length = strlen(name);

    return length > 0 && length <= TOPIC_NAME_MAX && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
           strspn(name, LETTERS "._-") == length;
}

static bool function_id_is_valid(const char *id)
{
    size_t length = strlen(id);

    return length > 0 && length <= 200 && strspn(id, LETTERS "-_.:/") == length;
}

/* With each %t for an event's topic. */
static bool is_dead_letter_topic(const char *name)
{
    name += strspn(name, LETTERS "._-");
    while (strncmp(name, "%t", 2) == 0)
        name += 2 + strspn(name + 2, LETTERS "._-");
    return *name == '\0';
}

static void topics_read(struct config *config, struct config_faults *faults)
{
    const struct setting *topics = setting_find(&config->root, "topics");
    size_t count = 0;

    config->topics = xcalloc((topics != NULL ? topics->count : 0) + 1, sizeof(*config->topics));
    if (topics == NULL) {
        config_faults_add(faults, &(struct place){ .file = place_file(config->path) }, "no 'topics': which are to be read?");
        return;
    }
    if (topics->kind == SETTING_MISSING)
        return;
    if (topics->kind != SETTING_LIST || topics->count == 0) {
        config_faults_add(faults, &topics->value_place, "'topics' must be a list of topics, such as [events]");
        return;
    }
    for (size_t i = 0; i < topics->count; i++) {
        const char *name = config_text(&topics->items[i], "a topic's name", faults);
        if (name != NULL && !topic_is_valid(name))
            config_faults_add(faults, &topics->items[i].value_place, "'%s' is no topic: 1 to %d letters, digits, '.', '_' and '-'", name,
                              TOPIC_NAME_MAX);
        else if (name != NULL && config_reads_topic(config, name))
            config_faults_add(faults, &topics->items[i].value_place, "'%s' is named twice", name);
        else if (name != NULL)
            config->topics[count++] = name;
    }
}

/* A name, or one with * as in a shell; NULL after a fault. */
static const char *pattern_read(const struct setting *setting, const char *list, const char *expected, struct config_faults *faults)
{
    const char *pattern = config_text(setting, expected, faults);

    if (pattern == NULL || pattern[0] != '\0')
        return pattern;
    config_faults_add(faults, &setting->value_place, "'%s' has an empty entry, which fits nothing: it must be %s", list, expected);
    return NULL;
}

/* A list of one's own stands in the place of the default; it may be empty. */
static void redact_read(struct config *config, struct config_faults *faults)
{
    static const char *const usual[] = { "authorization", "cookie", "*token*", "*secret*", "*password*" };
    const struct setting *redact = setting_find(&config->root, "redact");
    const bool is_given = redact != NULL && redact->kind != SETTING_NULL && redact->kind != SETTING_MISSING;
    size_t count = 0;

    config->redact = xcalloc((is_given ? redact->count : COUNT_OF(usual)) + 1, sizeof(*config->redact));
    for (size_t i = 0; !is_given && i < COUNT_OF(usual); i++)
        config->redact[i] = usual[i];
    if (!is_given)
        return;
    if (redact->kind != SETTING_LIST)
        config_faults_add(faults, &redact->value_place, "'redact' must be a list of headers, such as [authorization, \"*token*\"]");
    for (size_t i = 0; redact->kind == SETTING_LIST && i < redact->count; i++) {
        const char *pattern = pattern_read(&redact->items[i], "redact", "a header's name or a pattern", faults);
        if (pattern != NULL)
            config->redact[count++] = pattern;
    }
}

/* A path of the config counts from the config's own folder. */
static char *path_absolute(const struct config *config, const char *path)
{
    if (path[0] == '/')
        return xstrdup(path);
    AUTO_FREE char *copy = xstrdup(config->path);
    return xasprintf("%s/%s", dirname(copy), path);
}

static void modules_read(struct config *config, struct config_faults *faults)
{
    const struct setting *modules = setting_find(&config->root, "modules");
    size_t count = 0;

    config->modules = xcalloc((modules != NULL ? modules->count : 0) + 1, sizeof(*config->modules));
    if (modules == NULL || modules->kind == SETTING_NULL || modules->kind == SETTING_MISSING)
        return;
    if (modules->kind != SETTING_LIST) {
        config_faults_add(faults, &modules->value_place, "'modules' must be a list of files and folders");
        return;
    }
    for (size_t i = 0; i < modules->count; i++) {
        const char *path = config_text(&modules->items[i], "a file or a folder", faults);
        if (path != NULL)
            config->modules[count++] = path_absolute(config, path);
    }
}

static void inngest_read(struct config *config, struct config_faults *faults)
{
    const struct setting *inngest = setting_find(&config->root, "inngest");
    const struct setting *apps = inngest != NULL && inngest->kind == SETTING_MAP ? setting_find(inngest, "apps") : NULL;
    size_t count = 0;

    config->inngest.is_on = inngest != NULL;
    config->inngest.apps = xcalloc((apps != NULL ? apps->count : 0) + 1, sizeof(*config->inngest.apps));
    if (config->inngest.is_on && config->inngest.topic == NULL)
        config->inngest.topic = config->topics[0];
    if (apps == NULL || apps->kind == SETTING_NULL)
        return;
    if (apps->kind != SETTING_LIST) {
        config_faults_add(faults, &apps->value_place, "'apps' must be a list of URLs, such as [\"http://localhost:3000/api/inngest\"]");
        return;
    }
    for (size_t i = 0; i < apps->count; i++) {
        const char *url = config_text(&apps->items[i], "an URL", faults);
        if (url != NULL && strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
            config_faults_add(faults, &apps->items[i].value_place, "an app is an URL, such as http://localhost:3000/api/inngest");
        else if (url != NULL)
            config->inngest.apps[count++] = url;
    }
}

/* ---- schema_registry -------------------------------------------------------------------------- */

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
        const char *pattern = pattern_read(&topics->items[i], "topics", "a topic or a pattern", faults);
        if (pattern != NULL)
            config->schema_registry.topics[count++] = pattern;
    }
}

static bool is_web_url(const char *url)
{
    const char *host = strncmp(url, "http://", 7) == 0 ? url + 7 : strncmp(url, "https://", 8) == 0 ? url + 8 : "";

    return strcspn(host, "/@?#") > 0 && strpbrk(host, "@?# ") == NULL;
}

static const char *registry_path(struct config *config, size_t place, const char *path)
{
    assert(place < COUNT_OF(config->schema_registry.owned) && config->schema_registry.owned[place] == NULL);
    if (path != NULL)
        config->schema_registry.owned[place] = path_absolute(config, path);
    return config->schema_registry.owned[place];
}

static void registry_read(struct config *config, struct config_faults *faults)
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
    if (!is_web_url(config->schema_registry.url))
        config_faults_add(faults, &url->value_place,
                          "'url' must be one such as https://registry:8081; 'user' and 'password' are keys of their own");
    config->schema_registry.owned[3] = xstrdup(config->schema_registry.url);
    for (char *end = strchr(config->schema_registry.owned[3], '\0'); end > config->schema_registry.owned[3] && end[-1] == '/';)
        *--end = '\0';
    config->schema_registry.url = config->schema_registry.owned[3];
}

static void registry_check(const struct config *config, struct config_faults *faults)
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

static bool starts_by_flow(const struct config_function *function)
{
    return setting_find(&function->flow, "events") != NULL || setting_find(&function->flow, "cron") != NULL;
}

void config_function_read(const struct setting *setting, struct config_function *function, struct config_faults *faults)
{
    *function = (struct config_function){ .id = setting->name, .place = setting->place, .is_enabled = true };
    function->options = (struct setting){ .name = setting->name, .place = setting->place, .kind = SETTING_MAP };
    function->flow = function->options;
    if (!function_id_is_valid(setting->name))
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
    if (function->topic != NULL && !topic_is_valid(function->topic))
        config_faults_add(faults, &setting_find(setting, "topic")->value_place, "'%s' is no topic", function->topic);
}

static void functions_read(struct config *config, struct config_faults *faults)
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
    if (!function_id_is_valid(setting->name))
        config_faults_add(faults, &setting->place, "'%s' is no program's name: letters, digits, and any of -_.:/", setting->name);
    if (setting->kind == SETTING_NULL)
        config_faults_add(faults, &setting->place, "program '%s' has no 'command'", setting->name);
    if (setting->kind == SETTING_NULL || !config_is_map(setting, faults))
        return;
    config_keys_read(&CONFIG_PROGRAM, setting, program, faults);
    command_read(setting, program, faults);
    environment_read(setting, program, faults);
    program->directory = program->directory_given != NULL ? path_absolute(config, program->directory_given) : xstrdup("");
}

static void programs_read(struct config *config, struct config_faults *faults)
{
    const struct setting *programs = setting_find(&config->root, "programs");

    if (programs == NULL || programs->kind == SETTING_NULL || !config_is_map(programs, faults))
        return;
    config->programs = xcalloc(programs->count, sizeof(*config->programs));
    config->program_count = programs->count;
    for (size_t i = 0; i < programs->count; i++)
        program_read(config, &programs->items[i], &config->programs[i], faults);
}

static void options_read(struct config *config, struct config_faults *faults)
{
    const struct setting *options = setting_find(&config->root, "options");

    if (options == NULL || options->kind == SETTING_NULL || !config_is_map(options, faults))
        return;
    config->options = options;
    for (size_t i = 0; i < options->count; i++)
        (void)config_is_map(&options->items[i], faults);
}

/* ---- tracing ------------------------------------------------------------------------------------- */

static void sample_read(struct config *config, const struct setting *sample, struct config_faults *faults)
{
    const char *text = config_text(sample, "a share, such as 0.1", faults);
    char *end = NULL;

    if (text == NULL)
        return;
    double share = strtod(text, &end);
    if (end == text || *end != '\0' || strspn(text, "0123456789.e-") != strlen(text) || !(share >= 0 && share <= 1))
        config_faults_add(faults, &sample->value_place, "'sample' must be between 0 and 1, not '%s'", text);
    else
        config->tracing.sample = share;
}

static void tracing_read(struct config *config, struct config_faults *faults)
{
    const struct setting *tracing = setting_find(&config->root, "tracing");
    const struct setting *otlp, *sample;

    if (tracing == NULL || tracing->kind != SETTING_MAP)
        return;
    otlp = setting_find(tracing, "otlp");
    sample = setting_find(tracing, "sample");
    if (otlp == NULL || otlp->kind == SETTING_NULL)
        config_faults_add(faults, &tracing->place, "tracing has no 'otlp': where is the collector?");
    else if (config->tracing.otlp != NULL && !is_web_url(config->tracing.otlp))
        config_faults_add(faults, &otlp->value_place, "'otlp' must be an URL such as http://collector:4318");
    if (sample != NULL && sample->kind != SETTING_NULL)
        sample_read(config, sample, faults);
}

/* ---- what one key alone can't tell ------------------------------------------------------------ */

/* Events that come in over HTTP must come back from Kafka. */
static void inngest_check(const struct config *config, struct config_faults *faults)
{
    const struct setting *inngest = setting_find(&config->root, "inngest");

    if (!config->inngest.is_on)
        return;
    if (config->http_listen[0] == '\0')
        config_faults_add(faults, &inngest->place, "'inngest' needs HTTP, which 'http.listen' turns off");
    if (config->inngest.topic != NULL && !config_reads_topic(config, config->inngest.topic))
        config_faults_add(faults, &inngest->place, "inngest.topic '%s' is none of 'topics': its events would start nothing",
                          config->inngest.topic);
}

static void config_check(struct config *config, struct config_faults *faults)
{
    const struct setting *redis = setting_find(&config->root, "redis");
    const struct setting *http = setting_find(&config->root, "http");
    const struct setting *dead_letter = setting_find(&config->root, "dead_letter");
    const struct setting *worker = setting_find(&config->root, "worker");
    struct error error;

    if (strncmp(config->redis.url, "redis+cluster://", 16) == 0 && setting_find(redis, "shards") == NULL)
        config->redis.shards = 16;
    if (strpbrk(config->redis.prefix, "{}") != NULL)
        config_faults_add(faults, &setting_find(redis, "prefix")->value_place,
                          "'prefix' must not hold braces: they choose a Cluster's slot");
    if (config->http_listen[0] != '\0' && address_check(config->http_listen, &error) != 0)
        config_faults_add(faults, &setting_find(http, "listen")->value_place, "%s", error.text);
    if (!is_dead_letter_topic(config->dead_letter_topic))
        config_faults_add(faults, &setting_find(dead_letter, "topic")->value_place,
                          "'topic' must be letters, digits, '.', '_' and '-', or %%t for the event's topic");
    for (size_t i = 0; config->topics[i] != NULL; i++) {
        if (strcmp(config->topics[i], config->dead_letter_topic) == 0 || strcmp(config->dead_letter_topic, "%t") == 0) {
            config_faults_add(faults, &setting_find(dead_letter, "topic")->value_place,
                              "dead letters would come back as events: '%s' is read", config->topics[i]);
            break;
        }
    }
    if (config->worker.drain_timeout_ms > config->worker.shutdown_timeout_ms)
        config_faults_add(faults, &worker->place, "'drain_timeout' must not be longer than 'shutdown_timeout'");
}

void config_read_by_hand(struct config *config, struct config_faults *faults)
{
    kafka_read(config, faults);
    redact_read(config, faults);
    topics_read(config, faults);
    inngest_read(config, faults);
    registry_read(config, faults);
    tracing_read(config, faults);
    modules_read(config, faults);
    functions_read(config, faults);
    programs_read(config, faults);
    options_read(config, faults);
    config_check(config, faults);
    inngest_check(config, faults);
    registry_check(config, faults);
}
