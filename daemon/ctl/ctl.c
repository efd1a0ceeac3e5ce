/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ctl.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"
#include "config/config_faults.h"
#include "view/store_config.h"

#define DEFAULT_CONFIG "/etc/stepd/stepd.yaml"
#define CREDENTIALS "/etc/credstore" /* where LoadCredential= of the unit finds them: for root */
#define PATIENCE_MS 5000             /* with a Redis that went away */

/* A store's calls wait for Redis however long it takes: right for the daemon, not for a person. */
struct watchdog {
    struct thread thread;
    struct redis_store *store;
    atomic_bool is_over;
};

enum ctl_exit ctl_fail(enum ctl_exit status, const char *format, ...)
{
    va_list arguments;

    assert(status != CTL_OK);
    (void)fflush(stdout);
    va_start(arguments, format);
    AUTO_FREE char *text = xvasprintf(format, arguments);
    va_end(arguments);
    (void)fprintf(stderr, "stepctl: %s\n", text);
    return status;
}

enum ctl_exit ctl_misused(const struct ctl *ctl, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    AUTO_FREE char *text = xvasprintf(format, arguments);
    va_end(arguments);
    assert(text[0] != '\0');
    const char *name = ctl->command != NULL ? ctl->command->name : "";
    const char *then = text[strlen(text) - 1] == '?' ? " See" : "; see";
    return ctl_fail(CTL_USAGE, "%s%s stepctl %s%s--help", text, then, name, name[0] != '\0' ? " " : "");
}

static char *dev_config_path(void)
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");

    if (state != NULL && state[0] != '\0')
        return xasprintf("%s/stepd/dev/stepd.yaml", state);
    return xasprintf("%s/.local/state/stepd/dev/stepd.yaml", home != NULL ? home : "");
}

static enum ctl_exit load_config(struct ctl *ctl, int (*load)(const char *, struct config **, struct config_faults *))
{
    struct config_faults faults = { 0 };
    AUTO_FREE char *path = ctl->is_dev ? dev_config_path() : xstrdup(ctl->config_path != NULL ? ctl->config_path : DEFAULT_CONFIG);

    assert(ctl->config == NULL); /* or it would be lost */
    (void)setenv("CREDENTIALS_DIRECTORY", CREDENTIALS, 0);
    if (access(path, R_OK) != 0) {
        if (ctl->is_dev && errno == ENOENT)
            return ctl_fail(CTL_FAILED, "there is no %s yet: start `stepd dev` first, or name its file with --config", path);
        return ctl_fail(CTL_FAILED, "%s: %s; name the daemon's config with --config FILE, or use --dev", path, strerror(errno));
    }
    if (load(path, &ctl->config, &faults) != 0) {
        config_faults_print(&faults, stderr);
        config_faults_done(&faults);
        return ctl_fail(CTL_FAILED, "%s can't be used until that is mended", path);
    }
    config_faults_done(&faults);
    return CTL_OK;
}

enum ctl_exit ctl_load_config(struct ctl *ctl)
{
    return load_config(ctl, config_load_to_look);
}

enum ctl_exit ctl_load_whole_config(struct ctl *ctl)
{
    return load_config(ctl, config_load);
}

static void *watch(void *data)
{
    struct watchdog *watchdog = data;
    int64_t up_ms = clock_monotonic_ms();

    while (!watchdog->is_over) {
        (void)usleep(50000);
        if (store_is_up(watchdog->store))
            up_ms = clock_monotonic_ms();
        if (clock_monotonic_ms() - up_ms > PATIENCE_MS) {
            store_stop(watchdog->store);
            break;
        }
    }
    return NULL;
}

static void watchdog_start(struct ctl *ctl)
{
    struct watchdog *watchdog = xcalloc(1, sizeof(*watchdog));
    struct error error;

    assert(ctl->store != NULL && ctl->watchdog == NULL);
    watchdog->store = ctl->store;
    if (thread_start(&watchdog->thread, "watchdog", 0, watch, watchdog, &error) != 0) {
        free(watchdog);
        return;
    }
    ctl->watchdog = watchdog;
}

static void watchdog_stop(struct ctl *ctl)
{
    if (ctl->watchdog == NULL)
        return;
    ctl->watchdog->is_over = true;
    thread_join(&ctl->watchdog->thread);
    free(ctl->watchdog);
    ctl->watchdog = NULL;
}

int ctl_try_store(struct ctl *ctl, struct error *ret_error)
{
    const struct store_settings settings = store_settings_of(ctl->config);

    assert(ctl->config != NULL && ctl->store == NULL);
    ctl->store = store_create(&settings);
    int status = store_start(ctl->store, ret_error);
    if (status != 0) {
        store_destroy(ctl->store);
        ctl->store = NULL;
        return status;
    }
    watchdog_start(ctl);
    return 0;
}

enum ctl_exit ctl_open_store(struct ctl *ctl)
{
    struct error error = { 0 };

    if (ctl->store != NULL)
        return CTL_OK;
    enum ctl_exit status = ctl->config != NULL ? CTL_OK : ctl_load_config(ctl);
    if (status != CTL_OK)
        return status;
    if (ctl_try_store(ctl, &error) != 0)
        return ctl_fail(CTL_UNREACHABLE, "%s (redis.url of %s)%s", error.text, ctl->config->path,
                        ctl->is_dev ? "; is `stepd dev` running?" : "");
    return CTL_OK;
}

enum ctl_exit ctl_store_failed(const struct ctl *ctl, int status)
{
    assert(status < 0 && ctl->config != NULL);
    if (status == -ESHUTDOWN)
        return ctl_fail(CTL_UNREACHABLE, "Redis stopped answering (redis.url of %s); whether it did the last request is not known",
                        ctl->config->path);
    return ctl_fail(CTL_FAILED, "Redis refused: %s", strerror(-status));
}

void ctl_done(struct ctl *ctl)
{
    watchdog_stop(ctl);
    store_destroy(ctl->store);
    config_destroy(ctl->config);
}
