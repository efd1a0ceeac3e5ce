/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/catalog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config_faults.h"
#include "sdk/inngest.h"
#include "store/shelf.h"

static const struct stepd_module declared = { .name = "inngest" };
static const struct module of_apps = { .declared = &declared, .path = "" };

static void add(struct catalog *catalog, const struct function *function)
{
    catalog->items = xrealloc(catalog->items, (catalog->count + 1) * sizeof(*catalog->items));
    catalog->items[catalog->count++] = function;
}

static void add_app(void *context, const char *name, struct bytes registration)
{
    struct catalog *catalog = context;
    AUTO_FREE char *error = NULL;
    struct app *app;

    (void)name;
    if (app_create(registration, &app, &error) != 0)
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
    if (!ctl->config->inngest.is_on)
        return CTL_OK;
    enum ctl_exit status = ctl_open_store(ctl);
    if (status != CTL_OK)
        return status;
    int failed = shelf_load(ctl->store, INNGEST_SHELF, add_app, catalog);
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
    return add_apps(ctl, catalog);
}

void catalog_close(struct catalog *catalog)
{
    for (size_t i = 0; i < catalog->app_count; i++)
        app_destroy(catalog->apps[i]);
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
