/* SPDX-License-Identifier: Apache-2.0 */
#include "modules/reload.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "config/config_changes.h"
#include "config/config_faults.h"
#include "service/notify.h"

struct reload {
    const struct config *started_with;
    const struct config *current; /* the last one that was taken over */
    struct loaded *loaded;
    struct config **taken; /* all that were taken over: functions point into them */
    size_t taken_count;
};

struct reload *reload_create(const struct config *config, struct loaded *loaded)
{
    struct reload *reload = xcalloc(1, sizeof(*reload));

    assert(loaded->config == config);
    reload->started_with = config;
    reload->current = config;
    reload->loaded = loaded;
    return reload;
}

void reload_destroy(struct reload *reload)
{
    if (reload == NULL)
        return;
    for (size_t i = 0; i < reload->taken_count; i++)
        config_destroy(reload->taken[i]);
    free(reload->taken);
    free(reload);
}

static void take(struct reload *reload, struct config *config)
{
    assert(config != reload->current);
    reload->taken = xrealloc(reload->taken, (reload->taken_count + 1) * sizeof(*reload->taken));
    reload->taken[reload->taken_count++] = config;
    reload->current = config;
    log_set_level(config->log.level);
}

static void log_refusal(const struct config_faults *faults)
{
    for (size_t i = 0; i < faults->count; i++) {
        AUTO_FREE char *text = config_fault_text(&faults->items[i]);
        log_error("config: %s", text);
    }
    log_error("the config has %zu fault%s: the daemon keeps the old one", faults->count, faults->count == 1 ? "" : "s");
}

static void log_changes(const char *at_once, const char *at_restart)
{
    if (at_once == NULL && at_restart == NULL)
        log_info("config reloaded: nothing has changed");
    if (at_once != NULL)
        log_info("config reloaded, now in force: %s", at_once);
    if (at_restart != NULL)
        log_warn("config reloaded; these changes need a restart: %s", at_restart);
}

const struct config *reload_run(struct reload *reload)
{
    struct config_faults faults = { 0 };
    struct config *config = NULL;

    assert(reload->current != NULL);
    notify_reloading();
    if (config_load(reload->started_with->path, &config, &faults) != 0) {
        log_refusal(&faults);
    } else if (loader_renew(reload->loaded, config, &faults) != 0) {
        log_refusal(&faults);
        config_destroy(config);
    } else {
        AUTO_FREE char *at_once = config_changes(reload->current, config, CHANGE_AT_ONCE);
        AUTO_FREE char *at_restart = config_changes(reload->started_with, config, CHANGE_AT_RESTART);
        take(reload, config);
        log_changes(at_once, at_restart);
    }
    config_faults_done(&faults);
    notify_reloaded();
    return reload->current;
}
