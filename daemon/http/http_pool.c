/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_pool.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
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
#include "http/http_host.h"

#define ROUND_MS 1000 /* the longest without a look around */
#define READY_AT_ONCE 64
#define SPARE_HANDLES 256
#define NEVER INT64_MAX
#define WAKE_MARK UINT64_MAX /* what stands for wake_fd in epoll */

/* Those of one share of what may be under way. */
struct share {
    int limit;
    int under_way;
    struct http_call_list waiting; /* for a place; those that have a host wait there */
};

/* A multi handle of libcurl's, which is made with its first call. */
struct lane {
    struct http_pool *http_pool;
    CURLM *multi;
    int64_t due_ns; /* when curl wants to be called without news */
};

struct http_pool {
    struct thread thread;
    int wake_fd; /* constant, as is: */
    int epoll_fd;
    struct lock lock;
    struct http_call_list sent; /* lock; what the thread has not seen */
    struct http_call *broken;   /* lock; to be broken off */
    atomic_bool is_stopping;

    /* The thread's alone. */
    struct lane lanes[HTTP_LANES];
    long connections_most; /* kept by a lane */
    struct share shares[HTTP_SHARES];
    struct http_host *hosts;
    bool has_waiting;             /* calls of these */
    struct http_call_list timers; /* the soonest first */
    CURL *spare[SPARE_HANDLES];
    int spare_count;
};

/* ---- the end of a call ------------------------------------------------------------------------------ */

/* From here on nobody asks to break it off. */
static void mark_done(struct http_pool *http_pool, struct http_call *call)
{
    assert(!call->is_done);
    LOCK_GUARD(&http_pool->lock);
    call->is_done = true;
    struct http_call **link = &http_pool->broken;
    while (*link != NULL && *link != call)
        link = &(*link)->broken_next;
    if (*link != NULL)
        *link = call->broken_next;
}

static void give_back(struct http_pool *http_pool, struct http_call *call)
{
    assert_thread(&http_pool->thread);
    mark_done(http_pool, call);
    call->ops->done(call);
}

/* Its connection is kept, or closed where the reply is not through. */
static void take_off(struct http_pool *http_pool, struct http_call *call)
{
    assert_thread(&http_pool->thread);
    (void)curl_multi_remove_handle(http_pool->lanes[call->lane].multi, call->curl);
    curl_easy_reset(call->curl); /* what it points to is the call's */
    if (http_pool->spare_count < SPARE_HANDLES)
        http_pool->spare[http_pool->spare_count++] = call->curl;
    else
        curl_easy_cleanup(call->curl);
    call->curl = NULL;
    assert(http_pool->shares[call->share].under_way > 0);
    http_pool->shares[call->share].under_way--;
    if (call->host != NULL)
        http_host_end(call->host, call->lane, call->out_ns, clock_monotonic_ns());
}

static void end_call(struct http_pool *http_pool, struct http_call *call, CURLcode code)
{
    call->ops->finish(call, call->curl, (int)code);
    take_off(http_pool, call);
    give_back(http_pool, call);
}

/* ---- lanes ------------------------------------------------------------------------------------------- */

/* Of a socket in epoll: which lane's it is stands above its number. */
static uint64_t mark_of(const struct lane *lane, curl_socket_t socket)
{
    return (uint64_t)(lane - lane->http_pool->lanes) << 32 | (uint32_t)socket;
}

static int watch_socket(CURL *curl, curl_socket_t socket, int what, void *context, void *is_watched)
{
    struct lane *lane = context;
    int epoll_fd = lane->http_pool->epoll_fd;
    struct epoll_event event = { .data.u64 = mark_of(lane, socket) };

    (void)curl;
    if (what == CURL_POLL_REMOVE) {
        (void)epoll_ctl(epoll_fd, EPOLL_CTL_DEL, socket, NULL);
        return 0;
    }
    event.events = (what & CURL_POLL_IN ? EPOLLIN : 0U) | (what & CURL_POLL_OUT ? EPOLLOUT : 0U);
    (void)epoll_ctl(epoll_fd, is_watched != NULL ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, socket, &event);
    (void)curl_multi_assign(lane->multi, socket, lane);
    return 0;
}

static int watch_time(CURLM *multi, long timeout_ms, void *context)
{
    struct lane *lane = context;

    (void)multi;
    lane->due_ns = timeout_ms < 0 ? NEVER : clock_monotonic_ns() + timeout_ms * INT64_C(1000000);
    return 0;
}

static struct lane *lane_of(struct http_pool *http_pool, unsigned number)
{
    struct lane *lane = &http_pool->lanes[number];

    assert(number < HTTP_LANES);
    if (lane->multi != NULL)
        return lane;
    lane->multi = curl_multi_init();
    if (lane->multi == NULL)
        abort();
    (void)curl_multi_setopt(lane->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    (void)curl_multi_setopt(lane->multi, CURLMOPT_SOCKETDATA, lane);
    (void)curl_multi_setopt(lane->multi, CURLMOPT_TIMERFUNCTION, watch_time);
    (void)curl_multi_setopt(lane->multi, CURLMOPT_TIMERDATA, lane);
    (void)curl_multi_setopt(lane->multi, CURLMOPT_MAXCONNECTS, http_pool->connections_most);
    return lane;
}

/* ---- going out --------------------------------------------------------------------------------------- */

static CURL *take_handle(struct http_pool *http_pool)
{
    if (http_pool->spare_count > 0)
        return http_pool->spare[--http_pool->spare_count];
    CURL *curl = curl_easy_init();
    if (curl == NULL)
        abort();
    return curl;
}

static void go_out(struct http_pool *http_pool, struct http_call *call)
{
    assert(call->curl == NULL && call->lane < HTTP_LANES);
    assert_thread(&http_pool->thread);
    CURL *curl = take_handle(http_pool);

    (void)curl_easy_setopt(curl, CURLOPT_PRIVATE, call);
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L); /* a name that nobody tells holds up none of the others */
    call->ops->prepare(call, curl);
    call->curl = curl;
    call->out_ns = clock_monotonic_ns();
    http_pool->shares[call->share].under_way++;
    if (curl_multi_add_handle(lane_of(http_pool, call->lane)->multi, curl) != CURLM_OK)
        abort();
}

static struct http_call_list *waiting_with(struct http_pool *http_pool, const struct http_call *call)
{
    return call->host != NULL ? &call->host->waiting : &http_pool->shares[call->share].waiting;
}

static void take_sent(struct http_pool *http_pool)
{
    assert_thread(&http_pool->thread);
    lock_take(&http_pool->lock);
    struct http_call_list sent = http_pool->sent;
    http_pool->sent.first = NULL;
    lock_give(&http_pool->lock);
    for (struct http_call *call = http_call_list_take(&sent); call != NULL; call = http_call_list_take(&sent)) {
        if (call->url != NULL)
            call->host = http_host_find(&http_pool->hosts, call->url);
        if (call->is_time)
            http_call_list_add_due(&http_pool->timers, call);
        else
            http_call_list_add(waiting_with(http_pool, call), call);
    }
}

static struct http_call *take_broken(struct http_pool *http_pool)
{
    LOCK_GUARD(&http_pool->lock);
    struct http_call *call = http_pool->broken;
    if (call != NULL)
        http_pool->broken = call->broken_next;
    return call;
}

/* Seen already: what was sent is taken before what is to be broken off. */
static void break_off(struct http_pool *http_pool, struct http_call *call)
{
    if (call->curl != NULL)
        take_off(http_pool, call);
    else if (call->is_time)
        http_call_list_remove(&http_pool->timers, call);
    else
        http_call_list_remove(waiting_with(http_pool, call), call);
    give_back(http_pool, call);
}

static void end_timers(struct http_pool *http_pool)
{
    int64_t now_ns = clock_monotonic_ns();

    while (http_pool->timers.first != NULL && http_pool->timers.first->due_ns <= now_ns)
        give_back(http_pool, http_call_list_take(&http_pool->timers));
}

/* One call of each host in turn, as long as there is room. */
static void serve_hosts(struct http_pool *http_pool)
{
    struct share *share = &http_pool->shares[HTTP_OF_FUNCTIONS];
    int64_t now_ns = clock_monotonic_ns();
    bool has_sent = true;

    http_pool->has_waiting = false;
    while (has_sent) {
        has_sent = false;
        for (struct http_host *host = http_pool->hosts; host != NULL; host = host->next) {
            struct http_call *call = share->under_way < share->limit ? http_host_next(host, now_ns) : NULL;
            if (call != NULL)
                go_out(http_pool, call);
            has_sent |= call != NULL;
            http_pool->has_waiting |= host->waiting.first != NULL;
        }
    }
}

static void look_around(struct http_pool *http_pool)
{
    assert_thread(&http_pool->thread);
    take_sent(http_pool);
    for (struct http_call *call = take_broken(http_pool); call != NULL; call = take_broken(http_pool)) {
        take_sent(http_pool); /* it may have been sent since */
        break_off(http_pool, call);
    }
    end_timers(http_pool);
    for (size_t i = 0; i < HTTP_SHARES; i++) {
        struct share *share = &http_pool->shares[i];
        while (share->under_way < share->limit && share->waiting.first != NULL)
            go_out(http_pool, http_call_list_take(&share->waiting));
    }
    serve_hosts(http_pool);
}

/* ---- what curl has to say ----------------------------------------------------------------------------- */

static void read_ends(struct lane *lane)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(lane->multi, &left)) != NULL) {
        char *call = NULL;
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE)
            continue;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
        end_call(lane->http_pool, (struct http_call *)(void *)call, code);
    }
}

static void tell_curl(struct http_pool *http_pool, const struct epoll_event *event)
{
    const struct lane *lane = &http_pool->lanes[event->data.u64 >> 32];
    int what = 0, running;

    assert(event->data.u64 >> 32 < HTTP_LANES);
    if ((event->events & EPOLLIN) != 0)
        what |= CURL_CSELECT_IN;
    if ((event->events & EPOLLOUT) != 0)
        what |= CURL_CSELECT_OUT;
    if ((event->events & (EPOLLERR | EPOLLHUP)) != 0)
        what |= CURL_CSELECT_ERR;
    (void)curl_multi_socket_action(lane->multi, (curl_socket_t)(event->data.u64 & UINT32_MAX), what, &running);
}

/* After its sockets were told of: what is due without news, and what has ended. */
static void tend_lane(struct lane *lane)
{
    int running;

    if (lane->due_ns <= clock_monotonic_ns()) {
        lane->due_ns = NEVER;
        (void)curl_multi_socket_action(lane->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    read_ends(lane);
}

/* ---- the thread --------------------------------------------------------------------------------------- */

static int wait_ms(const struct http_pool *http_pool)
{
    int64_t due_ns = NEVER;

    for (size_t i = 0; i < HTTP_LANES; i++)
        due_ns = http_pool->lanes[i].due_ns < due_ns ? http_pool->lanes[i].due_ns : due_ns;
    if (http_pool->timers.first != NULL && http_pool->timers.first->due_ns < due_ns)
        due_ns = http_pool->timers.first->due_ns;
    const int most_ms = http_pool->has_waiting ? HTTP_HOST_LOOK_NS / 1000000 : ROUND_MS;
    if (due_ns == NEVER)
        return most_ms;
    int64_t left_ms = (due_ns - clock_monotonic_ns() + 999999) / 1000000;
    return left_ms <= 0 ? 0 : left_ms < most_ms ? (int)left_ms : most_ms;
}

static void take_news(struct http_pool *http_pool)
{
    struct epoll_event events[READY_AT_ONCE];
    uint64_t wakes;

    assert_thread(&http_pool->thread);
    int count = epoll_wait(http_pool->epoll_fd, events, READY_AT_ONCE, wait_ms(http_pool));
    for (int i = 0; i < count; i++) {
        if (events[i].data.u64 == WAKE_MARK)
            (void)!read(http_pool->wake_fd, &wakes, sizeof(wakes));
        else
            tell_curl(http_pool, &events[i]);
    }
    for (size_t i = 0; i < HTTP_LANES; i++) {
        if (http_pool->lanes[i].multi != NULL)
            tend_lane(&http_pool->lanes[i]);
    }
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

void http_pool_send(struct http_pool *http_pool, struct http_call *call)
{
    assert(call->ops != NULL && call->share < HTTP_SHARES);
    lock_take(&http_pool->lock);
    bool is_woken = http_pool->sent.first != NULL; /* by who sent that */
    http_call_list_add(&http_pool->sent, call);
    lock_give(&http_pool->lock);
    if (!is_woken)
        wake(http_pool);
}

void http_pool_break_off(struct http_pool *http_pool, struct http_call *call)
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

struct http_pool *http_pool_create(const int limits[HTTP_SHARES])
{
    struct http_pool *http_pool = xcalloc(1, sizeof(*http_pool));

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        abort();
    for (size_t i = 0; i < HTTP_SHARES; i++) {
        http_pool->shares[i].limit = limits[i];
        http_pool->connections_most += limits[i];
    }
    for (size_t i = 0; i < HTTP_LANES; i++)
        http_pool->lanes[i] = (struct lane){ .http_pool = http_pool, .due_ns = NEVER };
    http_pool->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    http_pool->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    lock_init(&http_pool->lock);
    return http_pool;
}

int http_pool_start(struct http_pool *http_pool, struct error *ret_error)
{
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = WAKE_MARK };

    if (epoll_ctl(http_pool->epoll_fd, EPOLL_CTL_ADD, http_pool->wake_fd, &event) != 0)
        return error_set(ret_error, errno, "requests over HTTP can't be watched: %s", strerror(errno));
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
    for (size_t i = 0; i < HTTP_LANES; i++)
        (void)curl_multi_cleanup(http_pool->lanes[i].multi); /* NULL is fine */
    http_hosts_destroy(http_pool->hosts);
    if (http_pool->epoll_fd >= 0)
        (void)close(http_pool->epoll_fd);
    if (http_pool->wake_fd >= 0)
        (void)close(http_pool->wake_fd);
    lock_done(&http_pool->lock);
    free(http_pool);
}
