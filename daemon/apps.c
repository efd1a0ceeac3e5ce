/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon as a server of Inngest's SDKs, where the config says so. */
#include "daemon.h"

#include <errno.h>

#include "redis/shelf.h"

#define SHELF "inngest"

static int save_app(void *context, const char *name, struct bytes app)
{
    const struct daemon *daemon = context;

    /* Who registers asks again; a call that waits would hold up the daemon's start or stop. */
    if (!store_is_up(daemon->store))
        return -EAGAIN;
    return shelf_save(daemon->store, SHELF, name, app);
}

static int load_apps(void *context, void (*each)(void *each_context, const char *name, struct bytes app), void *each_context)
{
    const struct daemon *daemon = context;

    if (!store_is_up(daemon->store))
        return -EAGAIN;
    return shelf_load(daemon->store, SHELF, each, each_context);
}

static struct backoff backoff_of(const struct config *config)
{
    struct backoff backoff = backoff_default;

    if (config->retry.schedule_count > 0) {
        backoff.delays_ms = config->retry.schedule_ms;
        backoff.count = config->retry.schedule_count;
    }
    if (config->retry.has_jitter)
        backoff.jitter_ms = config->retry.jitter_ms;
    return backoff;
}

void apps_create(struct daemon *daemon)
{
    const struct config *config = daemon->config;
    const struct inngest_settings settings = {
        .apps = config->inngest.apps,
        .event_key = config->inngest.event_key,
        .signing_key = config->inngest.signing_key,
        .calls = config->inngest.calls,
        .topic = config->inngest.topic,
        .event_bytes = (size_t)config->limits.event_bytes,
        .backoff = backoff_of(config),
        .functions = daemon->loaded->functions.items,
        .function_count = daemon->loaded->functions.count,
        .routes = daemon->routes,
        .publisher = producer_port(daemon->producer),
        .shelf = { save_app, load_apps, daemon },
    };

    if (config->inngest.is_on)
        daemon->inngest = inngest_create(&settings);
}

size_t apps_function_room(const struct daemon *daemon)
{
    return daemon->inngest != NULL ? INNGEST_FUNCTIONS_MAX : 0;
}

int apps_start(struct daemon *daemon, struct error *ret_error)
{
    return daemon->inngest != NULL ? inngest_start(daemon->inngest, ret_error) : 0;
}
