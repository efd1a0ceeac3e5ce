/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the page: what its files share. */
#ifndef STEPD_PAGE_PAGE_INTERNAL_H
#define STEPD_PAGE_PAGE_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/lock.h"
#include "base/thread.h"
#include "page/page.h"
#include "page/past.h"
#include "store/runs.h"
#include "view/json_out.h"

#define PAGE_ROUTES 24

struct page {
    struct page_settings settings;
    struct redis_store *store; /* the page's own */
    struct past *past;
    struct web_route routes[PAGE_ROUTES];
    size_t route_count;
    atomic_int readers; /* requests that wait for Redis */
    atomic_int streams;

    struct thread thread;
    struct lock lock;
    struct condition stopped;
    bool is_stopping; /* lock */
};

/* Until the page stops (true), or timeout_ms have gone by (false). */
bool page_wait(struct page *page, int64_t timeout_ms);

typedef void (*page_answer)(void *page, const struct web_request *request, struct web_reply *reply);

/* files.c */
void page_file(void *page, const struct web_request *request, struct web_reply *reply);
/* overview.c */
void page_overview(void *page, const struct web_request *request, struct web_reply *reply);
void page_live(void *page, const struct web_request *request, struct web_reply *reply);
/* functions.c */
void page_functions(void *page, const struct web_request *request, struct web_reply *reply);
/* lines.c */
void page_lines(void *page, const struct web_request *request, struct web_reply *reply);
/* runs.c */
void page_runs(void *page, const struct web_request *request, struct web_reply *reply);
void page_run(void *page, const struct web_request *request, struct web_reply *reply);
/* failed.c */
void page_failed(void *page, const struct web_request *request, struct web_reply *reply);
/* changes.c */
void page_change_run(void *page, const struct web_request *request, struct web_reply *reply);
void page_change_many(void *page, const struct web_request *request, struct web_reply *reply);
void page_pause(void *page, const struct web_request *request, struct web_reply *reply);
void page_retry_all(void *page, const struct web_request *request, struct web_reply *reply);
void page_send(void *page, const struct web_request *request, struct web_reply *reply);

/* reply.c: the headers that all answers have. */
extern const struct web_header page_headers[];
/* `out` is taken. */
void reply_json(struct web_reply *reply, struct json_out *out);
void reply_error(struct web_reply *reply, unsigned status, const char *format, ...) PRINTF_LIKE(3, 4);
/* Whether the request may change something; else it is answered. */
bool request_may_change(const struct page *page, const struct web_request *request, struct web_reply *reply);
/* Whether the request comes from where it may read; else it is answered. */
bool request_may_read(const struct page *page, const struct web_request *request, struct web_reply *reply);
/* A place among those that ask Redis; else it is answered: Redis is down, or too many ask. */
bool store_enter(struct page *page, struct web_reply *reply);
void store_leave(struct page *page);

#endif
