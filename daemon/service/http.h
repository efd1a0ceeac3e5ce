/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's pages for machines: /metrics (Prometheus), /healthz (the process lives), /readyz (it
 * can do its work; else 503 with the reason). A thread a connection, so that an answer may take its time;
 * GET and HEAD, but for the routes that others answer.
 */
#ifndef STEPD_SERVICE_HTTP_H
#define STEPD_SERVICE_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "base/web.h"

struct http;

struct http_settings {
    const char *listen; /* "host:port", "[::1]:port"; port 0: any free one */
    /* The connection's thread. What /metrics says. NULL: nothing. */
    void (*write_metrics)(void *context, struct metrics_page *page);
    /* The connection's thread. Whether the daemon can do its work; `ret_reason` (one line) in either case. NULL:
     * always ready. */
    bool (*is_ready)(void *context, char *ret_reason, size_t size);
    void *context;
    const struct web_route *routes; /* what others answer, first match wins; outlive the server */
    size_t route_count;
    unsigned more_connections; /* at once, beyond those of who looks at pages */
};

/* 0, or negative errno with the reason. */
int http_start(const struct http_settings *settings, struct http **ret_http, struct error *ret_error) MUST_CHECK;
/* The port it listens on. */
int http_port(const struct http *http);
/* Waits for requests under way. NULL is fine. */
void http_stop(struct http *http);

#endif
