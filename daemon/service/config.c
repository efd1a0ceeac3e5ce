/* SPDX-License-Identifier: Apache-2.0 */
#include "service/config.h"

#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/secret.h"
#include "service/address.h"
#include "service/yaml.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define ANY_MS ((int64_t)3650 * 86400 * 1000)
#define TOPIC_NAME_MAX 249

/* ---- keys and their values -------------------------------------------------------------------- */

enum key_type {
    KEY_STRING,    /* const char * */
    KEY_INT,       /* int */
    KEY_INT64,     /* int64_t */
    KEY_BOOL,      /* bool */
    KEY_DURATION,  /* int64_t, ms */
    KEY_SIZE,      /* int64_t, bytes */
    KEY_SCHEDULE,  /* int64_t *, and a size_t behind `given` */
    KEY_NAME,      /* an enum's, by `names` */
    KEY_OTHER,     /* read by hand */
};

/* One key of a map: where its value goes in a struct, and what may stand there. */
struct key {
    const char *name;
    enum key_type type;
    size_t offset;
    size_t given;              /* offset of a bool, or of the schedule's count; NOT_TOLD: nobody asks */
    int64_t least;
    int64_t most;
    const char *const *names;  /* KEY_NAME: in the order of the enum; ended by NULL */
};
#define NOT_TOLD SIZE_MAX

static const char *const history_names[] = { "none", "failures", "all", NULL };
static const char *const level_names[] = { "error", "warn", "info", "debug", NULL };
static const char *const format_names[] = { "auto", "text", "json", "journal", "dev", NULL };
static const char *const ordering_names[] = { "unordered", "by_key", NULL };

#define AT(field) offsetof(struct config, field)
static const struct key redis_keys[] = {
    { "url", KEY_STRING, AT(redis.url), NOT_TOLD, 1, 0, NULL },
    { "prefix", KEY_STRING, AT(redis.prefix), NOT_TOLD, 1, 0, NULL },
    { "durability_lag", KEY_DURATION, AT(redis.durability_lag_ms), NOT_TOLD, 0, 3600000, NULL },
    { "timeout", KEY_DURATION, AT(redis.timeout_ms), NOT_TOLD, 10, 600000, NULL },
    { "shards", KEY_INT, AT(redis.shards), NOT_TOLD, 1, 1024, NULL },
};
static const struct key worker_keys[] = {
    { "threads", KEY_INT, AT(worker.threads), NOT_TOLD, 1, 4096, NULL },
    { "queue", KEY_INT, AT(worker.queue), NOT_TOLD, 1, 1000000, NULL },
    { "max_stuck", KEY_INT, AT(worker.max_stuck), NOT_TOLD, 1, 4096, NULL },
    { "drain_timeout", KEY_DURATION, AT(worker.drain_timeout_ms), NOT_TOLD, 0, ANY_MS, NULL },
    { "shutdown_timeout", KEY_DURATION, AT(worker.shutdown_timeout_ms), NOT_TOLD, 100, ANY_MS, NULL },
    { "journal", KEY_STRING, AT(worker.journal), NOT_TOLD, 0, 0, NULL },
    { "lease", KEY_DURATION, AT(worker.lease_ms), NOT_TOLD, 500, 600000, NULL },
};
static const struct key retry_keys[] = {
    { "retries", KEY_INT, AT(retry.retries), AT(retry.has_retries), 0, STEPD_MAX_RETRIES, NULL },
    { "schedule", KEY_SCHEDULE, AT(retry.schedule_ms), AT(retry.schedule_count), 0, ANY_MS, NULL },
    { "jitter", KEY_DURATION, AT(retry.jitter_ms), AT(retry.has_jitter), 0, ANY_MS, NULL },
};
static const struct key dead_letter_keys[] = {
    { "topic", KEY_STRING, AT(dead_letter_topic), NOT_TOLD, 1, 0, NULL },
};
static const struct key limits_keys[] = {
    { "event", KEY_SIZE, AT(limits.event_bytes), NOT_TOLD, 1024, 1 << 30, NULL },
    { "steps", KEY_INT, AT(limits.steps), NOT_TOLD, 1, 100000, NULL },
    { "result", KEY_SIZE, AT(limits.result_bytes), NOT_TOLD, 1024, 1 << 29, NULL },
    { "state", KEY_SIZE, AT(limits.state_bytes), NOT_TOLD, 1024, 1 << 30, NULL },
};
static const struct key http_keys[] = {
    { "listen", KEY_STRING, AT(http_listen), NOT_TOLD, 0, 0, NULL },
    { "token", KEY_STRING, AT(http_token), NOT_TOLD, 0, 0, NULL },
    { "without_token", KEY_BOOL, AT(http_without_token), NOT_TOLD, 0, 0, NULL },
};
static const struct key inngest_keys[] = {
    { "apps", KEY_OTHER, 0, NOT_TOLD, 0, 0, NULL },
    { "event_key", KEY_STRING, AT(inngest.event_key), NOT_TOLD, 1, 0, NULL },
    { "topic", KEY_STRING, AT(inngest.topic), NOT_TOLD, 1, 0, NULL },
    { "signing_key", KEY_STRING, AT(inngest.signing_key), NOT_TOLD, 1, 0, NULL },
    { "calls", KEY_INT, AT(inngest.calls), NOT_TOLD, 1, 100000, NULL },
};
static const struct key log_keys[] = {
    { "level", KEY_NAME, AT(log.level), NOT_TOLD, 0, 0, level_names },
    { "format", KEY_NAME, AT(log.format), NOT_TOLD, 0, 0, format_names },
};
static const struct key top_keys[] = {
    { "kafka", KEY_OTHER, 0, NOT_TOLD, 0, 0, NULL },
    { "topics", KEY_OTHER, 0, NOT_TOLD, 0, 0, NULL },
    { "redis", KEY_OTHER, 0, NOT_TOLD, 0, 0, NULL },
    { "modules", KEY_OTHER, 0, NOT_TOLD, 0, 0, NULL },
    { "worker", KEY_OTHER, 0, NOT_TOLD, 0, 0, NULL },
    { "retry", KEY_OTHER, 0, NOT_TOLD, 0, 0, NULL },
    { "dead_letter", KEY_OTHER, 0, NOT_TOLD, 0, 0, NULL },
    { "history", KEY_NAME, AT(history), NOT_TOLD, 0, 0, history_names },
    { "history_age", KEY_DURATION, AT(history_age_ms), NOT_TOLD, 1000, ANY_MS, NULL },
    { "history_limit", KEY_INT64, AT(history_limit), NOT_TOLD, 0, 1000000000, NULL },
    { "dedupe", KEY_DURATION, AT(dedupe_ms), NOT_TOLD, 0, ANY_MS, NULL },
    { "commit_interval", KEY_DURATION, AT(commit_interval_ms), NOT_TOLD, 10, 600000, NULL },
    { "limits", KEY_OTHER, 0, NOT_TOLD, 0, 0, NULL },
    { "http", KEY_OTHER, 0, NOT_TOLD, 0, 0, NULL },
    { "inngest", KEY_OTHER, 0, NOT_TOLD, 0, 0, NULL },
    { "log", KEY_OTHER, 0, NOT_TOLD, 0, 0, NULL },
    { "functions", KEY_OTHER, 0, NOT_TOLD, 0, 0, NULL },
    { "options", KEY_OTHER, 0, NOT_TOLD, 0, 0, NULL },
};
#undef AT

#define AT(field) offsetof(struct config_function, field)
static const struct key function_keys[] = {
    { "use", KEY_STRING, AT(use), NOT_TOLD, 1, 0, NULL },
    { "event", KEY_STRING, AT(event), NOT_TOLD, 1, 0, NULL },
    { "topic", KEY_STRING, AT(topic), NOT_TOLD, 1, 0, NULL },
    { "enabled", KEY_BOOL, AT(is_enabled), NOT_TOLD, 0, 0, NULL },
    { "retries", KEY_INT, AT(retry.retries), AT(retry.has_retries), 0, STEPD_MAX_RETRIES, NULL },
    { "schedule", KEY_SCHEDULE, AT(retry.schedule_ms), AT(retry.schedule_count), 0, ANY_MS, NULL },
    { "jitter", KEY_DURATION, AT(retry.jitter_ms), AT(retry.has_jitter), 0, ANY_MS, NULL },
    { "timeout", KEY_DURATION, AT(timeout_ms), AT(has_timeout), 0, ANY_MS, NULL },
    { "concurrency", KEY_INT, AT(concurrency), AT(has_concurrency), 0, 1000000, NULL },
    { "ordering", KEY_NAME, AT(ordering), AT(has_ordering), 0, 0, ordering_names },
    { "dedupe", KEY_DURATION, AT(dedupe_ms), AT(has_dedupe), 0, ANY_MS, NULL },
};
#undef AT

static const struct key *key_find(const struct key *keys, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    }
    return NULL;
}

static void fault_unknown(struct config_faults *faults, const struct setting *setting, const struct key *keys, size_t count)
{
    const char *names[LENGTH(top_keys)];

    for (size_t i = 0; i < count; i++)
        names[i] = keys[i].name;
    const char *suggestion = config_suggest(setting->name, names, count);
    if (suggestion != NULL)
        config_faults_add(faults, &setting->place, "unknown key '%s', did you mean '%s'?", setting->name, suggestion);
    else
        config_faults_add(faults, &setting->place, "unknown key '%s'", setting->name);
}

/* The setting's text, or NULL with a fault. */
static const char *scalar_text(const struct setting *setting, const char *expected, struct config_faults *faults)
{
    if (setting->kind == SETTING_SCALAR)
        return setting->text;
    if (setting->kind == SETTING_MISSING)
        return NULL;
    config_faults_add(faults, &setting->value_place, "'%s' must be %s", setting->name != NULL ? setting->name : "a list's entry",
                      expected);
    return NULL;
}

static void fault_range(struct config_faults *faults, const struct setting *setting, const char *name, const struct key *key)
{
    char least[LOG_DURATION_SIZE];
    char most[LOG_DURATION_SIZE];

    if (key->type == KEY_DURATION || key->type == KEY_SCHEDULE)
        config_faults_add(faults, &setting->value_place, "'%s' must be between %s and %s, not '%s'", name,
                          log_duration(key->least, least), log_duration(key->most, most), setting_shown(setting));
    else
        config_faults_add(faults, &setting->value_place, "'%s' must be between %lld and %lld, not '%s'", name,
                          (long long)key->least, (long long)key->most, setting_shown(setting));
}

static bool number_read(const struct key *key, const struct setting *setting, const char *name,
                        struct config_faults *faults, int64_t *ret_number)
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
    const char *text = scalar_text(setting, kinds[key->type].expected, faults);

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

static bool name_read(const struct key *key, const struct setting *setting, struct config_faults *faults, int *ret_index)
{
    const char *text = scalar_text(setting, "a word", faults);
    size_t count = 0;
    char known[128] = "";

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

static bool schedule_read(const struct key *key, const struct setting *setting, void *target, struct config_faults *faults)
{
    char *base = target;

    if (setting->kind != SETTING_LIST || setting->count == 0) {
        config_faults_add(faults, &setting->value_place, "'%s' must be a list of durations, such as [15s, 30s, 1m]", key->name);
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

_Static_assert(sizeof(enum history_kept) == sizeof(int) && sizeof(enum log_level) == sizeof(int) &&
                   sizeof(enum log_format) == sizeof(int) && sizeof(enum stepd_ordering) == sizeof(int),
               "KEY_NAME writes an int");

static void key_read(const struct key *key, const struct setting *setting, void *target, struct config_faults *faults)
{
    char *base = target;
    void *field = base + key->offset;
    bool is_read = false;
    int64_t number;
    int index;

    switch (key->type) {
    case KEY_STRING: {
        const char *text = scalar_text(setting, "a text", faults);
        if (text != NULL && (int64_t)strlen(text) < key->least) {
            config_faults_add(faults, &setting->value_place, "'%s' must not be empty", key->name);
        } else if (text != NULL) {
            *(const char **)field = text;
            is_read = true;
        }
        break;
    }
    case KEY_BOOL: {
        const char *text = scalar_text(setting, "true or false", faults);
        is_read = text != NULL && parse_bool(text, field) == 0;
        if (text != NULL && !is_read)
            config_faults_add(faults, &setting->value_place, "'%s' must be true or false, not '%s'", key->name,
                              setting_shown(setting));
        break;
    }
    case KEY_INT:
        is_read = number_read(key, setting, key->name, faults, &number);
        if (is_read)
            *(int *)field = (int)number;
        break;
    case KEY_INT64:
    case KEY_DURATION:
    case KEY_SIZE:
        is_read = number_read(key, setting, key->name, faults, &number);
        if (is_read)
            *(int64_t *)field = number;
        break;
    case KEY_NAME:
        is_read = name_read(key, setting, faults, &index);
        if (is_read)
            memcpy(field, &index, sizeof(index));
        break;
    case KEY_SCHEDULE:
        (void)schedule_read(key, setting, target, faults);
        return; /* its count says that it was given */
    case KEY_OTHER:
        return;
    }
    if (is_read && key->given != NOT_TOLD)
        *(bool *)(base + key->given) = true;
}

static bool is_map(const struct setting *setting, struct config_faults *faults)
{
    if (setting->kind == SETTING_SCALAR || setting->kind == SETTING_LIST)
        config_faults_add(faults, &setting->value_place, "'%s' must be a map of keys", setting->name);
    return setting->kind == SETTING_MAP;
}

static void map_read(const struct setting *map, const struct key *keys, size_t count, void *target,
                     struct config_faults *faults)
{
    for (size_t i = 0; i < map->count; i++) {
        const struct key *key = key_find(keys, count, map->items[i].name);
        if (key == NULL)
            fault_unknown(faults, &map->items[i], keys, count);
        else if (map->items[i].kind != SETTING_NULL && map->items[i].kind != SETTING_MISSING)
            key_read(key, &map->items[i], target, faults);
    }
}

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
    { "partition.assignment.strategy", "it is cooperative-sticky: what happens when a partition is revoked is built on it" },
    { "group.protocol", "what happens when a partition is revoked is built on the classic one" },
    { "enable.partition.eof", "stepd asks for what it needs itself" },
    { "enable.idempotence", "it is always on, so that a dead letter is neither lost nor doubled by the producer" },
    { "acks", "a run ends only when all in-sync replicas have its dead letter" },
    { "request.required.acks", "a run ends only when all in-sync replicas have its dead letter" },
    { "transactional.id", "stepd's delivery is at least once, without transactions" },
};

static void kafka_setting_check(const struct setting *setting, struct config_faults *faults)
{
    for (size_t i = 0; i < LENGTH(kafka_refused); i++) {
        if (strcmp(kafka_refused[i].name, setting->name) == 0) {
            config_faults_add(faults, &setting->place, "'%s' can't be set: %s", setting->name, kafka_refused[i].why);
            return;
        }
    }
    (void)scalar_text(setting, "a text or a number, as librdkafka takes it", faults);
}

/* `text` NULL: a map. */
static struct setting *map_add(struct setting *map, const char *name, const char *text)
{
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
    if (!is_map(kafka, faults))
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
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == length;
}

static bool function_id_is_valid(const char *id)
{
    size_t length = strlen(id);

    return length > 0 && length <= 200 &&
           strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/") == length;
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
        const char *name = scalar_text(&topics->items[i], "a topic's name", faults);
        if (name != NULL && !topic_is_valid(name))
            config_faults_add(faults, &topics->items[i].value_place,
                              "'%s' is no topic: 1 to %d letters, digits, '.', '_' and '-'", name, TOPIC_NAME_MAX);
        else if (name != NULL)
            config->topics[count++] = name;
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
        const char *path = scalar_text(&modules->items[i], "a file or a folder", faults);
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
        const char *url = scalar_text(&apps->items[i], "an URL", faults);
        if (url != NULL && strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
            config_faults_add(faults, &apps->items[i].value_place, "an app is an URL, such as http://localhost:3000/api/inngest");
        else if (url != NULL)
            config->inngest.apps[count++] = url;
    }
}

static void function_read(const struct setting *setting, struct config_function *function, struct config_faults *faults)
{
    *function = (struct config_function){ .id = setting->name, .place = setting->place, .is_enabled = true };
    function->options = (struct setting){ .name = setting->name, .place = setting->place, .kind = SETTING_MAP };
    if (!function_id_is_valid(setting->name))
        config_faults_add(faults, &setting->place, "'%s' is no function's id: letters, digits, and any of -_.:/", setting->name);
    if (setting->kind == SETTING_NULL || !is_map(setting, faults))
        return;
    function->options.items = xcalloc(setting->count, sizeof(*function->options.items));
    for (size_t i = 0; i < setting->count; i++) {
        const struct setting *item = &setting->items[i];
        const struct key *key = key_find(function_keys, LENGTH(function_keys), item->name);
        if (key == NULL)
            function->options.items[function->options.count++] = *item;
        else if (item->kind != SETTING_NULL)
            key_read(key, item, function, faults);
    }
    if (function->event != NULL && function->topic != NULL)
        config_faults_add(faults, &setting->place, "function '%s' has both 'event' and 'topic': it is started by one", setting->name);
    if (function->use != NULL && function->event == NULL && function->topic == NULL)
        config_faults_add(faults, &setting->place, "function '%s' has neither 'event' nor 'topic': what starts it?", setting->name);
    if (function->topic != NULL && !topic_is_valid(function->topic))
        config_faults_add(faults, &setting_find(setting, "topic")->value_place, "'%s' is no topic", function->topic);
}

static void functions_read(struct config *config, struct config_faults *faults)
{
    const struct setting *functions = setting_find(&config->root, "functions");

    if (functions == NULL || functions->kind == SETTING_NULL || !is_map(functions, faults))
        return;
    config->functions = xcalloc(functions->count, sizeof(*config->functions));
    config->function_count = functions->count;
    for (size_t i = 0; i < functions->count; i++)
        function_read(&functions->items[i], &config->functions[i], faults);
}

static void options_read(struct config *config, struct config_faults *faults)
{
    const struct setting *options = setting_find(&config->root, "options");

    if (options == NULL || options->kind == SETTING_NULL || !is_map(options, faults))
        return;
    config->options = options;
    for (size_t i = 0; i < options->count; i++)
        (void)is_map(&options->items[i], faults);
}

/* ---- the whole -------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    const struct key *keys;
    size_t count;
} sections[] = {
    { "redis", redis_keys, LENGTH(redis_keys) },
    { "worker", worker_keys, LENGTH(worker_keys) },
    { "retry", retry_keys, LENGTH(retry_keys) },
    { "dead_letter", dead_letter_keys, LENGTH(dead_letter_keys) },
    { "limits", limits_keys, LENGTH(limits_keys) },
    { "http", http_keys, LENGTH(http_keys) },
    { "inngest", inngest_keys, LENGTH(inngest_keys) },
    { "log", log_keys, LENGTH(log_keys) },
};

static void config_set_defaults(struct config *config)
{
    config->redis.url = "redis://localhost:6379/0";
    config->redis.prefix = "stepd";
    config->redis.durability_lag_ms = 2000;
    config->redis.timeout_ms = 3000;
    config->redis.shards = 1;
    config->worker.threads = 32;
    config->worker.queue = 4096;
    config->worker.max_stuck = 8;
    config->worker.drain_timeout_ms = 10000;
    config->worker.shutdown_timeout_ms = 25000;
    config->worker.lease_ms = 5000;
    config->worker.journal = "";
    config->dead_letter_topic = "%t.dead";
    config->inngest.calls = 1000;
    config->history = HISTORY_FAILURES;
    config->history_age_ms = 24 * 3600000;
    config->history_limit = 100000;
    config->commit_interval_ms = 1000;
    config->limits.event_bytes = 4 << 20;
    config->limits.result_bytes = 4 << 20;
    config->limits.state_bytes = 32 << 20;
    config->limits.steps = 1000;
    config->http_listen = "127.0.0.1:8288";
    config->http_token = "";
    config->log.level = LOG_LEVEL_INFO;
    config->log.format = LOG_FORMAT_AUTO;
}

/* Events that come in over HTTP must come back from Kafka. */
static void inngest_check(const struct config *config, struct config_faults *faults)
{
    const struct setting *inngest = setting_find(&config->root, "inngest");
    size_t i = 0;

    if (!config->inngest.is_on)
        return;
    if (config->http_listen[0] == '\0')
        config_faults_add(faults, &inngest->place, "'inngest' needs HTTP, which 'http.listen' turns off");
    while (config->topics[i] != NULL && config->inngest.topic != NULL && strcmp(config->topics[i], config->inngest.topic) != 0)
        i++;
    if (config->inngest.topic != NULL && config->topics[i] == NULL)
        config_faults_add(faults, &inngest->place, "inngest.topic '%s' is none of 'topics': its events would start nothing",
                          config->inngest.topic);
}

/* What one key alone can't tell. */
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
        config_faults_add(faults, &setting_find(redis, "prefix")->value_place, "'prefix' must not hold braces: they choose a Cluster's slot");
    if (config->http_listen[0] != '\0' && address_check(config->http_listen, &error) != 0)
        config_faults_add(faults, &setting_find(http, "listen")->value_place, "%s", error.text);
    const char *percent = strchr(config->dead_letter_topic, '%');
    if (percent != NULL && percent[1] != 't')
        config_faults_add(faults, &setting_find(dead_letter, "topic")->value_place, "'topic' knows %%t only, the event's topic");
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
    map_read(&config->root, top_keys, LENGTH(top_keys), config, faults);
    for (size_t i = 0; i < LENGTH(sections); i++) {
        const struct setting *section = setting_find(&config->root, sections[i].name);
        if (section != NULL && section->kind != SETTING_NULL && is_map(section, faults))
            map_read(section, sections[i].keys, sections[i].count, config, faults);
    }
    kafka_read(config, faults);
    topics_read(config, faults);
    inngest_read(config, faults);
    modules_read(config, faults);
    functions_read(config, faults);
    options_read(config, faults);
    config_check(config, faults);
    inngest_check(config, faults);
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

int config_parse(const char *name, const char *const *texts, size_t count, struct config **ret_config,
                 struct config_faults *faults)
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
    free(config->inngest.apps);
    free(config->retry.schedule_ms);
    for (size_t i = 0; i < config->function_count; i++) {
        free(config->functions[i].retry.schedule_ms);
        free(config->functions[i].options.items);
    }
    free(config->functions);
    setting_done(&config->root);
    free(config->path);
    free(config);
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
    static const char *names[LENGTH(function_keys) + 1];

    for (size_t i = 0; i < LENGTH(function_keys); i++)
        names[i] = function_keys[i].name;
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

/* ---- faults ----------------------------------------------------------------------------------- */

static int fault_compare(const void *left, const void *right)
{
    const struct place *one = &((const struct config_fault *)left)->place;
    const struct place *other = &((const struct config_fault *)right)->place;
    int by_file = strcmp(one->file != NULL ? one->file : "", other->file != NULL ? other->file : "");

    if (by_file != 0)
        return by_file;
    return one->line != other->line ? one->line - other->line : one->column - other->column;
}

static void source_print(const struct place *place, FILE *out)
{
    FILE *file = place->line > 0 ? fopen(place->file, "re") : NULL;
    AUTO_FREE char *line = NULL;
    size_t size = 0;

    for (int i = 0; file != NULL && i < place->line; i++) {
        if (getline(&line, &size, file) < 0) {
            (void)fclose(file);
            return;
        }
    }
    if (file == NULL)
        return;
    (void)fclose(file);
    if (secret_is_in(line))
        return;
    (void)fprintf(out, "    %.*s\n    %*s^\n", (int)strcspn(line, "\r\n"), line, place->column > 0 ? place->column - 1 : 0, "");
}

char *config_fault_text(const struct config_fault *fault)
{
    const struct place *place = &fault->place;

    if (place->file == NULL)
        return xstrdup(fault->text);
    if (place->line == 0)
        return xasprintf("%s: %s", place->file, fault->text);
    return xasprintf("%s:%d:%d: %s", place->file, place->line, place->column, fault->text);
}

void config_faults_print(const struct config_faults *faults, FILE *out)
{
    AUTO_FREE struct config_fault *sorted = xmemdup(faults->items, faults->count * sizeof(*sorted));

    qsort(sorted, faults->count, sizeof(*sorted), fault_compare);
    for (size_t i = 0; i < faults->count; i++) {
        const struct place *place = &sorted[i].place;
        if (place->file != NULL)
            (void)fprintf(out, "%s:", place->file);
        if (place->file != NULL && place->line > 0)
            (void)fprintf(out, "%d:%d:", place->line, place->column);
        (void)fprintf(out, "%serror: %s\n", place->file != NULL ? " " : "", sorted[i].text);
        if (place->file != NULL)
            source_print(place, out);
    }
}
