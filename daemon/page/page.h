/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's page: its files and the JSON behind it, as routes of the HTTP server. Keeps the last
 * 15 minutes (one small thread) and costs nothing else while nobody looks.
 */
#ifndef STEPD_PAGE_PAGE_H
#define STEPD_PAGE_PAGE_H

#include <stdatomic.h>
#include <stddef.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/web.h"
#include "config/config.h"
#include "engine/dispatch.h"
#include "intake/kafka/consumer.h"
#include "publish/producer.h"
#include "run/function.h"
#include "store/store.h"

struct page;

/* What is pointed to outlives the page. */
struct page_settings {
    const struct config *config;
    /* All there are now, those of apps too; any thread. Their `index` is below `function_room`. */
    void (*each_function)(void *context, void (*each)(void *each_context, const struct function *function), void *each_context);
    size_t function_room;
    struct dispatch *dispatch;
    struct producer *producer;
    const _Atomic(struct consumer *) *consumer; /* NULL until there is one */
    struct store_settings store;                /* how the daemon reaches Redis */
    bool (*is_ready)(void *context, char *ret_reason, size_t size);
    void *context;
};

struct page *page_create(const struct page_settings *settings);
/* Connects (in its own time) and starts the thread. 0, or negative errno with the reason. */
int page_start(struct page *page, struct error *ret_error) MUST_CHECK;
/* For the server; live as long as the page. */
const struct web_route *page_routes(const struct page *page, size_t *ret_count);
/* Requests that wait are answered soon, streams end. Call before the server stops. NULL is fine. */
void page_stop(struct page *page);
/* After the server stopped. NULL is fine. */
void page_destroy(struct page *page);

#endif
