/* SPDX-License-Identifier: Apache-2.0 */
#include "program/declared.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "codec/packed.h"
#include "config/config_faults.h"
#include "config/config_flow.h"
#include "config/config_schema.h"
#include "config/yaml.h"
#include "modules/functions.h"
#include "sdk/object.h"

#define DEFAULT_TIMEOUT_MS 300000
#define TEMPLATE "stepd:program" /* what each function of a program is made of, as entries of a config are of `use` */

/* ---- JSON as a config's settings ----------------------------------------------------------------- */

static char *number_text(const msgpack_object *object)
{
    switch (object->type) {
    case MSGPACK_OBJECT_BOOLEAN:
        return xstrdup(object->via.boolean ? "true" : "false");
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return xasprintf("%" PRIu64, object->via.u64);
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return xasprintf("%" PRId64, object->via.i64);
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return xasprintf("%.17g", object->via.f64);
    default:
        return xstrdup("");
    }
}

static struct setting setting_of(const char *name, size_t name_size, const msgpack_object *object);

static void add_item(struct setting *setting, struct setting item)
{
    setting->items = xrealloc(setting->items, (setting->count + 1) * sizeof(*setting->items));
    setting->items[setting->count++] = item;
}

static struct setting setting_of(const char *name, size_t name_size, const msgpack_object *object)
{
    struct setting setting = { .name = name != NULL ? xstrndup(name, name_size) : NULL };

    switch (object->type) {
    case MSGPACK_OBJECT_NIL:
        setting.kind = SETTING_NULL;
        break;
    case MSGPACK_OBJECT_ARRAY:
        setting.kind = SETTING_LIST;
        for (uint32_t i = 0; i < object->via.array.size; i++)
            add_item(&setting, setting_of(NULL, 0, &object->via.array.ptr[i]));
        break;
    case MSGPACK_OBJECT_MAP:
        setting.kind = SETTING_MAP;
        for (uint32_t i = 0; i < object->via.map.size; i++) {
            const msgpack_object_kv *member = &object->via.map.ptr[i];
            add_item(&setting, setting_of(member->key.via.str.ptr, member->key.via.str.size, &member->val));
        }
        break;
    case MSGPACK_OBJECT_STR:
        setting.kind = SETTING_SCALAR;
        setting.text = xstrndup(object->via.str.ptr, object->via.str.size);
        break;
    default:
        setting.kind = SETTING_SCALAR;
        setting.text = number_text(object);
        break;
    }
    return setting;
}

/* Settings end at a NUL: what stands behind one would be lost. */
static bool has_nul(const msgpack_object *object)
{
    bool has_one = object->type == MSGPACK_OBJECT_STR && memchr(object->via.str.ptr, '\0', object->via.str.size) != NULL;

    if (object->type == MSGPACK_OBJECT_ARRAY) {
        for (uint32_t i = 0; i < object->via.array.size && !has_one; i++)
            has_one = has_nul(&object->via.array.ptr[i]);
    }
    if (object->type == MSGPACK_OBJECT_MAP) {
        for (uint32_t i = 0; i < object->via.map.size && !has_one; i++)
            has_one = has_nul(&object->via.map.ptr[i].key) || has_nul(&object->via.map.ptr[i].val);
    }
    return has_one;
}

/* As it is called in messages, where a NUL is a blank; "": it has no id. */
static char *id_of(const msgpack_object *object)
{
    const msgpack_object *id = packed_find(object, "id");

    if (id == NULL || id->type != MSGPACK_OBJECT_STR)
        return xstrdup("");
    char *text = xcalloc(1, id->via.str.size + 1);
    if (id->via.str.size > 0)
        memcpy(text, id->via.str.ptr, id->via.str.size);
    for (char *at = text; (at = memchr(at, '\0', (size_t)(text + id->via.str.size - at))) != NULL;)
        *at = ' ';
    return text;
}

/* ---- what it says -------------------------------------------------------------------------------- */

static bool is_ours(const msgpack_object *key)
{
    return object_is_text(key, "id") || object_is_text(key, "place") || object_is_text(key, "on_failure");
}

/* Several names of events are `events`, one is `event`. */
static const char *key_of(const msgpack_object_kv *member, size_t *ret_size)
{
    bool is_event = object_is_text(&member->key, "event");

    if (is_event && member->val.type == MSGPACK_OBJECT_ARRAY && member->val.via.array.size > 1) {
        *ret_size = strlen("events");
        return "events";
    }
    *ret_size = member->key.via.str.size;
    return member->key.via.str.ptr;
}

static const msgpack_object *value_of(const msgpack_object_kv *member)
{
    const msgpack_object *value = &member->val;
    bool is_one = object_is_text(&member->key, "event") && value->type == MSGPACK_OBJECT_ARRAY && value->via.array.size == 1;

    return is_one ? &value->via.array.ptr[0] : value;
}

static void read_given(struct declared *declared, const msgpack_object *object)
{
    declared->given = (struct setting){ .name = xstrdup(declared->id), .kind = SETTING_MAP };
    for (uint32_t i = 0; i < object->via.map.size; i++) {
        const msgpack_object_kv *member = &object->via.map.ptr[i];
        size_t size;
        if (is_ours(&member->key) || member->val.type == MSGPACK_OBJECT_NIL)
            continue;
        const char *key = key_of(member, &size);
        add_item(&declared->given, setting_of(key, size, value_of(member)));
    }
}

/* What a hello may not say. NULL: nothing of it. */
static char *check_names(const struct declared *declared)
{
    for (size_t i = 0; i < declared->given.count; i++) {
        const char *name = declared->given.items[i].name;
        if (strcmp(name, "use") == 0 || strcmp(name, "enabled") == 0)
            return xasprintf("'%s' is for the config, a program can't declare it", name);
        if (config_keys_find(&CONFIG_FUNCTION, name) == NULL && !config_flow_is_key(name))
            return xasprintf("this stepd has no setting '%s' of a function", name);
    }
    return NULL;
}

static bool has_trigger(const struct declared *declared)
{
    static const char *const triggers[] = { "event", "events", "topic", "cron" };

    for (size_t i = 0; i < COUNT_OF(triggers); i++) {
        if (setting_find(&declared->merged, triggers[i]) != NULL)
            return true;
    }
    return false;
}

/* The config's come first, and win. */
static void merge(struct declared *declared, const struct config *config)
{
    const struct setting *own = setting_find(setting_find(&config->root, "functions"), declared->id);
    struct setting *merged = &declared->merged;

    *merged = (struct setting){ .name = declared->id, .kind = SETTING_MAP };
    for (size_t i = 0; own != NULL && own->kind == SETTING_MAP && i < own->count; i++)
        add_item(merged, own->items[i]);
    for (size_t i = 0; i < declared->given.count; i++) {
        if (setting_find(merged, declared->given.items[i].name) == NULL)
            add_item(merged, declared->given.items[i]);
    }
}

/* ---- as a function ------------------------------------------------------------------------------- */

static void fill_module(struct declared *declared, const struct declared_code *code)
{
    declared->function = (struct stepd_function){
        .id = TEMPLATE,
        .template = true,
        .run = code->run,
        .on_failure = declared->has_on_failure ? code->on_failure : NULL,
        .retries = STEPD_DEFAULT_RETRIES,
        .jitter_ms = STEPD_DEFAULT_JITTER_MS,
        .timeout_ms = DEFAULT_TIMEOUT_MS,
    };
    declared->module = (struct stepd_module){
        .abi_major = STEPD_ABI_MAJOR,
        .abi_minor = STEPD_ABI_MINOR,
        .size = sizeof(struct stepd_module),
        .function_size = sizeof(struct stepd_function),
        .name = "program",
        .functions = &declared->function,
        .function_count = 1,
    };
    declared->loaded = (struct module){ .declared = &declared->module, .path = declared->place };
    declared->modules[0] = &declared->loaded;
}

static char *join_faults(const struct config_faults *faults)
{
    char *joined = NULL;

    for (size_t i = 0; i < faults->count; i++) {
        char *before = joined;
        joined = before != NULL ? xasprintf("%s; %s", before, faults->items[i].text) : xstrdup(faults->items[i].text);
        free(before);
    }
    return joined;
}

/* NULL: it is one; else why not. */
static char *build(struct declared *declared, const struct config *config, const struct declared_code *code)
{
    struct config_faults faults = { 0 };
    struct config own = *config;

    config_function_read(&declared->merged, &declared->settings, &faults);
    declared->settings.use = TEMPLATE;
    if (faults.count == 0) {
        fill_module(declared, code);
        own.functions = &declared->settings;
        own.function_count = 1;
        functions_build(&own, declared->modules, 1, false, &declared->made, &faults);
    }
    char *why = join_faults(&faults);
    config_faults_done(&faults);
    return why;
}

/* Takes `reason`. */
static struct declared *refuse(struct declared *declared, char *reason, struct refusal *ret_refusal)
{
    AUTO_FREE char *text = reason;

    *ret_refusal = (struct refusal){
        .id = xstrdup(declared->id),
        .place = xstrdup(declared->place),
        .reason = xasprintf("function '%s'%s%s is refused: %s", declared->id, declared->place[0] != '\0' ? ", declared at " : "",
                            declared->place, text),
    };
    declared_destroy(declared);
    return NULL;
}

struct declared *declared_read(const msgpack_object *object, const struct config *config, const struct declared_code *code,
                               struct refusal *ret_refusal)
{
    struct declared *declared = xcalloc(1, sizeof(*declared));
    const msgpack_object *on_failure = packed_find(object, "on_failure");

    declared->id = id_of(object);
    declared->place = object_find_text(object, "place");
    declared->has_on_failure = on_failure != NULL && on_failure->type == MSGPACK_OBJECT_BOOLEAN && on_failure->via.boolean;
    if (declared->place == NULL)
        declared->place = xstrdup("");
    if (declared->id[0] == '\0')
        return refuse(declared, xstrdup("a function is an object with an 'id'"), ret_refusal);
    if (has_nul(object))
        return refuse(declared, xstrdup("a text of its declaration has a NUL"), ret_refusal);
    read_given(declared, object);
    char *why = check_names(declared);
    if (why == NULL) {
        merge(declared, config);
        why = has_trigger(declared) ? build(declared, config, code) : xstrdup("it has no 'event', 'topic' or 'cron': what starts it?");
    }
    return why != NULL ? refuse(declared, why, ret_refusal) : declared;
}

void declared_destroy(struct declared *declared)
{
    if (declared == NULL)
        return;
    functions_done(&declared->made);
    config_function_done(&declared->settings);
    free(declared->merged.items);
    setting_done(&declared->given);
    free(declared->id);
    free(declared->place);
    free(declared);
}
