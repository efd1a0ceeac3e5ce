/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config_sections.h"

#include <assert.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "config/address.h"
#include "config/config_key.h"
#include "config/config_sections_internal.h"

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

/* ---- topics, modules, inngest, options ------------------------------------------------------ */

bool config_topic_is_valid(const char *name)
{
    size_t length = strlen(name);

    return length > 0 && length <= TOPIC_NAME_MAX && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
           strspn(name, LETTERS "._-") == length;
}

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
        if (name != NULL && !config_topic_is_valid(name))
            config_faults_add(faults, &topics->items[i].value_place, "'%s' is no topic: 1 to %d letters, digits, '.', '_' and '-'", name,
                              TOPIC_NAME_MAX);
        else if (name != NULL && config_reads_topic(config, name))
            config_faults_add(faults, &topics->items[i].value_place, "'%s' is named twice", name);
        else if (name != NULL)
            config->topics[count++] = name;
    }
}

const char *config_pattern_read(const struct setting *setting, const char *list, const char *expected, struct config_faults *faults)
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
        const char *pattern = config_pattern_read(&redact->items[i], "redact", "a header's name or a pattern", faults);
        if (pattern != NULL)
            config->redact[count++] = pattern;
    }
}

bool config_is_web_url(const char *url)
{
    const char *host = strncmp(url, "http://", 7) == 0 ? url + 7 : strncmp(url, "https://", 8) == 0 ? url + 8 : "";

    return strcspn(host, "/@?#") > 0 && strpbrk(host, "@?# ") == NULL;
}

char *config_path_absolute(const struct config *config, const char *path)
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
            config->modules[count++] = config_path_absolute(config, path);
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
    else if (config->tracing.otlp != NULL && !config_is_web_url(config->tracing.otlp))
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
    config_registry_read(config, faults);
    tracing_read(config, faults);
    modules_read(config, faults);
    config_functions_read(config, faults);
    config_programs_read(config, faults);
    options_read(config, faults);
    config_check(config, faults);
    inngest_check(config, faults);
    config_registry_check(config, faults);
}
