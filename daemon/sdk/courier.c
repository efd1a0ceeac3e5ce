/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/courier.h"

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
#define ROUND_MS 1000                /* the longest without a look around */
#define READY_AT_ONCE 64
#define SPARE_HANDLES 256
#define NEVER INT64_MAX

static const char *const header_names[CALL_HEADERS] = { "X-Inngest-No-Retry", "Retry-After", "X-Inngest-Req-Version" };

struct courier {
    struct thread thread;
    int wake_fd;               /* constant, as is: */
    int epoll_fd;
    struct lock lock;
    struct call_list sent;     /* lock; what the thread has not seen */
    struct call *broken;       /* lock; to be broken off */
    atomic_bool is_stopping;

    /* The thread's alone. */
    CURLM *multi;
    int64_t curl_due_ns;       /* when curl wants to be called without news */
    int limit;
    int under_way;
    struct call_list waiting;  /* for a place */
    struct call_list timers;   /* the soonest first */
    CURL *spare[SPARE_HANDLES];
    int spare_count;
};

/* ---- the end of a call ------------------------------------------------------------------------------ */

/* From here on nobody asks to break it off. */
static void mark_done(struct courier *courier, struct call *call)
{
    LOCK_GUARD(&courier->lock);
    call->is_done = true;
    struct call **link = &courier->broken;
    while (*link != NULL && *link != call)
        link = &(*link)->broken_next;
    if (*link != NULL)
        *link = call->broken_next;
}

static void give_back(struct courier *courier, struct call *call)
{
    mark_done(courier, call);
    call->done(call);
}

static void fail(struct courier *courier, struct call *call, int code, const char *why)
{
    call->status = 0;
    (void)error_set(&call->error, code, "%s", why);
    give_back(courier, call);
}

/* Its connection is kept, or closed where the reply is not through. */
static void take_off(struct courier *courier, struct call *call)
{
    (void)curl_multi_remove_handle(courier->multi, call->curl);
    (void)curl_easy_setopt(call->curl, CURLOPT_HTTPHEADER, NULL);
    if (courier->spare_count < SPARE_HANDLES)
        courier->spare[courier->spare_count++] = call->curl;
    else
        curl_easy_cleanup(call->curl);
    call->curl = NULL;
    courier->under_way--;
}

static void read_headers(struct call *call)
{
    struct curl_header *header = NULL;

    for (size_t i = 0; i < CALL_HEADERS; i++) {
        if (curl_easy_header(call->curl, header_names[i], 0, CURLH_HEADER, -1, &header) == CURLHE_OK)
            call->values[i] = xstrdup(header->value);
    }
}

static void end_call(struct courier *courier, struct call *call, CURLcode code)
{
    long status = 0;

    if (code == CURLE_OK) {
        (void)curl_easy_getinfo(call->curl, CURLINFO_RESPONSE_CODE, &status);
        read_headers(call);
    }
    take_off(courier, call);
    if (code != CURLE_OK) {
        fail(courier, call, code == CURLE_OPERATION_TIMEDOUT ? ETIMEDOUT : EIO, curl_easy_strerror(code));
        return;
    }
    call->status = (int)status;
    give_back(courier, call);
}

/* ---- going out --------------------------------------------------------------------------------------- */

static size_t take_reply(char *data, size_t size, size_t count, void *context)
{
    struct call *call = context;

    if (call->reply.size + size * count > REPLY_MAX || msgpack_sbuffer_write(&call->reply, data, size * count) != 0)
        return 0;
    return size * count;
}

static CURL *take_handle(struct courier *courier)
{
    if (courier->spare_count == 0) {
        CURL *curl = curl_easy_init();
        if (curl == NULL)
            abort();
        return curl;
    }
    CURL *curl = courier->spare[--courier->spare_count];
    curl_easy_reset(curl);
    return curl;
}

static void go_out(struct courier *courier, struct call *call)
{
    CURL *curl = take_handle(courier);

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
    courier->under_way++;
    if (curl_multi_add_handle(courier->multi, curl) != CURLM_OK)
        abort();
}

static void take_sent(struct courier *courier)
{
    lock_take(&courier->lock);
    struct call_list sent = courier->sent;
    courier->sent.first = NULL;
    lock_give(&courier->lock);
    for (struct call *call = call_list_take(&sent); call != NULL; call = call_list_take(&sent)) {
        if (call->url == NULL)
            call_list_add_due(&courier->timers, call);
        else
            call_list_add(&courier->waiting, call);
    }
}

static struct call *take_broken(struct courier *courier)
{
    LOCK_GUARD(&courier->lock);
    struct call *call = courier->broken;
    if (call != NULL)
        courier->broken = call->broken_next;
    return call;
}

/* Seen already: what was sent is taken before what is to be broken off. */
static void break_off(struct courier *courier, struct call *call)
{
    if (call->curl != NULL)
        take_off(courier, call);
    else if (call->url == NULL)
        call_list_remove(&courier->timers, call);
    else
        call_list_remove(&courier->waiting, call);
    fail(courier, call, ECANCELED, "the call was broken off");
}

static void end_timers(struct courier *courier)
{
    int64_t now_ns = clock_monotonic_ns();

    while (courier->timers.first != NULL && courier->timers.first->due_ns <= now_ns)
        give_back(courier, call_list_take(&courier->timers));
}

static void look_around(struct courier *courier)
{
    take_sent(courier);
    for (struct call *call = take_broken(courier); call != NULL; call = take_broken(courier)) {
        take_sent(courier); /* it may have been sent since */
        break_off(courier, call);
    }
    end_timers(courier);
    while (courier->under_way < courier->limit && courier->waiting.first != NULL)
        go_out(courier, call_list_take(&courier->waiting));
}

/* ---- curl's sockets ---------------------------------------------------------------------------------- */

static int watch_socket(CURL *curl, curl_socket_t socket, int what, void *context, void *is_watched)
{
    struct courier *courier = context;
    struct epoll_event event = { .data.fd = socket };

    (void)curl;
    if (what == CURL_POLL_REMOVE) {
        (void)epoll_ctl(courier->epoll_fd, EPOLL_CTL_DEL, socket, NULL);
        return 0;
    }
    event.events = (what & CURL_POLL_IN ? EPOLLIN : 0U) | (what & CURL_POLL_OUT ? EPOLLOUT : 0U);
    (void)epoll_ctl(courier->epoll_fd, is_watched != NULL ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, socket, &event);
    (void)curl_multi_assign(courier->multi, socket, courier);
    return 0;
}

static int watch_time(CURLM *multi, long timeout_ms, void *context)
{
    struct courier *courier = context;

    (void)multi;
    courier->curl_due_ns = timeout_ms < 0 ? NEVER : clock_monotonic_ns() + timeout_ms * INT64_C(1000000);
    return 0;
}

static void read_ends(struct courier *courier)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(courier->multi, &left)) != NULL) {
        char *call = NULL;
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE)
            continue;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
        end_call(courier, (struct call *)(void *)call, code);
    }
}

static void tell_curl(struct courier *courier, const struct epoll_event *event)
{
    int what = 0, running;

    if ((event->events & EPOLLIN) != 0)
        what |= CURL_CSELECT_IN;
    if ((event->events & EPOLLOUT) != 0)
        what |= CURL_CSELECT_OUT;
    if ((event->events & (EPOLLERR | EPOLLHUP)) != 0)
        what |= CURL_CSELECT_ERR;
    (void)curl_multi_socket_action(courier->multi, event->data.fd, what, &running);
}

/* ---- the thread --------------------------------------------------------------------------------------- */

static int wait_ms(const struct courier *courier)
{
    int64_t due_ns = courier->curl_due_ns;

    if (courier->timers.first != NULL && courier->timers.first->due_ns < due_ns)
        due_ns = courier->timers.first->due_ns;
    if (due_ns == NEVER)
        return ROUND_MS;
    int64_t left_ms = (due_ns - clock_monotonic_ns() + 999999) / 1000000;
    return left_ms <= 0 ? 0 : left_ms < ROUND_MS ? (int)left_ms : ROUND_MS;
}

static void take_news(struct courier *courier)
{
    struct epoll_event events[READY_AT_ONCE];
    uint64_t wakes;
    int running;

    int count = epoll_wait(courier->epoll_fd, events, READY_AT_ONCE, wait_ms(courier));
    for (int i = 0; i < count; i++) {
        if (events[i].data.fd == courier->wake_fd)
            (void)!read(courier->wake_fd, &wakes, sizeof(wakes));
        else
            tell_curl(courier, &events[i]);
    }
    if (courier->curl_due_ns <= clock_monotonic_ns()) {
        courier->curl_due_ns = NEVER;
        (void)curl_multi_socket_action(courier->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    read_ends(courier);
}

static void *run(void *context)
{
    struct courier *courier = context;

    while (!atomic_load(&courier->is_stopping)) {
        pulse_beat_here();
        look_around(courier);
        take_news(courier);
    }
    look_around(courier); /* what was broken off meanwhile */
    return NULL;
}

/* ---- from outside ------------------------------------------------------------------------------------- */

static void wake(struct courier *courier)
{
    const uint64_t one = 1;

    (void)!write(courier->wake_fd, &one, sizeof(one));
}

void courier_send(struct courier *courier, struct call *call)
{
    lock_take(&courier->lock);
    call_list_add(&courier->sent, call);
    lock_give(&courier->lock);
    wake(courier);
}

void courier_break_off(struct courier *courier, struct call *call)
{
    lock_take(&courier->lock);
    if (!call->is_done && !call->is_broken_off) {
        call->is_broken_off = true;
        call->broken_next = courier->broken;
        courier->broken = call;
    }
    lock_give(&courier->lock);
    wake(courier);
}

struct courier *courier_create(int limit)
{
    struct courier *courier = xcalloc(1, sizeof(*courier));

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        abort();
    courier->limit = limit;
    courier->curl_due_ns = NEVER;
    courier->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    courier->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    courier->multi = curl_multi_init();
    if (courier->multi == NULL)
        abort();
    (void)curl_multi_setopt(courier->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    (void)curl_multi_setopt(courier->multi, CURLMOPT_SOCKETDATA, courier);
    (void)curl_multi_setopt(courier->multi, CURLMOPT_TIMERFUNCTION, watch_time);
    (void)curl_multi_setopt(courier->multi, CURLMOPT_TIMERDATA, courier);
    (void)curl_multi_setopt(courier->multi, CURLMOPT_MAXCONNECTS, (long)limit);
    lock_init(&courier->lock);
    return courier;
}

int courier_start(struct courier *courier, struct error *ret_error)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = courier->wake_fd };

    if (epoll_ctl(courier->epoll_fd, EPOLL_CTL_ADD, courier->wake_fd, &event) != 0)
        return error_set(ret_error, errno, "calls to apps can't be watched: %s", strerror(errno));
    return thread_start(&courier->thread, "calls", PULSE_LIMIT_MS, run, courier, ret_error);
}

void courier_destroy(struct courier *courier)
{
    if (courier == NULL)
        return;
    atomic_store(&courier->is_stopping, true);
    wake(courier);
    thread_join(&courier->thread);
    while (courier->spare_count > 0)
        curl_easy_cleanup(courier->spare[--courier->spare_count]);
    (void)curl_multi_cleanup(courier->multi);
    if (courier->epoll_fd >= 0)
        (void)close(courier->epoll_fd);
    if (courier->wake_fd >= 0)
        (void)close(courier->wake_fd);
    lock_done(&courier->lock);
    free(courier);
}
