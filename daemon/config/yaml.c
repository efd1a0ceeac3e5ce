/* SPDX-License-Identifier: Apache-2.0 */
#include "config/yaml.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libfyaml.h>

#include "base/secret.h"
#include "codec/utf8.h"

#define FILE_SIZE_MAX (16 << 20)
#define CREDENTIAL_SIZE_MAX (1 << 20)
#define COUNT_MAX 200000
#define DEPTH_MAX 32 /* an alias may stand inside what it stands for */

struct reader {
    const char *path;
    int depth;
    size_t count;      /* settings read: aliases of aliases multiply */
    bool has_given_up; /* too many or too deep: said once, nothing more is read */
    enum yaml_missing missing;
    bool may_lack;  /* what is read may name variables that are not there */
    bool is_url;    /* what is read stands behind a name of URLs */
    bool is_secret; /* what is read stands behind a name that says so */
    struct config_faults *faults;
};

void setting_done(struct setting *setting)
{
    free(setting->name);
    free(setting->text);
    free(setting->shown);
    for (size_t i = 0; i < setting->count; i++)
        setting_done(&setting->items[i]);
    free(setting->items);
    *setting = (struct setting){ 0 };
}

/* NULL with errno; caller frees. */
static char *file_read(const char *path, size_t size_max)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t size = 0;

    if (file == NULL)
        return NULL;
    for (;;) {
        text = xrealloc(text, size + 4097);
        size_t got = fread(text + size, 1, 4096, file);
        size += got;
        if (got == 0 || size > size_max)
            break;
    }
    int code = ferror(file) != 0 ? errno : size > size_max ? EFBIG : 0;
    (void)fclose(file);
    text[size] = '\0';
    if (code == 0)
        return text;
    free(text);
    errno = code;
    return NULL;
}

/* ---- variables -------------------------------------------------------------------------------- */

static char *credential_read(const char *name, const char **ret_why)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");

    if (folder == NULL) {
        *ret_why = "CREDENTIALS_DIRECTORY is not set (see LoadCredential= in systemd.exec)";
        return NULL;
    }
    if (name[0] == '\0' || strchr(name, '/') != NULL || strcmp(name, "..") == 0) {
        *ret_why = "it is not the name of a file";
        return NULL;
    }
    AUTO_FREE char *path = xasprintf("%s/%s", folder, name);
    char *text = file_read(path, CREDENTIAL_SIZE_MAX);
    if (text == NULL) {
        *ret_why = strerror(errno);
        return NULL;
    }
    size_t size = strlen(text);
    while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '\r'))
        size--;
    text[size] = '\0';
    return text;
}

/* What stands for `${name}`; NULL, with a fault, when nothing does. Caller frees. */
static char *variable_value(struct reader *reader, const struct place *place, const char *name)
{
    static const char credential[] = "CREDENTIAL:";

    if (strncmp(name, credential, sizeof(credential) - 1) == 0) {
        const char *why = NULL;
        char *value = credential_read(name + sizeof(credential) - 1, &why);
        if (value == NULL && !reader->may_lack)
            config_faults_add(reader->faults, place, "no credential '%s': %s", name + sizeof(credential) - 1, why);
        return value;
    }

    AUTO_FREE char *variable = xstrdup(name);
    char *otherwise = strstr(variable, ":-");
    if (otherwise != NULL) {
        *otherwise = '\0';
        otherwise += 2;
    }
    const char *value = getenv(variable);
    if ((value == NULL || value[0] == '\0') && otherwise != NULL)
        return xstrdup(otherwise);
    if (value == NULL && !reader->may_lack)
        config_faults_add(reader->faults, place, "the environment has no %s (${%s:-otherwise} gives a default)", variable, variable);
    return xstrdup_or_null(value);
}

/* What follows the `${…}` or the character that `text` begins with. */
static const char *after_one(const char *text)
{
    const char *end = strncmp(text, "${", 2) == 0 ? strchr(text, '}') : NULL;

    return end != NULL ? end + 1 : text + 1;
}

/* User and password of a URL as it is written. */
struct login {
    const char *from, *to; /* both NULL: it names none */
};

static struct login login_find(const char *url)
{
    const char *scheme = strstr(url, "://");
    struct login login = { NULL, NULL };

    if (scheme == NULL)
        return login;
    for (const char *at = scheme + 3; *at != '\0' && *at != '/'; at = after_one(at)) {
        if (*at == '@')
            login = (struct login){ scheme + 3, at };
    }
    return login;
}

/* What a variable stands for, in a login: each character for itself. A colon parts user and password, where the variable
   is the whole login. */
static void login_put(FILE *out, const char *value, bool is_whole)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";

    for (; *value != '\0'; value++) {
        if (strchr(plain, *value) != NULL || (is_whole && *value == ':'))
            (void)fputc(*value, out);
        else
            (void)fprintf(out, "%%%02X", (unsigned char)*value);
    }
}

static char *text_expand(struct reader *reader, const struct place *place, const char *text)
{
    const struct login login = reader->is_url ? login_find(text) : (struct login){ NULL, NULL };
    char *expanded = NULL;
    size_t size;
    FILE *out = open_memstream(&expanded, &size);

    if (out == NULL)
        abort();
    while (*text != '\0') {
        if (strncmp(text, "$${", 3) == 0) {
            (void)fputs("${", out);
            text += 3;
            continue;
        }
        const char *end = strncmp(text, "${", 2) == 0 ? strchr(text, '}') : NULL;
        if (strncmp(text, "${", 2) == 0 && end == NULL)
            config_faults_add(reader->faults, place, "'${' without its '}'; a plain one is written '$${'");
        if (end == NULL) {
            (void)fputc(*text++, out);
            continue;
        }
        AUTO_FREE char *name = xstrndup(text + 2, (size_t)(end - text - 2));
        AUTO_FREE char *value = variable_value(reader, place, name);
        if (value != NULL && login.from != NULL && text >= login.from && text < login.to)
            login_put(out, value, text == login.from && end + 1 == login.to);
        else
            (void)fputs(value != NULL ? value : "", out);
        text = end + 1;
    }
    if (fclose(out) != 0)
        abort();
    return expanded;
}

/* ---- YAML to settings ------------------------------------------------------------------------- */

static void place_set(struct place *place, struct fy_node *node)
{
    struct fy_token *token = fy_node_get_scalar_token(node);
    const struct fy_mark *mark = token != NULL ? fy_token_start_mark(token) : NULL;

    if (mark == NULL)
        return;
    place->line = mark->line + 1;
    bool is_quoted = fy_node_get_style(node) == FYNS_SINGLE_QUOTED || fy_node_get_style(node) == FYNS_DOUBLE_QUOTED;
    place->column = mark->column + (is_quoted ? 0 : 1); /* the mark stands behind the quote */
}

static void setting_read(struct reader *reader, struct setting *setting, struct fy_node *node);

static struct setting *map_slot(struct setting *map, const char *name)
{
    for (size_t i = 0; i < map->count; i++) {
        if (strcmp(map->items[i].name, name) == 0)
            return &map->items[i];
    }
    map->items = xrealloc(map->items, (map->count + 1) * sizeof(*map->items));
    struct setting *slot = &map->items[map->count++];
    *slot = (struct setting){ .name = xstrdup(name) };
    return slot;
}

static void give_up(struct reader *reader, const struct place *place, int max, const char *what)
{
    if (!reader->has_given_up)
        config_faults_add(reader->faults, place, "more than %d %s", max, what);
    reader->has_given_up = true;
}

static void map_read(struct reader *reader, struct setting *map, struct fy_node *node)
{
    void *iterator = NULL;

    for (struct fy_node_pair *pair; !reader->has_given_up && (pair = fy_node_mapping_iterate(node, &iterator)) != NULL;) {
        struct fy_node *key = fy_node_pair_key(pair);
        size_t length;
        const char *text = key != NULL && fy_node_is_scalar(key) ? fy_node_get_scalar(key, &length) : NULL;
        if (text == NULL) {
            config_faults_add(reader->faults, &map->place, "a key must be a plain word");
            reader->count++;
            continue;
        }
        AUTO_FREE char *name = xstrndup(text, length);
        struct setting *item = map_slot(map, name);
        item->place = (struct place){ .file = reader->path };
        place_set(&item->place, key);
        bool was_secret = reader->is_secret;
        if (reader->depth == 0)
            reader->may_lack = reader->missing == YAML_MISSING_IS_EMPTY && strcmp(name, "kafka") != 0 && strcmp(name, "redis") != 0;
        reader->is_secret = was_secret || secret_is_name(name);
        reader->is_url = strcmp(name, "url") == 0 || strcmp(name, "apps") == 0;
        setting_read(reader, item, fy_node_pair_value(pair));
        reader->is_secret = was_secret;
    }
}

static void list_read(struct reader *reader, struct setting *list, struct fy_node *node)
{
    void *iterator = NULL;

    for (struct fy_node *value; !reader->has_given_up && (value = fy_node_sequence_iterate(node, &iterator)) != NULL;) {
        list->items = xrealloc(list->items, (list->count + 1) * sizeof(*list->items));
        struct setting *item = &list->items[list->count++];
        *item = (struct setting){ .place = list->place };
        item->place.file = reader->path;
        place_set(&item->place, value);
        setting_read(reader, item, value);
    }
}

static void setting_clear_value(struct setting *setting)
{
    free(setting->text);
    setting->text = NULL;
    free(setting->shown);
    setting->shown = NULL;
    for (size_t i = 0; i < setting->count; i++)
        setting_done(&setting->items[i]);
    free(setting->items);
    setting->items = NULL;
    setting->count = 0;
}

/* Nothing at all, or a bare `null` or `~`; a quoted one is a text. */
static bool node_is_null(struct fy_node *node)
{
    size_t length;

    if (node == NULL || fy_node_is_null(node))
        return true;
    if (!fy_node_is_scalar(node) || fy_node_get_style(node) != FYNS_PLAIN)
        return false;
    const char *text = fy_node_get_scalar(node, &length);
    return text == NULL || length == 0 || (length == 1 && text[0] == '~') || (length == 4 && memcmp(text, "null", 4) == 0);
}

static void setting_read(struct reader *reader, struct setting *setting, struct fy_node *node)
{
    if (node != NULL && fy_node_is_alias(node)) {
        node = fy_node_resolve_alias(node);
        if (node == NULL)
            config_faults_add(reader->faults, &setting->place, "an alias (*name) of nothing");
    }
    if (reader->depth == DEPTH_MAX)
        give_up(reader, &setting->place, DEPTH_MAX, "levels of settings");
    if (reader->count++ >= COUNT_MAX)
        give_up(reader, &setting->place, COUNT_MAX, "settings");
    if (reader->has_given_up)
        return;

    enum fy_node_type type = node != NULL ? fy_node_get_type(node) : FYNT_SCALAR;
    reader->depth++;
    if (type != FYNT_MAPPING || setting->kind != SETTING_MAP)
        setting_clear_value(setting);
    setting->value_place = setting->place;
    if (type == FYNT_MAPPING) {
        setting->kind = SETTING_MAP;
        map_read(reader, setting, node);
    } else if (type == FYNT_SEQUENCE) {
        setting->kind = SETTING_LIST;
        list_read(reader, setting, node);
    } else if (node_is_null(node)) {
        setting->kind = SETTING_NULL;
    } else {
        size_t length;
        const char *text = fy_node_get_scalar(node, &length);
        AUTO_FREE char *raw = xstrndup(text != NULL ? text : "", text != NULL ? length : 0);
        place_set(&setting->value_place, node);
        setting->kind = SETTING_SCALAR;
        size_t faults_before = reader->faults->count;
        setting->text = text_expand(reader, &setting->value_place, raw);
        if (reader->faults->count > faults_before)
            setting->kind = SETTING_MISSING;
        setting->shown = reader->is_secret ? xstrdup(SECRET_HIDDEN) : secret_mask(raw);
    }
    reader->depth--;
}

static void diag_to_faults(struct reader *reader, struct fy_diag *diag)
{
    void *iterator = NULL;
    size_t before = reader->faults->count;

    for (struct fy_diag_error *error; (error = fy_diag_errors_iterate(diag, &iterator)) != NULL;) {
        struct place place = { .file = reader->path, .line = error->line, .column = error->column };
        config_faults_add(reader->faults, &place, "%s", error->msg);
    }
    if (reader->faults->count == before)
        config_faults_add(reader->faults, &(struct place){ .file = reader->path }, "not YAML");
}

/* Such a byte in a directive holds libfyaml (0.7.12) for ever. */
static bool text_is_utf8(const struct reader *reader, const char *text)
{
    struct place place = { .file = reader->path, .line = 1, .column = 1 };
    size_t size = strlen(text);

    while (size > 0) {
        size_t length = utf8_character((const unsigned char *)text, size);
        if (length == 0) {
            config_faults_add(reader->faults, &place, "not UTF-8");
            return false;
        }
        place.line += *text == '\n';
        place.column = *text == '\n' ? 1 : place.column + 1;
        text += length;
        size -= length;
    }
    return true;
}

/* It would be ignored. */
static void fault_next_document(struct reader *reader, struct fy_document *document)
{
    const struct fy_mark *mark = fy_document_state_start_mark(fy_document_get_document_state(document));
    const struct place place = { .file = reader->path, .line = mark->line + 1, .column = mark->column + 1 };

    config_faults_add(reader->faults, &place, "a second document begins: one file holds one");
}

static void document_read(struct reader *reader, struct setting *root, struct fy_document *document)
{
    struct fy_node *node = document != NULL ? fy_document_root(document) : NULL;

    if (node != NULL && fy_node_is_mapping(node))
        map_read(reader, root, node);
    else if (node != NULL && !node_is_null(node))
        config_faults_add(reader->faults, &(struct place){ .file = reader->path, .line = 1, .column = 1 }, "must be a map of keys");
}

bool yaml_parse(const char *text, const char *name, enum yaml_missing missing, struct setting *root, struct config_faults *faults)
{
    struct reader reader = { .path = place_file(name), .missing = missing, .faults = faults };
    struct fy_diag_cfg diag_cfg;

    root->kind = SETTING_MAP;
    if (!text_is_utf8(&reader, text))
        return false;
    fy_diag_cfg_default(&diag_cfg);
    diag_cfg.fp = NULL;
    struct fy_diag *diag = fy_diag_create(&diag_cfg);
    fy_diag_set_collect_errors(diag, true);
    const struct fy_parse_cfg cfg = { .flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG, .diag = diag };
    struct fy_parser *parser = fy_parser_create(&cfg);
    if (parser == NULL || fy_parser_set_string(parser, text, FY_NT) != 0)
        abort();
    struct fy_document *document = fy_parse_load_document(parser); /* points into the text; NULL: there is none, or it is broken */
    struct fy_document *next = document != NULL ? fy_parse_load_document(parser) : NULL;
    bool is_yaml = !fy_diag_got_error(diag);
    if (!is_yaml)
        diag_to_faults(&reader, diag);
    if (next != NULL)
        fault_next_document(&reader, next);
    document_read(&reader, root, document);
    fy_parse_document_destroy(parser, next);
    fy_parse_document_destroy(parser, document);
    fy_parser_destroy(parser);
    fy_diag_destroy(diag);
    return is_yaml;
}

bool yaml_load(const char *path, enum yaml_missing missing, struct setting *root, struct config_faults *faults)
{
    AUTO_FREE char *text = file_read(path, FILE_SIZE_MAX);

    if (text != NULL)
        return yaml_parse(text, path, missing, root, faults);
    config_faults_add(faults, &(struct place){ .file = place_file(path) }, "can't be read: %s", strerror(errno));
    return false;
}
