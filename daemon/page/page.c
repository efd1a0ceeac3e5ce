/* SPDX-License-Identifier: Apache-2.0 */
#include "page/page.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/thread.h"
#include "page/page_internal.h"

#define BODY_MOST (8 << 20)
#define IDS_MOST 32768 /* of a request that changes many runs */
#define PARTITIONS_MOST 1024

/* ---- routes -------------------------------------------------------------------------------------- */

static void guarded_overview(void *context, const struct web_request *request, struct web_reply *reply)
{
    if (request_may_read(context, request, reply))
        page_overview(context, request, reply);
}

static void guarded_live(void *context, const struct web_request *request, struct web_reply *reply)
{
    if (request_may_read(context, request, reply))
        page_live(context, request, reply);
}

static void guarded_functions(void *context, const struct web_request *request, struct web_reply *reply)
{
    if (request_may_read(context, request, reply))
        page_functions(context, request, reply);
}

/* What asks Redis too. */
static void read_store(struct page *page, const struct web_request *request, struct web_reply *reply, page_answer answer)
{
    if (!request_may_read(page, request, reply) || !store_enter(page, reply))
        return;
    answer(page, request, reply);
    store_leave(page);
}

static void guarded_runs(void *context, const struct web_request *request, struct web_reply *reply)
{
    read_store(context, request, reply, page_runs);
}

static void guarded_run(void *context, const struct web_request *request, struct web_reply *reply)
{
    read_store(context, request, reply, page_run);
}

static void guarded_lines(void *context, const struct web_request *request, struct web_reply *reply)
{
    read_store(context, request, reply, page_lines);
}

static void guarded_failed(void *context, const struct web_request *request, struct web_reply *reply)
{
    read_store(context, request, reply, page_failed);
}

static void change_store(struct page *page, const struct web_request *request, struct web_reply *reply, page_answer answer)
{
    if (!request_may_change(page, request, reply) || !store_enter(page, reply))
        return;
    answer(page, request, reply);
    store_leave(page);
}

static void guarded_change_run(void *context, const struct web_request *request, struct web_reply *reply)
{
    change_store(context, request, reply, page_change_run);
}

static void guarded_change_many(void *context, const struct web_request *request, struct web_reply *reply)
{
    change_store(context, request, reply, page_change_many);
}

static void guarded_retry_all(void *context, const struct web_request *request, struct web_reply *reply)
{
    change_store(context, request, reply, page_retry_all);
}

static void guarded_pause(void *context, const struct web_request *request, struct web_reply *reply)
{
    change_store(context, request, reply, page_pause);
}

static void guarded_send(void *context, const struct web_request *request, struct web_reply *reply)
{
    if (request_may_change(context, request, reply))
        page_send(context, request, reply);
}

static const struct web_route routes[] = {
    { "GET", "/", 0, page_file, NULL },
    { "GET", "/web/*", 0, page_file, NULL },
    { "GET", "/api/overview", 0, guarded_overview, NULL },
    { "GET", "/api/live", 0, guarded_live, NULL },
    { "GET", "/api/functions", 0, guarded_functions, NULL },
    { "GET", "/api/lines", 0, guarded_lines, NULL },
    { "GET", "/api/runs", 0, guarded_runs, NULL },
    { "GET", "/api/runs/*", 0, guarded_run, NULL },
    { "GET", "/api/failed", 0, guarded_failed, NULL },
    { "POST", "/api/runs/*", 4096, guarded_change_run, NULL },
    { "POST", "/api/runs", IDS_MOST, guarded_change_many, NULL },
    { "POST", "/api/retry", 4096, guarded_retry_all, NULL },
    { "POST", "/api/functions/*", 4096, guarded_pause, NULL },
    { "POST", "/api/events", BODY_MOST, guarded_send, NULL },
};
#define ROUTE_COUNT COUNT_OF(routes)
_Static_assert(ROUTE_COUNT <= PAGE_ROUTES, "a page has room for its routes");

const struct web_route *page_routes(const struct page *page, size_t *ret_count)
{
    *ret_count = page->route_count;
    return page->routes;
}

/* ---- the past ------------------------------------------------------------------------------------ */

static uint64_t lag_of_all(struct consumer *consumer)
{
    AUTO_FREE struct partition_view *partitions = xcalloc(PARTITIONS_MOST, sizeof(*partitions));
    size_t count = consumer != NULL ? consumer_partitions(consumer, partitions, PARTITIONS_MOST) : 0;
    uint64_t lag = 0;

    for (size_t i = 0; i < count && i < PARTITIONS_MOST; i++) {
        if (partitions[i].lag > 0)
            lag += (uint64_t)partitions[i].lag;
    }
    return lag;
}

/* All shards' runs that are due later; what it was where Redis is away. */
static uint64_t count_delayed(struct page *page, uint64_t before)
{
    uint64_t sum = 0;

    for (int shard = 0; shard < store_shards(page->store); shard++) {
        uint64_t count = 0;
        if (!store_is_up(page->store) || runs_count(page->store, RUNS_DELAYED, shard, &count) != 0)
            return before;
        sum += count;
    }
    return sum;
}

static void remember(struct page *page, struct past_point *point)
{
    const struct page_settings *settings = &page->settings;
    struct consumer *consumer = atomic_load(settings->consumer);
    struct consumer_counts consumed = { 0 };
    struct dispatch_counts counts;

    dispatch_counts(settings->dispatch, &counts);
    if (consumer != NULL)
        consumer_counts(consumer, &consumed);
    *point = (struct past_point){
        .at_ms = clock_wall_ms(),
        .events = consumed.events_consumed,
        .completed = counts.runs_completed,
        .failed = counts.runs_failed,
        .retried = counts.retries_scheduled,
        .delayed = count_delayed(page, point->delayed),
        .lag = lag_of_all(consumer),
        .busy = counts.threads_busy,
    };
    past_add(page->past, point);
}

struct counting {
    struct dispatch *dispatch;
    struct function_counts *counts; /* by a function's index */
};

static void count_function(void *context, const struct function *function)
{
    const struct counting *counting = context;

    dispatch_function_counts(counting->dispatch, function->index, &counting->counts[function->index]);
}

static void remember_functions(struct page *page)
{
    const struct page_settings *settings = &page->settings;
    AUTO_FREE struct function_counts *counts = xcalloc(settings->function_room + 1, sizeof(*counts));
    struct counting counting = { settings->dispatch, counts };

    settings->each_function(settings->context, count_function, &counting);
    past_add_functions(page->past, clock_wall_ms(), counts);
}

static void *page_main(void *argument)
{
    struct page *page = argument;
    struct past_point point = { 0 };
    int64_t functions_next_ms = 0;

    do {
        remember(page, &point);
        if (clock_monotonic_ms() >= functions_next_ms) {
            remember_functions(page);
            functions_next_ms = clock_monotonic_ms() + PAST_FUNCTIONS_EVERY_MS;
        }
    } while (!page_wait(page, PAST_EVERY_MS));
    return NULL;
}

/* ---- its life ------------------------------------------------------------------------------------ */

bool page_wait(struct page *page, int64_t timeout_ms)
{
    int64_t until_ms = clock_monotonic_ms() + timeout_ms;

    LOCK_GUARD(&page->lock);
    while (!page->is_stopping && condition_wait_until(&page->stopped, &page->lock, until_ms))
        ;
    return page->is_stopping;
}

struct page *page_create(const struct page_settings *settings)
{
    struct page *page = xcalloc(1, sizeof(*page));

    page->settings = *settings;
    page->settings.store.on_new_incarnation = NULL;
    page->settings.store.context = NULL;
    page->past = past_create(settings->function_room);
    page->store = store_create(&page->settings.store);
    page->route_count = ROUTE_COUNT;
    lock_init(&page->lock);
    condition_init(&page->stopped);
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        page->routes[i] = routes[i];
        page->routes[i].context = page;
    }
    return page;
}

int page_start(struct page *page, struct error *ret_error)
{
    int status = store_start(page->store, ret_error);

    if (status != 0 && status != -EAGAIN)
        return status;
    return thread_start(&page->thread, "page", 0, page_main, page, ret_error);
}

void page_stop(struct page *page)
{
    if (page == NULL)
        return;
    lock_take(&page->lock);
    page->is_stopping = true;
    condition_wake_all(&page->stopped);
    lock_give(&page->lock);
    store_stop(page->store);
    thread_join(&page->thread);
}

void page_destroy(struct page *page)
{
    if (page == NULL)
        return;
    assert(page->readers == 0 && page->streams == 0); /* the server has stopped */
    store_destroy(page->store);
    past_destroy(page->past);
    condition_done(&page->stopped);
    lock_done(&page->lock);
    free(page);
}
