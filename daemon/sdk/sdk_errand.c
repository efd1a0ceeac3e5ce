/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/sdk_errand.h"

#include <assert.h>
#include <curl/curl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/memory.h"

#define NEVER INT64_MAX

/* What the holder, the http_pool and those who cancel share. Lives until the last call has arrived. */
struct sdk_inside {
    struct http_pool *http_pool;
    struct open_calls *open_calls;
    struct lock lock;     /* of all below; taken within open_calls' own, the http_pool's within it */
    struct sdk_call *out; /* under way; times among them */
    size_t out_count;
    size_t call_count;        /* of those, the calls */
    struct sdk_call *arrived; /* in order */
    struct sdk_call **arrived_end;
    struct report *reports; /* in order */
    struct report **reports_end;
    int64_t wakes_ns; /* the next time that is under way */
    bool is_cancelled;
    bool has_heard;
    bool is_over;     /* there is no run any more */
    bool has_arrived; /* since the holder last looked: it is not to leave */
    void (*come_back)(void *home);
    void *home; /* NULL: the run is at home */
};

/* Whom to call once it is not; NULL: nobody. */
static void *call_home(struct sdk_inside *inside)
{
    void *home = inside->home;

    assert_held(&inside->lock);
    inside->home = NULL;
    inside->has_arrived = home == NULL;
    return home;
}

static void inside_destroy(struct sdk_inside *inside)
{
    assert(inside->out_count == 0 && inside->is_over);
    lock_done(&inside->lock);
    free(inside);
}

/* ---- calls ------------------------------------------------------------------------------------------ */

static void take_out(struct sdk_inside *inside, struct sdk_call *call)
{
    struct sdk_call **link = &inside->out;

    assert_held(&inside->lock);
    assert(inside->out_count > 0 && inside->call_count <= inside->out_count);
    while (*link != call)
        link = &(*link)->next;
    *link = call->next;
    inside->out_count--;
    if (call->call->url != NULL)
        inside->call_count--;
    else
        inside->wakes_ns = NEVER;
}

static void add_arrived(struct sdk_inside *inside, struct sdk_call *call)
{
    assert_held(&inside->lock);
    call->next = NULL;
    *inside->arrived_end = call;
    inside->arrived_end = &call->next;
}

/* Courier's thread. */
static void arrive(struct call *done)
{
    struct sdk_call *call = done->context;
    struct sdk_inside *inside = call->inside;
    bool is_wanted;
    void *home = NULL;

    open_calls_remove(inside->open_calls, &call->open);
    lock_take(&inside->lock);
    take_out(inside, call);
    is_wanted = !inside->is_over && done->url != NULL;
    if (is_wanted)
        add_arrived(inside, call);
    if (!inside->is_over)
        home = call_home(inside);
    void (*come_back)(void *home) = inside->come_back;
    bool is_last = inside->is_over && inside->out_count == 0;
    lock_give(&inside->lock);
    if (!is_wanted)
        sdk_call_destroy(call);
    if (is_last)
        inside_destroy(inside);
    if (home != NULL)
        come_back(home);
}

/* Any thread. */
static bool take_report(struct open_call *open, struct report *report)
{
    struct sdk_call *call = (struct sdk_call *)(void *)((char *)open - offsetof(struct sdk_call, open));
    struct sdk_inside *inside = call->inside;
    void *home = NULL;

    lock_take(&inside->lock);
    bool is_wanted = !inside->is_over;
    if (is_wanted) {
        report_hold(report);
        report->next = NULL;
        *inside->reports_end = report;
        inside->reports_end = &report->next;
        home = call_home(inside);
    }
    void (*come_back)(void *home) = inside->come_back;
    lock_give(&inside->lock);
    if (home != NULL)
        come_back(home);
    return is_wanted;
}

struct sdk_call *sdk_call_create(struct sdk_errand *errand, const char *name)
{
    struct sdk_call *call = xcalloc(1, sizeof(*call));

    call->inside = errand->inside;
    call->call = call_create(arrive, call);
    memcpy(call->name, name, strnlen(name, sizeof(call->name) - 1));
    return call;
}

void sdk_call_destroy(struct sdk_call *call)
{
    call_destroy(call->call);
    free(call);
}

const char *sdk_call_open(struct sdk_call *call, const struct run_id *run)
{
    call->open.take = take_report;
    call->was_open = true;
    open_calls_add(call->inside->open_calls, &call->open, run);
    return call->open.token;
}

void sdk_errand_send(struct sdk_errand *errand, struct sdk_call *call)
{
    struct sdk_inside *inside = errand->inside;

    assert((call->call->url != NULL) != call->call->base.is_time);
    LOCK_GUARD(&inside->lock);
    call->next = inside->out;
    inside->out = call;
    inside->out_count++;
    if (call->call->url != NULL)
        inside->call_count++;
    http_pool_send(inside->http_pool, &call->call->base);
}

void sdk_errand_wake(struct sdk_errand *errand, int64_t delay_ms)
{
    int64_t due_ns = clock_monotonic_ns() + (delay_ms > 0 ? delay_ms : 0) * 1000000;
    struct sdk_inside *inside = errand->inside;

    lock_take(&inside->lock);
    bool is_soonest = due_ns < inside->wakes_ns;
    if (is_soonest)
        inside->wakes_ns = due_ns;
    lock_give(&inside->lock);
    if (!is_soonest)
        return;
    struct sdk_call *call = sdk_call_create(errand, "");
    call->call->base.is_time = true;
    call->call->base.due_ns = due_ns;
    sdk_errand_send(errand, call);
}

struct sdk_call *sdk_errand_take(struct sdk_errand *errand)
{
    struct sdk_inside *inside = errand->inside;

    LOCK_GUARD(&inside->lock);
    inside->has_arrived = false;
    struct sdk_call *call = inside->arrived;
    if (call != NULL) {
        inside->arrived = call->next;
        if (inside->arrived == NULL)
            inside->arrived_end = &inside->arrived;
    }
    return call;
}

struct report *sdk_errand_take_report(struct sdk_errand *errand)
{
    struct sdk_inside *inside = errand->inside;

    LOCK_GUARD(&inside->lock);
    struct report *report = inside->reports;
    if (report != NULL) {
        inside->reports = report->next;
        if (inside->reports == NULL)
            inside->reports_end = &inside->reports;
    }
    return report;
}

size_t sdk_errand_under_way(struct sdk_errand *errand)
{
    struct sdk_inside *inside = errand->inside;

    LOCK_GUARD(&inside->lock);
    size_t count = inside->call_count;
    for (const struct sdk_call *call = inside->arrived; call != NULL; call = call->next)
        count++;
    return count;
}

bool sdk_errand_is_cancelled(struct sdk_errand *errand)
{
    LOCK_GUARD(&errand->inside->lock);
    bool is_cancelled = errand->inside->is_cancelled;
    return is_cancelled;
}

bool sdk_errand_has_heard(struct sdk_errand *errand)
{
    LOCK_GUARD(&errand->inside->lock);
    bool has_heard = errand->inside->has_heard;
    errand->inside->has_heard = false;
    return has_heard;
}

void gateway_destroy(struct gateway *gateway)
{
    curl_slist_free_all(gateway->headers);
    msgpack_sbuffer_destroy(&gateway->body);
    free(gateway->url);
    free(gateway->method);
    free(gateway);
}

/* ---- as core sees it -------------------------------------------------------------------------------- */

static void leave(struct errand *base, void (*come_back)(void *home), void *home)
{
    struct sdk_inside *inside = sdk_errand_of(base)->inside;

    lock_take(&inside->lock);
    assert(inside->home == NULL && !inside->is_over);
    bool stays = inside->has_arrived || inside->reports != NULL;
    if (!stays) {
        inside->come_back = come_back;
        inside->home = home;
    }
    lock_give(&inside->lock);
    if (stays)
        come_back(home);
}

/* It comes home, since what `flag` says is so now. */
static void call_home_for(struct sdk_inside *inside, bool *flag)
{
    lock_take(&inside->lock);
    *flag = true;
    void *home = call_home(inside);
    void (*come_back)(void *home) = inside->come_back;
    lock_give(&inside->lock);
    if (home != NULL)
        come_back(home);
}

static void cancel(struct errand *base)
{
    struct sdk_inside *inside = sdk_errand_of(base)->inside;

    call_home_for(inside, &inside->is_cancelled);
}

static void hear(struct errand *base)
{
    struct sdk_inside *inside = sdk_errand_of(base)->inside;

    call_home_for(inside, &inside->has_heard);
}

static void destroy(struct errand *base)
{
    struct sdk_errand *errand = sdk_errand_of(base);
    struct sdk_inside *inside = errand->inside;

    lock_take(&inside->lock);
    struct sdk_call *arrived = inside->arrived;
    struct report *reports = inside->reports;
    inside->is_over = true;
    inside->home = NULL;
    for (struct sdk_call *call = inside->out; call != NULL; call = call->next)
        http_pool_break_off(inside->http_pool, &call->call->base);
    bool is_last = inside->out_count == 0;
    lock_give(&inside->lock);
    if (is_last)
        inside_destroy(inside);
    for (struct sdk_call *call = arrived, *next; call != NULL; call = next) {
        next = call->next;
        sdk_call_destroy(call);
    }
    for (struct report *report = reports, *next; report != NULL; report = next) {
        next = report->next;
        report_answer(report, REPORT_STALE);
        report_release(report);
    }
    branches_done(&errand->branches);
    for (struct gateway *gateway = errand->gateways, *next; gateway != NULL; gateway = next) {
        next = gateway->next;
        gateway_destroy(gateway);
    }
    free(errand);
}

static const struct errand_ops ops = { .leave = leave, .cancel = cancel, .hear = hear, .destroy = destroy };

struct sdk_errand *sdk_errand_create(struct http_pool *http_pool, struct open_calls *open_calls)
{
    struct sdk_errand *errand = xcalloc(1, sizeof(*errand));
    struct sdk_inside *inside = xcalloc(1, sizeof(*inside));

    errand->base.ops = &ops;
    errand->inside = inside;
    inside->http_pool = http_pool;
    inside->open_calls = open_calls;
    inside->arrived_end = &inside->arrived;
    inside->reports_end = &inside->reports;
    inside->wakes_ns = NEVER;
    lock_init(&inside->lock);
    return errand;
}

struct sdk_errand *sdk_errand_of(struct errand *errand)
{
    return (struct sdk_errand *)(void *)errand;
}
