/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/http_pool.h"

#include <curl/curl.h>
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/pulse.h"
#include "base/thread.h"

#define REPLY_MAX ((size_t)64 << 20) /* a run's own limits are lower */
#define CONNECT_TIMEOUT_MS 10000L
#define ROUND_MS 1000 /* the longest without a look around */
#define READY_AT_ONCE 64
#define SPARE_HANDLES 256
#define NEVER INT64_MAX

static const char *const header_names[CALL_HEADERS] = { "X-Inngest-No-Retry", "Retry-After", "X-Inngest-Req-Version" };

struct http_pool {
    struct thread thread;
    int wake_fd; /* constant, as is: */
    int epoll_fd;
    struct lock lock;
    struct call_list sent; /* lock; what the thread has not seen */
    struct call *broken;   /* lock; to be broken off */
    atomic_bool is_stopping;

    /* The thread's alone. */
    CURLM *multi;
    int64_t curl_due_ns; /* when curl wants to be called without news */
    int limit;
    int under_way;
    struct call_list waiting; /* for a place */
    struct call_list timers;  /* the soonest first */
    CURL *spare[SPARE_HANDLES];
    int spare_count;
};

/* ---- the end of a call ------------------------------------------------------------------------------ */

/* From here on nobody asks to break it off. */
static void mark_done(struct http_pool *http_pool, struct call *call)
{
    LOCK_GUARD(&http_pool->lock);
    call->is_done = true;
    struct call **link = &http_pool->broken;
    while (*link != NULL && *link != call)
        link = &(*link)->broken_next;
    if (*link != NULL)
        *link = call->broken_next;
}

static void give_back(struct http_pool *http_pool, struct call *call)
{
    mark_done(http_pool, call);
    call->done(call);
}

static void fail(struct http_pool *http_pool, struct call *call, int code, const char *why)
{
    call->status = 0;
    (void)error_set(&call->error, code, "%s", why);
    give_back(http_pool, call);
}

/* Its connection is kept, or closed where the reply is not through. */
static void take_off(struct http_pool *http_pool, struct call *call)
{
    (void)curl_multi_remove_handle(http_pool->multi, call->curl);
    (void)curl_easy_setopt(call->curl, CURLOPT_HTTPHEADER, NULL);
    if (http_pool->spare_count < SPARE_HANDLES)
        http_pool->spare[http_pool->spare_count++] = call->curl;
    else
        curl_easy_cleanup(call->curl);
    call->curl = NULL;
    http_pool->under_way--;
}

static void read_headers(struct call *call)
{
    struct curl_header *header = NULL;

    for (size_t i = 0; i < CALL_HEADERS; i++) {
        if (curl_easy_header(call->curl, header_names[i], 0, CURLH_HEADER, -1, &header) == CURLHE_OK)
            call->values[i] = xstrdup(header->value);
    }
}

static void end_call(struct http_pool *http_pool, struct call *call, CURLcode code)
{
    long status = 0;

    if (code == CURLE_OK) {
        (void)curl_easy_getinfo(call->curl, CURLINFO_RESPONSE_CODE, &status);
        read_headers(call);
    }
    take_off(http_pool, call);
    if (code != CURLE_OK) {
        fail(http_pool, call, code == CURLE_OPERATION_TIMEDOUT ? ETIMEDOUT : EIO, curl_easy_strerror(code));
        return;
    }
    call->status = (int)status;
    give_back(http_pool, call);
}

/* ---- going out --------------------------------------------------------------------------------------- */

static size_t take_reply(char *data, size_t size, size_t count, void *context)
{
    struct call *call = context;

    if (call->reply.size + size * count > REPLY_MAX || msgpack_sbuffer_write(&call->reply, data, size * count) != 0)
        return 0;
    return size * count;
}

static CURL *take_handle(struct http_pool *http_pool)
{
    if (http_pool->spare_count == 0) {
        CURL *curl = curl_easy_init();
        if (curl == NULL)
            abort();
        return curl;
    }
    CURL *curl = http_pool->spare[--http_pool->spare_count];
    curl_easy_reset(curl);
    return curl;
}

static void go_out(struct http_pool *http_pool, struct call *call)
{
    CURL *curl = take_handle(http_pool);

    (void)curl_easy_setopt(curl, CURLOPT_PRIVATE, call);
    (void)curl_easy_setopt(curl, CURLOPT_URL, call->url);
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(curl, CURLOPT_POST, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->body.data);
    (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.size);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, call->headers);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)call->timeout_ms);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_reply);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, call);
    call->curl = curl;
    http_pool->under_way++;
    if (curl_multi_add_handle(http_pool->multi, curl) != CURLM_OK)
        abort();
}

static void take_sent(struct http_pool *http_pool)
{
    lock_take(&http_pool->lock);
    struct call_list sent = http_pool->sent;
    http_pool->sent.first = NULL;
    lock_give(&http_pool->lock);
    for (struct call *call = call_list_take(&sent); call != NULL; call = call_list_take(&sent)) {
        if (call->url == NULL)
            call_list_add_due(&http_pool->timers, call);
        else
            call_list_add(&http_pool->waiting, call);
    }
}

static struct call *take_broken(struct http_pool *http_pool)
{
    LOCK_GUARD(&http_pool->lock);
    struct call *call = http_pool->broken;
    if (call != NULL)
        http_pool->broken = call->broken_next;
    return call;
}

/* Seen already: what was sent is taken before what is to be broken off. */
static void break_off(struct http_pool *http_pool, struct call *call)
{
    if (call->curl != NULL)
        take_off(http_pool, call);
    else if (call->url == NULL)
        call_list_remove(&http_pool->timers, call);
    else
        call_list_remove(&http_pool->waiting, call);
    fail(http_pool, call, ECANCELED, "the call was broken off");
}

static void end_timers(struct http_pool *http_pool)
{
    int64_t now_ns = clock_monotonic_ns();

    while (http_pool->timers.first != NULL && http_pool->timers.first->due_ns <= now_ns)
        give_back(http_pool, call_list_take(&http_pool->timers));
}

static void look_around(struct http_pool *http_pool)
{
    take_sent(http_pool);
    for (struct call *call = take_broken(http_pool); call != NULL; call = take_broken(http_pool)) {
        take_sent(http_pool); /* it may have been sent since */
        break_off(http_pool, call);
    }
    end_timers(http_pool);
    while (http_pool->under_way < http_pool->limit && http_pool->waiting.first != NULL)
        go_out(http_pool, call_list_take(&http_pool->waiting));
}

/* ---- curl's sockets ---------------------------------------------------------------------------------- */

static int watch_socket(CURL *curl, curl_socket_t socket, int what, void *context, void *is_watched)
{
    struct http_pool *http_pool = context;
    struct epoll_event event = { .data.fd = socket };

    (void)curl;
    if (what == CURL_POLL_REMOVE) {
        (void)epoll_ctl(http_pool->epoll_fd, EPOLL_CTL_DEL, socket, NULL);
        return 0;
    }
    event.events = (what & CURL_POLL_IN ? EPOLLIN : 0U) | (what & CURL_POLL_OUT ? EPOLLOUT : 0U);
    (void)epoll_ctl(http_pool->epoll_fd, is_watched != NULL ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, socket, &event);
    (void)curl_multi_assign(http_pool->multi, socket, http_pool);
    return 0;
}

static int watch_time(CURLM *multi, long timeout_ms, void *context)
{
    struct http_pool *http_pool = context;

    (void)multi;
    http_pool->curl_due_ns = timeout_ms < 0 ? NEVER : clock_monotonic_ns() + timeout_ms * INT64_C(1000000);
    return 0;
}

static void read_ends(struct http_pool *http_pool)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(http_pool->multi, &left)) != NULL) {
        char *call = NULL;
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE)
            continue;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
        end_call(http_pool, (struct call *)(void *)call, code);
    }
}

static void tell_curl(struct http_pool *http_pool, const struct epoll_event *event)
{
    int what = 0, running;

    if ((event->events & EPOLLIN) != 0)
        what |= CURL_CSELECT_IN;
    if ((event->events & EPOLLOUT) != 0)
        what |= CURL_CSELECT_OUT;
    if ((event->events & (EPOLLERR | EPOLLHUP)) != 0)
        what |= CURL_CSELECT_ERR;
    (void)curl_multi_socket_action(http_pool->multi, event->data.fd, what, &running);
}

/* ---- the thread --------------------------------------------------------------------------------------- */

static int wait_ms(const struct http_pool *http_pool)
{
    int64_t due_ns = http_pool->curl_due_ns;

    if (http_pool->timers.first != NULL && http_pool->timers.first->due_ns < due_ns)
        due_ns = http_pool->timers.first->due_ns;
    if (due_ns == NEVER)
        return ROUND_MS;
    int64_t left_ms = (due_ns - clock_monotonic_ns() + 999999) / 1000000;
    return left_ms <= 0 ? 0 : left_ms < ROUND_MS ? (int)left_ms : ROUND_MS;
}

static void take_news(struct http_pool *http_pool)
{
    struct epoll_event events[READY_AT_ONCE];
    uint64_t wakes;
    int running;

    int count = epoll_wait(http_pool->epoll_fd, events, READY_AT_ONCE, wait_ms(http_pool));
    for (int i = 0; i < count; i++) {
        if (events[i].data.fd == http_pool->wake_fd)
            (void)!read(http_pool->wake_fd, &wakes, sizeof(wakes));
        else
            tell_curl(http_pool, &events[i]);
    }
    if (http_pool->curl_due_ns <= clock_monotonic_ns()) {
        http_pool->curl_due_ns = NEVER;
        (void)curl_multi_socket_action(http_pool->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    read_ends(http_pool);
}

static void *run(void *context)
{
    struct http_pool *http_pool = context;

    while (!atomic_load(&http_pool->is_stopping)) {
        pulse_beat_here();
        look_around(http_pool);
        take_news(http_pool);
    }
    look_around(http_pool); /* what was broken off meanwhile */
    return NULL;
}

/* ---- from outside ------------------------------------------------------------------------------------- */

static void wake(struct http_pool *http_pool)
{
    const uint64_t one = 1;

    (void)!write(http_pool->wake_fd, &one, sizeof(one));
}

void http_pool_send(struct http_pool *http_pool, struct call *call)
{
    lock_take(&http_pool->lock);
    call_list_add(&http_pool->sent, call);
    lock_give(&http_pool->lock);
    wake(http_pool);
}

void http_pool_break_off(struct http_pool *http_pool, struct call *call)
{
    lock_take(&http_pool->lock);
    if (!call->is_done && !call->is_broken_off) {
        call->is_broken_off = true;
        call->broken_next = http_pool->broken;
        http_pool->broken = call;
    }
    lock_give(&http_pool->lock);
    wake(http_pool);
}

struct http_pool *http_pool_create(int limit)
{
    struct http_pool *http_pool = xcalloc(1, sizeof(*http_pool));

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        abort();
    http_pool->limit = limit;
    http_pool->curl_due_ns = NEVER;
    http_pool->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    http_pool->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    http_pool->multi = curl_multi_init();
    if (http_pool->multi == NULL)
        abort();
    (void)curl_multi_setopt(http_pool->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    (void)curl_multi_setopt(http_pool->multi, CURLMOPT_SOCKETDATA, http_pool);
    (void)curl_multi_setopt(http_pool->multi, CURLMOPT_TIMERFUNCTION, watch_time);
    (void)curl_multi_setopt(http_pool->multi, CURLMOPT_TIMERDATA, http_pool);
    (void)curl_multi_setopt(http_pool->multi, CURLMOPT_MAXCONNECTS, (long)limit);
    lock_init(&http_pool->lock);
    return http_pool;
}

int http_pool_start(struct http_pool *http_pool, struct error *ret_error)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = http_pool->wake_fd };

    if (epoll_ctl(http_pool->epoll_fd, EPOLL_CTL_ADD, http_pool->wake_fd, &event) != 0)
        return error_set(ret_error, errno, "calls to apps can't be watched: %s", strerror(errno));
    return thread_start(&http_pool->thread, "calls", PULSE_LIMIT_MS, run, http_pool, ret_error);
}

void http_pool_destroy(struct http_pool *http_pool)
{
    if (http_pool == NULL)
        return;
    atomic_store(&http_pool->is_stopping, true);
    wake(http_pool);
    thread_join(&http_pool->thread);
    while (http_pool->spare_count > 0)
        curl_easy_cleanup(http_pool->spare[--http_pool->spare_count]);
    (void)curl_multi_cleanup(http_pool->multi);
    if (http_pool->epoll_fd >= 0)
        (void)close(http_pool->epoll_fd);
    if (http_pool->wake_fd >= 0)
        (void)close(http_pool->wake_fd);
    lock_done(&http_pool->lock);
    free(http_pool);
}
