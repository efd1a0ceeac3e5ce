/* SPDX-License-Identifier: Apache-2.0 */
/* What is answered over HTTP: metrics, health, the page, and what apps of SDKs ask for. */
#include "service/http.h"

#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "page/page.h"
#include "parts/part.h"
#include "sdk/inngest.h"
#include "view/store_config.h"

static int start_page(struct daemon *daemon, struct error *ret_error)
{
    const struct page_settings settings = {
        .config = daemon->config,
        .each_function = part_each_function,
        .function_room = part_function_room(daemon),
        .dispatch = daemon->dispatch,
        .producer = daemon->producer,
        .consumer = &daemon->consumer,
        .store = store_settings_of(daemon->config),
        .is_ready = parts_are_ready,
        .context = daemon,
    };

    daemon->page = page_create(&settings);
    return page_start(daemon->page, ret_error);
}

/* The page's, what apps ask for, and functions that programs start by themselves. */
static const struct web_route *join_routes(struct daemon *daemon, size_t *ret_count)
{
    size_t page_count = 0, app_count = 0;
    const struct web_route *page = page_routes(daemon->page, &page_count);
    const struct web_route *apps = daemon->inngest != NULL ? inngest_routes(daemon->inngest, &app_count) : NULL;

    daemon->web_routes = xcalloc(page_count + app_count + 1, sizeof(*daemon->web_routes));
    if (app_count > 0) {
        memcpy(daemon->web_routes, apps, app_count * sizeof(*apps));
        daemon->web_routes[app_count++] =
            (struct web_route){ "POST", PART_INVOKE_PATH "*", (size_t)daemon->config->limits.event_bytes, part_answer_invoke, daemon };
    }
    memcpy(daemon->web_routes + app_count, page, page_count * sizeof(*page));
    *ret_count = app_count + page_count;
    return daemon->web_routes;
}

static int start(struct daemon *daemon, struct error *ret_error)
{
    struct http_settings settings = {
        .listen = daemon->config->http_listen,
        .write_metrics = parts_write_metrics,
        .is_ready = parts_are_ready,
        .context = daemon,
    };

    if (settings.listen[0] == '\0')
        return 0;
    int status = start_page(daemon, ret_error);
    if (status != 0)
        return status;
    settings.routes = join_routes(daemon, &settings.route_count);
    if (daemon->inngest != NULL) /* each call may report steps, all at once */
        settings.more_connections = (unsigned)daemon->config->inngest.calls;
    return http_start(&settings, &daemon->http, ret_error);
}

static void halt(struct daemon *daemon)
{
    page_stop(daemon->page);
}

static void end(struct daemon *daemon)
{
    http_stop(daemon->http);
    page_destroy(daemon->page);
    free(daemon->web_routes);
}

const struct part PART_HTTP = { .name = "http", .start = start, .halt = halt, .end = end };
