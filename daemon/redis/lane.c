/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/lane.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/pulse.h"
#include "redis/refusal.h"

#define WINDOW_REQUESTS 1024              /* sent and not answered, at most */
#define WINDOW_BYTES ((size_t)4 << 20)
#define READ_SIZE (16 * 1024)             /* hiredis's own */
#define BACKOFF_MIN_MS 10
#define BACKOFF_MAX_MS 250
#define QUICK_TRIES 4                     /* before a request is put off */
#define QUICK_REPLY_NS INT64_C(5000000)

struct lane {
    struct lane_settings settings;
    pthread_t thread;
    bool is_started;
    int wake_fd;
    atomic_bool is_up;

    pthread_mutex_t lock;
    struct request_list waiting;          /* lock */
    size_t waiting_count;                 /* lock */
    struct redis_place place;             /* lock; where it leads now */
    unsigned turn;                        /* lock; how often it was told so */
    bool is_asleep;                       /* lock; whoever adds to `waiting` must wake it */
    bool is_stopping;                     /* lock */

    struct redis_place linked_to;         /* lane thread only, from here on */
    unsigned followed;                    /* the turn */
    struct link link;
    struct link last_link;                /* the one before: what was sent over it must not run later */
    bool is_linked;
    struct request_list sent;             /* in the order in which their replies come */
    size_t sent_count, sent_bytes;
    struct request_list put_off;
    size_t troubled;                      /* of `sent` and `put_off` */
    int64_t reply_ns;                     /* how long one takes, smoothed */
    int64_t heard_ms;                     /* monotonic: of the last byte, or since something is due */
    char digests[SCRIPT_COUNT][SCRIPT_SHA_SIZE + 1];
    bool is_loading[SCRIPT_COUNT];
    bool must_leave;                      /* this server can't be written to: look where the name leads */
    bool is_away;                         /* said so; not back yet */
    int64_t away_since_ms;
    int64_t backoff_ms;
    struct histogram round_trips;         /* µs; lane thread adds, any reads */
    struct histogram batches;             /* requests; likewise */
};

/* ---- any thread --------------------------------------------------------------------------------- */

struct lane *lane_create(const struct lane_settings *settings)
{
    struct lane *lane = xcalloc(1, sizeof(*lane));

    lane->settings = *settings;
    lane->backoff_ms = BACKOFF_MIN_MS;
    lane->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (lane->wake_fd < 0)
        abort();
    request_list_init(&lane->waiting);
    request_list_init(&lane->sent);
    request_list_init(&lane->put_off);
    (void)pthread_mutex_init(&lane->lock, NULL);
    return lane;
}

static void wake(struct lane *lane)
{
    (void)!eventfd_write(lane->wake_fd, 1);
}

void lane_lead_to(struct lane *lane, const struct redis_place *place)
{
    (void)pthread_mutex_lock(&lane->lock);
    lane->place = place != NULL ? *place : (struct redis_place){ .port = 0 };
    lane->turn++;
    (void)pthread_mutex_unlock(&lane->lock);
    wake(lane);
}

struct redis_place lane_place(struct lane *lane)
{
    (void)pthread_mutex_lock(&lane->lock);
    struct redis_place place = lane->place;
    (void)pthread_mutex_unlock(&lane->lock);
    return place;
}

bool lane_push(struct lane *lane, struct request *request)
{
    (void)pthread_mutex_lock(&lane->lock);
    bool is_taken = !lane->is_stopping;
    bool must_wake = is_taken && lane->is_asleep;
    if (is_taken) {
        request_list_add(&lane->waiting, request);
        lane->waiting_count++;
    }
    if (must_wake)
        lane->is_asleep = false; /* once is enough */
    (void)pthread_mutex_unlock(&lane->lock);
    if (must_wake)
        wake(lane);
    return is_taken;
}

bool lane_is_up(const struct lane *lane)
{
    return lane->is_up;
}

void lane_add_counts(const struct lane *lane, struct lane_counts *counts)
{
    histogram_read(&lane->round_trips, &counts->round_trips);
    histogram_read(&lane->batches, &counts->batches);
}

void lane_stop(struct lane *lane)
{
    struct request_list waiting;

    request_list_init(&waiting);
    (void)pthread_mutex_lock(&lane->lock);
    lane->is_stopping = true;
    request_list_move(&lane->waiting, &waiting);
    lane->waiting_count = 0;
    (void)pthread_mutex_unlock(&lane->lock);
    wake(lane);
    request_list_end(&waiting, -ESHUTDOWN);
}

void lane_destroy(struct lane *lane)
{
    if (lane == NULL)
        return;
    lane_stop(lane);
    if (lane->is_started)
        (void)pthread_join(lane->thread, NULL);
    link_close(&lane->link);
    (void)close(lane->wake_fd);
    (void)pthread_mutex_destroy(&lane->lock);
    free(lane);
}

/* ---- what is said -------------------------------------------------------------------------------- */

static const struct lane_host *host(const struct lane *lane)
{
    return &lane->settings.host;
}

static void say_away(struct lane *lane, const char *why)
{
    char where[PLACE_TEXT_SIZE];

    lane->is_up = false;
    if (lane->is_away)
        return;
    lane->is_away = true;
    lane->away_since_ms = clock_monotonic_ms();
    const char *script = strstr(why, " script: "); /* and its digest: of no use to a reader */
    int length = (int)(script != NULL ? (size_t)(script - why) : strlen(why));
    log_warn("Redis at %s does not work now (%.*s): runs that need it wait, nothing is lost, trying on",
             place_text(&lane->linked_to, where), length, why);
}

/* Says so once all is well again. */
static void look_up(struct lane *lane)
{
    char where[PLACE_TEXT_SIZE];

    if (!lane->is_linked || lane->troubled > 0)
        return;
    lane->is_up = true;
    lane->backoff_ms = BACKOFF_MIN_MS;
    if (!lane->is_away)
        return;
    lane->is_away = false;
    log_info("Redis at %s works again after %.1f s", place_text(&lane->linked_to, where),
             (double)(clock_monotonic_ms() - lane->away_since_ms) / 1000);
}

/* ---- sending ------------------------------------------------------------------------------------- */

/* `troubled` counts what is here: of a request that goes, no more. */
static void let_go(struct lane *lane, struct request *request)
{
    lane->troubled -= request->is_troubled;
}

static void put_off(struct lane *lane, struct request *request, const char *why)
{
    int doublings = request->tries < 5 ? request->tries : 5;
    int64_t delay_ms = BACKOFF_MIN_MS << doublings;

    request->tries++;
    request->not_before_ms = clock_monotonic_ms() + (delay_ms < BACKOFF_MAX_MS ? delay_ms : BACKOFF_MAX_MS);
    lane->troubled += !request->is_troubled;
    request->is_troubled = true;
    request_list_add(&lane->put_off, request);
    say_away(lane, why);
}

static void append(struct lane *lane, struct request *request)
{
    if (request->script >= 0 && request->call != NULL)
        memcpy(request->command + request->sha_at, lane->digests[request->script], SCRIPT_SHA_SIZE);
    if (redisAppendFormattedCommand(lane->link.redis, request->command, request->size) != REDIS_OK)
        abort();
    if (lane->sent.first == NULL)
        lane->heard_ms = clock_monotonic_ms();
    request_list_add(&lane->sent, request);
    lane->sent_count++;
    lane->sent_bytes += request->size;
}

static struct request *take_sent(struct lane *lane)
{
    struct request *request = request_list_take(&lane->sent);

    if (request != NULL) {
        lane->sent_count--;
        lane->sent_bytes -= request->size;
    }
    return request;
}

/* Until the host says otherwise. */
static void send_or_keep(struct lane *lane, struct request *request)
{
    if (request->not_before_ms != 0 && request->not_before_ms > clock_monotonic_ms()) {
        request_list_add(&lane->put_off, request);
        return;
    }
    switch (host(lane)->admit(host(lane)->context, lane, request)) {
    case LANE_SENDS:
        append(lane, request);
        return;
    case LANE_PUTS_OFF:
        request->not_before_ms = clock_monotonic_ms() + BACKOFF_MIN_MS;
        request_list_add(&lane->put_off, request);
        return;
    case LANE_LOSES:
        let_go(lane, request);
        host(lane)->route(host(lane)->context, request);
        return;
    }
    abort(); /* an answer that there is not */
}

/* Whether `waiting` requests go out now. Where replies are quick it pays to let some gather: a write, and
 * the server's read, cost as much as several requests. Under the lock. */
static bool is_worth_sending(const struct lane *lane, size_t waiting)
{
    if (lane->sent_count >= WINDOW_REQUESTS || lane->sent_bytes >= WINDOW_BYTES || waiting == 0)
        return false;
    return lane->reply_ns > QUICK_REPLY_NS || waiting * 2 >= lane->sent_count;
}

static void take_waiting(struct lane *lane, struct request_list *taken)
{
    size_t bytes = lane->sent_bytes, count = lane->sent_count;

    (void)pthread_mutex_lock(&lane->lock);
    bool is_due = is_worth_sending(lane, lane->waiting_count);
    for (; is_due && lane->waiting.first != NULL && count < WINDOW_REQUESTS && bytes < WINDOW_BYTES; count++) {
        struct request *request = request_list_take(&lane->waiting);
        lane->waiting_count--;
        bytes += request->size;
        request_list_add(taken, request);
    }
    (void)pthread_mutex_unlock(&lane->lock);
}

static void send_waiting(struct lane *lane)
{
    struct request_list taken;

    request_list_init(&taken);
    take_waiting(lane, &taken);
    if (taken.first == NULL)
        return;
    int64_t now_ns = clock_monotonic_ns();
    size_t count = 0;
    for (struct request *request; (request = request_list_take(&taken)) != NULL; count++) {
        request->sent_ns = now_ns;
        lane->troubled += request->is_troubled;
        send_or_keep(lane, request);
    }
    histogram_add(&lane->batches, (double)count);
}

static void send_put_off(struct lane *lane)
{
    struct request_list all;

    request_list_init(&all);
    request_list_move(&lane->put_off, &all);
    int64_t now_ns = all.first != NULL ? clock_monotonic_ns() : 0;
    for (struct request *request; (request = request_list_take(&all)) != NULL;) {
        request->sent_ns = now_ns;
        send_or_keep(lane, request);
    }
}

/* ---- scripts that the server does not have ------------------------------------------------------- */

struct load {
    struct request request;  /* first */
    struct lane *lane;       /* NULL: the link it was sent over is gone */
};

static void end_load(struct request *request)
{
    struct load *load = (struct load *)request;

    load->lane->is_loading[request->script] = false;
    if (request->status == 0)
        freeReplyObject(request->reply);
    free(load);
}

static bool is_load(const struct request *request)
{
    return request->done == end_load;
}

/* What follows on the link finds it. */
static void load_script(struct lane *lane, int script)
{
    if (lane->is_loading[script])
        return;
    struct load *load = xcalloc(1, sizeof(*load));
    AUTO_FREE char *text = script_text(script);
    long long size = redisFormatCommand(&load->request.command, "SCRIPT LOAD %s", text);
    if (size < 0)
        abort();
    load->request.size = (size_t)size;
    load->request.script = script;
    load->request.sent_ns = clock_monotonic_ns();
    load->request.done = end_load;
    load->lane = lane;
    lane->is_loading[script] = true;
    append(lane, &load->request);
}

/* All of them, before the first call. */
static int load_scripts(struct lane *lane, struct error *ret_error)
{
    for (int script = 0; script < SCRIPT_COUNT; script++) {
        AUTO_FREE char *text = script_text(script);
        if (redisAppendCommand(lane->link.redis, "SCRIPT LOAD %s", text) != REDIS_OK)
            abort();
    }
    for (int script = 0; script < SCRIPT_COUNT; script++) {
        AUTO_REPLY reply = NULL;
        int status = link_hear(&lane->link, &reply, ret_error);
        if (status != 0)
            return status;
        if (reply->type != REDIS_REPLY_STRING || reply->len != SCRIPT_SHA_SIZE)
            return error_set(ret_error, EAGAIN, "Redis: SCRIPT LOAD answered no digest");
        memcpy(lane->digests[script], reply->str, SCRIPT_SHA_SIZE + 1);
        lane->is_loading[script] = false;
    }
    return 0;
}

/* ---- linking ------------------------------------------------------------------------------------- */

static int establish(struct lane *lane, struct error *ret_error)
{
    int status = link_open(&lane->link, lane->settings.url, &lane->linked_to, lane->settings.timeout_ms, ret_error);
    if (status != 0)
        return status;
    status = link_cut_off(&lane->link, &lane->last_link, ret_error);
    if (status == 0)
        status = host(lane)->linked(host(lane)->context, lane, &lane->link, ret_error);
    if (status == 0)
        status = load_scripts(lane, ret_error);
    if (status != 0) {
        link_close(&lane->link);
        return status;
    }
    link_stop_blocking(&lane->link);
    lane->last_link = lane->link;
    lane->is_linked = true;
    lane->must_leave = false;
    return 0;
}

static void connect_lane(struct lane *lane)
{
    struct error error = { 0 };

    pulse_rest_here();
    int status = establish(lane, &error);
    pulse_beat_here();
    if (status != 0)
        say_away(lane, error.text);
    host(lane)->tried(host(lane)->context, lane, status, &error);
    if (status != 0)
        host(lane)->astray(host(lane)->context, lane, -1, NULL);
}

/* All that was under way goes where it belongs by now. */
static void reroute(struct lane *lane)
{
    struct request_list all;

    request_list_init(&all);
    request_list_move(&lane->sent, &all);
    request_list_move(&lane->put_off, &all);
    lane->sent_count = lane->sent_bytes = 0;
    for (struct request *request; (request = request_list_take(&all)) != NULL;) {
        if (is_load(request)) {
            request_end(request, -ECONNRESET, NULL);
            continue;
        }
        let_go(lane, request);
        host(lane)->route(host(lane)->context, request);
    }
}

static void disconnect(struct lane *lane)
{
    link_close(&lane->link);
    lane->is_linked = false;
    lane->is_up = false;
    reroute(lane);
}

static void lose_link(struct lane *lane, const char *why)
{
    say_away(lane, why);
    disconnect(lane);
    host(lane)->astray(host(lane)->context, lane, -1, NULL);
}

/* ---- replies ------------------------------------------------------------------------------------- */

/* What a person can do something with; the caller frees. */
static char *reason(enum refusal refusal, const char *text)
{
    if (refusal == REFUSAL_SLOT)
        return xasprintf("a slot is on its way from here to another node, or nobody serves it: %.80s", text);
    return xstrdup(text);
}

/* "MOVED slot host:port" */
static bool read_moved(const struct lane *lane, const char *text, struct redis_place *ret_place)
{
    const char *at = strchr(text + strlen("MOVED "), ' ');
    return at != NULL && place_read(at + 1, strlen(at + 1), &lane->linked_to, ret_place);
}

/* Whether it may be asked again at once. */
static bool is_quick_try(struct request *request)
{
    return request->tries++ < QUICK_TRIES;
}

static void follow_moved(struct lane *lane, struct request *request, const char *text)
{
    struct redis_place place;

    host(lane)->astray(host(lane)->context, lane, request->shard, read_moved(lane, text, &place) ? &place : NULL);
    if (!is_quick_try(request)) {
        put_off(lane, request, text);
        return;
    }
    let_go(lane, request);
    host(lane)->route(host(lane)->context, request);
}

static void load_and_try_again(struct lane *lane, struct request *request, const char *text)
{
    load_script(lane, request->script);
    if (is_quick_try(request))
        append(lane, request);
    else
        put_off(lane, request, text);
}

static void give_up(struct lane *lane, struct request *request, const char *text)
{
    log_error("Redis refuses %s: %s", request->script >= 0 ? script_name(request->script) : "a command", text);
    let_go(lane, request);
    request_end(request, -EIO, NULL);
}

static void take_error(struct lane *lane, struct request *request, const char *text)
{
    enum refusal refusal = refusal_of(text);
    AUTO_FREE char *why = reason(refusal, text);

    if (is_load(request)) {
        request_end(request, -EIO, NULL); /* who needs the script asks again */
        return;
    }
    switch (refusal) {
    case REFUSAL_NO_SCRIPT:
        load_and_try_again(lane, request, text);
        return;
    case REFUSAL_MOVED:
        follow_moved(lane, request, text);
        return;
    case REFUSAL_READ_ONLY:
        lane->must_leave = true;
        put_off(lane, request, why);
        return;
    case REFUSAL_SLOT:
        put_off(lane, request, why);
        host(lane)->astray(host(lane)->context, lane, request->shard, NULL);
        return;
    case REFUSAL_PASSING:
        put_off(lane, request, why);
        return;
    case REFUSAL_FINAL:
        give_up(lane, request, text);
        return;
    }
    abort(); /* a refusal that there is not */
}

static void take_reply(struct lane *lane, struct request *request, redisReply *reply)
{
    if (reply->type == REDIS_REPLY_ERROR) {
        take_error(lane, request, reply->str);
        freeReplyObject(reply);
        return;
    }
    if (!is_load(request) && request->script >= 0)
        host(lane)->heard(host(lane)->context, request, reply);
    let_go(lane, request);
    look_up(lane);
    request_end(request, 0, reply);
}

/* False: the link is lost. */
static bool read_bytes(struct lane *lane)
{
    redisContext *redis = lane->link.redis;

    for (;;) {
        size_t before = redis->reader->len;
        if (redisBufferRead(redis) != REDIS_OK)
            return false;
        size_t grown = redis->reader->len - before;
        if (grown > 0)
            lane->heard_ms = clock_monotonic_ms();
        if (grown == 0 || (grown < READ_SIZE && !lane->settings.url->has_tls))
            return true;
    }
}

static void read_replies(struct lane *lane)
{
    redisReply *reply = NULL;

    if (!read_bytes(lane)) {
        lose_link(lane, lane->link.redis->errstr);
        return;
    }
    int64_t now_ns = clock_monotonic_ns();
    while (redisGetReplyFromReader(lane->link.redis, (void **)&reply) == REDIS_OK && reply != NULL) {
        struct request *request = take_sent(lane);
        if (request == NULL) {
            freeReplyObject(reply);
            lose_link(lane, "it answered what was not asked");
            return;
        }
        lane->reply_ns += (now_ns - request->sent_ns - lane->reply_ns) / 8;
        histogram_add(&lane->round_trips, (double)(now_ns - request->sent_ns) / 1000);
        take_reply(lane, request, reply);
    }
    if (lane->link.redis->err != 0)
        lose_link(lane, lane->link.redis->errstr);
    else if (lane->must_leave)
        lose_link(lane, "it is a replica that can't be written to");
}

/* ---- the thread ---------------------------------------------------------------------------------- */

static bool is_stopping(struct lane *lane)
{
    (void)pthread_mutex_lock(&lane->lock);
    bool is_stopping = lane->is_stopping;
    (void)pthread_mutex_unlock(&lane->lock);
    return is_stopping;
}

static bool is_nowhere(const struct redis_place *place)
{
    return place->name[0] == '\0';
}

/* Whether it leads elsewhere by now, or stops. */
static bool is_diverted(struct lane *lane)
{
    (void)pthread_mutex_lock(&lane->lock);
    bool is_diverted = lane->is_stopping || lane->turn != lane->followed;
    (void)pthread_mutex_unlock(&lane->lock);
    return is_diverted;
}

static void drain_wakes(struct lane *lane)
{
    eventfd_t count;
    (void)!eventfd_read(lane->wake_fd, &count);
}

static void wait_for_wake(struct lane *lane, int timeout_ms)
{
    struct pollfd woken = { .fd = lane->wake_fd, .events = POLLIN };

    pulse_rest_here();
    (void)poll(&woken, 1, timeout_ms);
    pulse_beat_here();
    drain_wakes(lane);
}

/* Until then, or until it leads elsewhere. */
static void rest_until(struct lane *lane, int64_t until_ms)
{
    for (int64_t left_ms; !is_diverted(lane) && (left_ms = until_ms - clock_monotonic_ms()) > 0;)
        wait_for_wake(lane, (int)left_ms);
}

static void follow_place(struct lane *lane)
{
    if (!is_diverted(lane))
        return;
    if (lane->is_linked)
        disconnect(lane);
    (void)pthread_mutex_lock(&lane->lock);
    lane->linked_to = lane->place;
    lane->followed = lane->turn;
    (void)pthread_mutex_unlock(&lane->lock);
    lane->is_away = false;
    lane->is_up = false;
    lane->backoff_ms = BACKOFF_MIN_MS;
}

/* It leads nowhere: what comes here all the same goes on. */
static void rest(struct lane *lane)
{
    (void)pthread_mutex_lock(&lane->lock);
    request_list_move(&lane->waiting, &lane->put_off);
    lane->waiting_count = 0;
    lane->is_asleep = true;
    (void)pthread_mutex_unlock(&lane->lock);
    for (struct request *request = lane->put_off.first; request != NULL; request = request->next)
        lane->troubled += request->is_troubled;
    reroute(lane);
    wait_for_wake(lane, -1);
    (void)pthread_mutex_lock(&lane->lock);
    lane->is_asleep = false;
    (void)pthread_mutex_unlock(&lane->lock);
}

static void try_to_link(struct lane *lane)
{
    connect_lane(lane);
    if (lane->is_linked)
        return;
    int64_t until_ms = clock_monotonic_ms() + lane->backoff_ms;
    lane->backoff_ms = lane->backoff_ms * 2 < BACKOFF_MAX_MS ? lane->backoff_ms * 2 : BACKOFF_MAX_MS;
    rest_until(lane, until_ms);
}

/* How long there is nothing to do unless something comes; -1: for ever. */
static int patience_ms(const struct lane *lane)
{
    int64_t until_ms = lane->sent.first != NULL ? lane->heard_ms + lane->settings.timeout_ms : INT64_MAX;

    for (const struct request *request = lane->put_off.first; request != NULL; request = request->next)
        until_ms = request->not_before_ms < until_ms ? request->not_before_ms : until_ms;
    if (until_ms == INT64_MAX)
        return -1;
    int64_t left_ms = until_ms - clock_monotonic_ms();
    return left_ms > 0 ? (int)left_ms : 0;
}

/* True: there is something to read. */
static bool wait_for_something(struct lane *lane, bool has_output)
{
    struct pollfd fds[2] = { { .fd = lane->wake_fd, .events = POLLIN },
                             { .fd = lane->link.redis->fd, .events = (short)(POLLIN | (has_output ? POLLOUT : 0)) } };
    int timeout_ms = patience_ms(lane);

    (void)pthread_mutex_lock(&lane->lock);
    bool has_work = is_worth_sending(lane, lane->waiting_count);
    lane->is_asleep = is_worth_sending(lane, lane->waiting_count + 1);
    (void)pthread_mutex_unlock(&lane->lock);
    pulse_rest_here();
    (void)poll(fds, 2, has_work ? 0 : timeout_ms);
    pulse_beat_here();
    (void)pthread_mutex_lock(&lane->lock);
    lane->is_asleep = false;
    (void)pthread_mutex_unlock(&lane->lock);
    if (fds[0].revents != 0)
        drain_wakes(lane);
    return (fds[1].revents & ~POLLOUT) != 0;
}

/* One round: sends what waits, reads what came. */
static void serve(struct lane *lane)
{
    int is_flushed = 0;

    send_put_off(lane);
    send_waiting(lane);
    look_up(lane);
    if (redisBufferWrite(lane->link.redis, &is_flushed) != REDIS_OK) {
        lose_link(lane, lane->link.redis->errstr);
        return;
    }
    if (wait_for_something(lane, !is_flushed))
        read_replies(lane);
    else if (lane->sent.first != NULL && clock_monotonic_ms() - lane->heard_ms >= lane->settings.timeout_ms)
        lose_link(lane, "it does not answer");
}

static void *lane_main(void *argument)
{
    struct lane *lane = argument;
    sigset_t broken_pipe;

    /* hiredis writes to a closed link with write(2). */
    (void)sigemptyset(&broken_pipe);
    (void)sigaddset(&broken_pipe, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &broken_pipe, NULL);
    struct pulse *pulse = pulse_start("store", PULSE_LIMIT_MS);
    while (!is_stopping(lane)) {
        follow_place(lane);
        if (is_nowhere(&lane->linked_to)) {
            rest(lane);
        } else if (lane->is_linked) {
            serve(lane);
        } else {
            try_to_link(lane);
        }
    }
    request_list_end(&lane->sent, -ESHUTDOWN);
    request_list_end(&lane->put_off, -ESHUTDOWN);
    pulse_stop(pulse);
    return NULL;
}

int lane_start(struct lane *lane)
{
    int failed = pthread_create(&lane->thread, NULL, lane_main, lane);

    lane->is_started = failed == 0;
    return -failed;
}

uint64_t lane_lineage(const struct lane *lane)
{
    return lane->link.lineage;
}
