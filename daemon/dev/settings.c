/* SPDX-License-Identifier: Apache-2.0 */
#include "dev/settings.h"

#include <errno.h>
#include <libfyaml.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/memory.h"

#define PROGRAM_FILES_MOST 256

static void document_free_at(struct fy_document **document)
{
    fy_document_destroy(*document);
}
#define AUTO_DOCUMENT __attribute__((cleanup(document_free_at))) struct fy_document

/* The user's file, or an empty map. */
static int open_document(const char *path, struct fy_document **ret_document, struct error *ret_error)
{
    static const struct fy_parse_cfg cfg = { .flags = FYPCF_DEFAULT_PARSE | FYPCF_COLOR_NONE };

    if (path != NULL && access(path, R_OK) != 0)
        return error_set(ret_error, errno, "%s: %s", path, strerror(errno));
    struct fy_document *document = path != NULL ? fy_document_build_from_file(&cfg, path) : NULL;
    if (path != NULL && document == NULL)
        return error_set(ret_error, EINVAL, "%s: not a YAML file", path);
    if (document == NULL || fy_document_root(document) == NULL) {
        fy_document_destroy(document);
        document = fy_document_build_from_string(&cfg, "{}", FY_NT);
    }
    if (!fy_node_is_mapping(fy_document_root(document))) {
        fy_document_destroy(document);
        return error_set(ret_error, EINVAL, "%s: a config is a map of keys", path);
    }
    *ret_document = document;
    return 0;
}

static struct fy_node *text_node(struct fy_document *document, const char *text)
{
    return fy_node_create_scalar_copy(document, text, FY_NT);
}

/* `map`'s `key` is `value` from now on; the value is the document's. */
static void put(struct fy_node *map, const char *key, struct fy_node *value)
{
    struct fy_document *document = fy_node_document(map);
    struct fy_node_pair *pair = fy_node_mapping_lookup_pair_by_string(map, key, FY_NT);

    if (pair != NULL)
        fy_node_pair_set_value(pair, value);
    else
        (void)fy_node_mapping_append(map, text_node(document, key), value);
}

static void put_text(struct fy_node *map, const char *key, const char *text)
{
    put(map, key, text_node(fy_node_document(map), text));
}

/* The map under `key`: the one that is there, or a new and empty one. */
static struct fy_node *map_under(struct fy_node *root, const char *key, bool is_new)
{
    struct fy_node *map = fy_node_mapping_lookup_by_string(root, key, FY_NT);

    if (!is_new && fy_node_is_mapping(map))
        return map;
    map = fy_node_create_mapping(fy_node_document(root));
    put(root, key, map);
    return map;
}

/* `texts`: NULL-ended. */
static void put_list(struct fy_node *root, const char *key, const char *const *texts)
{
    struct fy_node *list = fy_node_create_sequence(fy_node_document(root));

    for (; *texts != NULL; texts++)
        (void)fy_node_sequence_append(list, text_node(fy_node_document(root), *texts));
    put(root, key, list);
}

/* A path as seen from `folder`, made absolute. One that begins with a ${VARIABLE} stays. */
static char *absolute(const char *folder, const char *path)
{
    char *real = path[0] == '$' ? NULL : realpath(path, NULL);
    char *joined = NULL;

    if (path[0] == '/' || path[0] == '$') {
        free(real);
        return xstrdup(path);
    }
    if (folder != NULL) {
        free(real);
        joined = xasprintf("%s/%s", folder, path);
        real = realpath(joined, NULL);
        if (real == NULL)
            return joined;
        free(joined);
        return real;
    }
    if (real != NULL)
        return real;
    AUTO_FREE char *here = getcwd(NULL, 0);
    return xasprintf("%s/%s", here != NULL ? here : ".", path);
}

static char *folder_of(const char *file)
{
    char *path = absolute(NULL, file);
    char *slash = strrchr(path, '/');
    if (slash != NULL)
        *slash = '\0';
    return path;
}

/* NULL-ended; dev_settings_free() it. */
static char **modules_of(struct fy_node *root, const struct dev_options *options)
{
    struct fy_node *given = fy_node_mapping_lookup_by_string(root, "modules", FY_NT);
    AUTO_FREE char *folder = options->config_file != NULL ? folder_of(options->config_file) : NULL;
    const int given_count = fy_node_is_sequence(given) ? fy_node_sequence_item_count(given) : 0;
    char **modules = xcalloc((size_t)given_count + options->module_count + 1, sizeof(*modules));
    size_t count = 0;

    for (int i = 0; i < given_count; i++) {
        const char *text = fy_node_get_scalar0(fy_node_sequence_get_by_index(given, i));
        if (text != NULL)
            modules[count++] = absolute(folder, text);
    }
    for (size_t i = 0; i < options->module_count; i++)
        modules[count++] = absolute(NULL, options->modules[i]);
    return modules;
}

static void put_retry(struct fy_node *root, const char *interval)
{
    struct fy_node *retry = map_under(root, "retry", false);
    const char *const schedule[] = { interval, NULL };

    put_list(retry, "schedule", schedule);
    put_text(retry, "jitter", "0");
}

/* Of a function, or of the schema registry: options that are paths. */
static void put_paths_of(struct fy_node *map, const char *folder)
{
    static const char *const NAMES[] = { "directory", "ca_file", "certificate", "private_key" };

    for (size_t i = 0; fy_node_is_mapping(map) && i < COUNT_OF(NAMES); i++) {
        struct fy_node *given = fy_node_mapping_lookup_by_string(map, NAMES[i], FY_NT);
        const char *text = given != NULL ? fy_node_get_scalar0(given) : NULL;
        if (text == NULL || text[0] == '\0' || text[0] == '/')
            continue;
        AUTO_FREE char *path = absolute(folder, text);
        put_text(map, NAMES[i], path);
    }
}

/* They count from the folder of the config that they stand in. */
static void put_paths(struct fy_node *root, const char *config_file)
{
    struct fy_node *functions = fy_node_mapping_lookup_by_string(root, "functions", FY_NT);
    struct fy_node_pair *pair;
    void *position = NULL;

    if (config_file == NULL)
        return;
    AUTO_FREE char *folder = folder_of(config_file);
    put_paths_of(fy_node_mapping_lookup_by_string(root, "schema_registry", FY_NT), folder);
    while (fy_node_is_mapping(functions) && (pair = fy_node_mapping_iterate(functions, &position)) != NULL)
        put_paths_of(fy_node_pair_value(pair), folder);
}

static void put_kafka(struct fy_node *root, const struct dev_settings *settings)
{
    /* How to reach another broker (TLS, passwords) is of no use with the embedded one. */
    struct fy_node *kafka = map_under(root, "kafka", settings->options->kafka == NULL);

    put_text(kafka, "bootstrap.servers", settings->kafka);
    if (fy_node_mapping_lookup_by_string(kafka, "group.id", FY_NT) == NULL)
        put_text(kafka, "group.id", "stepd");
    put_text(kafka, "auto.offset.reset", "earliest");
}

/* The first word that is a file's, without its folder and ending: `media` of `python3 src/media.py --fast`. */
static char *program_name(const char *command, size_t number)
{
    AUTO_FREE char *words = xstrdup(command);
    char *rest = NULL;

    for (char *word = strtok_r(words, " \t", &rest); word != NULL; word = strtok_r(NULL, " \t", &rest)) {
        const char *slash = strrchr(word, '/');
        const char *name = slash != NULL ? slash + 1 : word;
        const size_t size = strcspn(name, ".");
        if (name[size] == '.' && size > 0 && access(word, R_OK) == 0 &&
            strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") >= size)
            return xstrndup(name, size);
    }
    return xasprintf("program-%zu", number);
}

/* As a person would type it: a shell reads it, and gives its place to the program, where it is one command. */
static char *shell_line(const char *command)
{
    const bool is_one = strpbrk(command, ";&|<>()$`\n") == NULL && memchr(command, '=', strcspn(command, " \t")) == NULL;

    return xasprintf("%s%s", is_one ? "exec " : "", command);
}

static void put_program(struct fy_node *programs, const char *command, size_t number)
{
    AUTO_FREE char *line = shell_line(command);
    AUTO_FREE char *own = program_name(command, number);
    AUTO_FREE char *other = xasprintf("%s-%zu", own, number);
    AUTO_FREE char *here = getcwd(NULL, 0);
    const char *const words[] = { "/bin/sh", "-c", line, NULL };
    const bool is_free = fy_node_mapping_lookup_by_string(programs, own, FY_NT) == NULL;
    struct fy_node *program = map_under(programs, is_free ? own : other, true);

    put_list(program, "command", words);
    put_text(program, "directory", here != NULL ? here : ".");
}

static void put_programs(struct fy_node *root, const struct dev_options *options)
{
    if (options->program_count == 0)
        return;
    struct fy_node *programs = map_under(root, "programs", false);
    for (size_t i = 0; i < options->program_count; i++)
        put_program(programs, options->programs[i], i + 1);
}

/* Where a program of the config runs counts from that config's folder. */
static void put_program_directories(struct fy_node *root, const char *config_file)
{
    struct fy_node *programs = fy_node_mapping_lookup_by_string(root, "programs", FY_NT);
    struct fy_node_pair *pair;
    void *position = NULL;

    if (config_file == NULL || !fy_node_is_mapping(programs))
        return;
    AUTO_FREE char *folder = folder_of(config_file);
    while ((pair = fy_node_mapping_iterate(programs, &position)) != NULL) {
        struct fy_node *program = fy_node_pair_value(pair);
        struct fy_node *given = fy_node_is_mapping(program) ? fy_node_mapping_lookup_by_string(program, "directory", FY_NT) : NULL;
        const char *text = given != NULL ? fy_node_get_scalar0(given) : NULL;
        if (text == NULL || text[0] == '\0' || text[0] == '/')
            continue;
        AUTO_FREE char *path = absolute(folder, text);
        put_text(program, "directory", path);
    }
}

static int save(struct fy_document *document, const char *path, struct error *ret_error)
{
    AUTO_FREE char *text = fy_emit_document_to_string(document, FYECF_MODE_BLOCK | FYECF_WIDTH_INF);
    AUTO_FREE char *written = xasprintf("%s.new", path);
    FILE *file = text != NULL ? fopen(written, "we") : NULL;

    if (file == NULL)
        return error_set(ret_error, errno != 0 ? errno : EIO, "cannot write %s", written);
    (void)fputs("# Written by `stepd dev` at each start; stepctl --config takes this file.\n", file);
    (void)fputs(text, file);
    if (fclose(file) != 0 || rename(written, path) != 0)
        return error_set(ret_error, errno, "cannot write %s: %s", path, strerror(errno));
    return 0;
}

int dev_settings_topics(const struct dev_options *options, char ***ret_topics, struct error *ret_error)
{
    AUTO_DOCUMENT *document = NULL;
    size_t count = 0;
    int status = open_document(options->config_file, &document, ret_error);

    if (status != 0)
        return status;
    struct fy_node *given = fy_node_mapping_lookup_by_string(fy_document_root(document), "topics", FY_NT);
    const int given_count = fy_node_is_sequence(given) ? fy_node_sequence_item_count(given) : 0;
    char **topics = xcalloc(options->topic_count + (size_t)given_count + 2, sizeof(*topics));

    for (size_t i = 0; i < options->topic_count; i++)
        topics[count++] = xstrdup(options->topics[i]);
    for (int i = 0; options->topic_count == 0 && i < given_count; i++) {
        const char *text = fy_node_get_scalar0(fy_node_sequence_get_by_index(given, i));
        if (text != NULL)
            topics[count++] = xstrdup(text);
    }
    if (count == 0)
        topics[count++] = xstrdup("events");
    *ret_topics = topics;
    return 0;
}

void dev_settings_free(char **texts)
{
    for (char **at = texts; texts != NULL && *at != NULL; at++)
        free(*at);
    free(texts);
}

int dev_settings_modules(const struct dev_options *options, char ***ret_modules, struct error *ret_error)
{
    AUTO_DOCUMENT *document = NULL;
    int status = open_document(options->config_file, &document, ret_error);

    if (status == 0)
        *ret_modules = modules_of(fy_document_root(document), options);
    return status;
}

/* Words of commands that are files: as seen from where they run. */
static void add_files(char **files, size_t *count, size_t most, const char *folder, const char *text)
{
    AUTO_FREE char *words = xstrdup(text);
    char *rest = NULL;

    for (char *word = strtok_r(words, " \t", &rest); word != NULL && *count < most; word = strtok_r(NULL, " \t", &rest)) {
        char *path = absolute(folder, word);
        struct stat info;
        if (stat(path, &info) == 0 && S_ISREG(info.st_mode))
            files[(*count)++] = path;
        else
            free(path);
    }
}

int dev_settings_program_files(const struct dev_options *options, char ***ret_files, struct error *ret_error)
{
    AUTO_DOCUMENT *document = NULL;
    size_t count = 0;
    int status = open_document(options->config_file, &document, ret_error);

    if (status != 0)
        return status;
    char **files = xcalloc(PROGRAM_FILES_MOST + 1, sizeof(*files));
    struct fy_node *programs = fy_node_mapping_lookup_by_string(fy_document_root(document), "programs", FY_NT);
    AUTO_FREE char *folder = options->config_file != NULL ? folder_of(options->config_file) : NULL;
    struct fy_node_pair *pair;
    void *position = NULL;
    for (size_t i = 0; i < options->program_count; i++)
        add_files(files, &count, PROGRAM_FILES_MOST, NULL, options->programs[i]);
    while (fy_node_is_mapping(programs) && (pair = fy_node_mapping_iterate(programs, &position)) != NULL) {
        struct fy_node *program = fy_node_pair_value(pair);
        struct fy_node *command = fy_node_is_mapping(program) ? fy_node_mapping_lookup_by_string(program, "command", FY_NT) : NULL;
        struct fy_node *given = fy_node_is_mapping(program) ? fy_node_mapping_lookup_by_string(program, "directory", FY_NT) : NULL;
        AUTO_FREE char *directory = given != NULL ? absolute(folder, fy_node_get_scalar0(given)) : NULL;
        for (int i = 0; fy_node_is_sequence(command) && i < fy_node_sequence_item_count(command); i++)
            add_files(files, &count, PROGRAM_FILES_MOST, directory, fy_node_get_scalar0(fy_node_sequence_get_by_index(command, i)));
    }
    *ret_files = files;
    return 0;
}

int dev_settings_write(const struct dev_settings *settings, const char *path, struct error *ret_error)
{
    const struct dev_options *options = settings->options;
    AUTO_DOCUMENT *document = NULL;
    char **topics = NULL;
    int status = open_document(options->config_file, &document, ret_error);

    if (status == 0)
        status = dev_settings_topics(options, &topics, ret_error);
    if (status != 0)
        return status;
    struct fy_node *root = fy_document_root(document);
    put_kafka(root, settings);
    put_list(root, "topics", (const char *const *)topics);
    put_text(map_under(root, "redis", options->redis == NULL), "url", settings->redis);
    put_paths(root, options->config_file);
    put_program_directories(root, options->config_file);
    put_programs(root, options);
    char **modules = modules_of(root, options);
    put_list(root, "modules", (const char *const *)modules);
    dev_settings_free(modules);
    if (options->retry_interval != NULL)
        put_retry(root, options->retry_interval);
    struct fy_node *inngest = map_under(root, "inngest", false); /* which POST /e/ and /invoke/ belong to */
    if (options->app_count > 0)
        put_list(inngest, "apps", options->apps);
    put_text(root, "history", "all");
    put_text(map_under(root, "worker", false), "journal", "journal");
    struct fy_node *http = map_under(root, "http", true);
    put_text(http, "listen", settings->http);
    put_text(http, "without_token", "true");
    put_text(map_under(root, "log", false), "format", "dev");
    dev_settings_free(topics);
    return save(document, path, ret_error);
}
