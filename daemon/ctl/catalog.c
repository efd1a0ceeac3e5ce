/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/catalog.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json.h"
#include "codec/packed.h"
#include "config/config_faults.h"
#include "program/declared.h"
#include "program/programs.h"
#include "sdk/inngest.h"
#include "sdk/object.h"
#include "store/shelf.h"

static const struct stepd_module apps = { .name = "inngest" };
static const struct module of_apps = { .declared = &apps, .path = "" };

static void add(struct catalog *catalog, const struct function *function)
{
    assert(function->id != NULL);
    catalog->items = xrealloc(catalog->items, (catalog->count + 1) * sizeof(*catalog->items));
    catalog->items[catalog->count++] = function;
}

struct hearing {
    struct catalog *catalog;
    const struct config *config;
};

static void add_app(void *context, const char *name, struct bytes registration)
{
    const struct hearing *hearing = context;
    struct catalog *catalog = hearing->catalog;
    AUTO_FREE char *error = NULL;
    struct app *app;

    (void)name;
    if (app_create(registration, hearing->config, &app, &error) != 0)
        return;
    catalog->apps = xrealloc(catalog->apps, (catalog->app_count + 1) * sizeof(*catalog->apps));
    catalog->apps[catalog->app_count++] = app;
    for (size_t i = 0; i < app->count; i++) {
        app->functions[i]->base.module = &of_apps;
        add(catalog, &app->functions[i]->base);
    }
}

/* What apps registered is known to Redis alone. */
static enum ctl_exit add_apps(struct ctl *ctl, struct catalog *catalog)
{
    struct hearing hearing = { catalog, ctl->config };

    if (!ctl->config->inngest.is_on)
        return CTL_OK;
    enum ctl_exit status = ctl_open_store(ctl);
    if (status != CTL_OK)
        return status;
    int failed = shelf_load(ctl->store, INNGEST_SHELF, add_app, &hearing);
    return failed == 0 ? CTL_OK : ctl_store_failed(ctl, failed);
}

/* Nothing of it runs here. */
static enum stepd_status run_nothing(struct stepd_ctx *ctx)
{
    (void)ctx;
    return STEPD_OK;
}

static void add_declared(struct catalog *catalog, const msgpack_object *object, const struct config *config)
{
    static const struct stepd_module of_program = { .name = "program" };
    static const struct module of_programs = { .declared = &of_program, .path = "" };
    const struct declared_code code = { .run = run_nothing, .on_failure = run_nothing };
    struct refusal refusal = { 0 };
    struct declared *declared = declared_read(object, config, &code, &refusal);

    free(refusal.id);
    free(refusal.place);
    free(refusal.reason);
    if (declared == NULL || declared->made.count == 0) {
        declared_destroy(declared);
        return;
    }
    catalog->declared = xrealloc(catalog->declared, (catalog->declared_count + 1) * sizeof(struct declared *));
    catalog->declared[catalog->declared_count++] = declared;
    struct function *function = (struct function *)(uintptr_t)declared->made.items[0];
    function->module = &of_programs;
    add(catalog, function);
}

static bool is_configured(const struct config *config, const char *program)
{
    for (size_t i = 0; i < config->program_count; i++) {
        if (strcmp(config->programs[i].name, program) == 0)
            return true;
    }
    return false;
}

static void add_program(void *context, const char *name, struct bytes hello)
{
    const struct hearing *hearing = context;
    struct error error = { 0 };
    msgpack_object object;
    msgpack_zone zone;

    if (!is_configured(hearing->config, name) || !msgpack_zone_init(&zone, 16384))
        return;
    const msgpack_object *list = json_decode(hello, &zone, &object, &error) == 0 ? packed_find(&object, "functions") : NULL;
    for (uint32_t i = 0; list != NULL && list->type == MSGPACK_OBJECT_ARRAY && i < list->via.array.size; i++) {
        AUTO_FREE char *id = object_find_text(&list->via.array.ptr[i], "id");
        if (id != NULL && catalog_find(hearing->catalog, id) == NULL)
            add_declared(hearing->catalog, &list->via.array.ptr[i], hearing->config);
    }
    msgpack_zone_destroy(&zone);
}

/* What programs declared likewise. */
static enum ctl_exit add_programs(struct ctl *ctl, struct catalog *catalog)
{
    struct hearing hearing = { catalog, ctl->config };

    if (ctl->config->program_count == 0)
        return CTL_OK;
    enum ctl_exit status = ctl_open_store(ctl);
    if (status != CTL_OK)
        return status;
    int failed = shelf_load(ctl->store, PROGRAMS_SHELF, add_program, &hearing);
    return failed == 0 ? CTL_OK : ctl_store_failed(ctl, failed);
}

enum ctl_exit catalog_open(struct ctl *ctl, struct catalog *catalog)
{
    struct config_faults faults = { 0 };

    *catalog = (struct catalog){ 0 };
    enum ctl_exit status = ctl_load_whole_config(ctl);
    if (status != CTL_OK)
        return status;
    if (loader_load(ctl->config, &catalog->loaded, &faults) != 0) {
        config_faults_print(&faults, stderr);
        config_faults_done(&faults);
        return ctl_fail(CTL_FAILED, "the daemon would not start with that");
    }
    config_faults_done(&faults);
    for (size_t i = 0; i < catalog->loaded->functions.count; i++)
        add(catalog, catalog->loaded->functions.items[i]);
    status = add_apps(ctl, catalog);
    return status == CTL_OK ? add_programs(ctl, catalog) : status;
}

void catalog_close(struct catalog *catalog)
{
    for (size_t i = 0; i < catalog->app_count; i++)
        app_destroy(catalog->apps[i]);
    for (size_t i = 0; i < catalog->declared_count; i++)
        declared_destroy(catalog->declared[i]);
    free(catalog->declared);
    free(catalog->apps);
    free(catalog->items);
    loaded_destroy(catalog->loaded);
    *catalog = (struct catalog){ 0 };
}

const struct function *catalog_find(const struct catalog *catalog, const char *id)
{
    for (size_t i = 0; i < catalog->count; i++)
        if (strcmp(catalog->items[i]->id, id) == 0)
            return catalog->items[i];
    return NULL;
}
