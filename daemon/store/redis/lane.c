/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/lane.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/pulse.h"
#include "base/thread.h"
#include "store/redis/group.h"
#include "store/redis/inbox.h"
#include "store/redis/library.h"
#include "store/redis/pipeline.h"
#include "store/redis/refusal.h"

#define READ_SIZE (16 * 1024) /* hiredis's own */
#define BACKOFF_MIN_MS 10     /* before connecting again */
#define BACKOFF_MAX_MS 250
#define UNADMITTED_MS 10 /* before the host is asked again */
#define QUICK_TRIES 4    /* before a request is put off */

struct lane {
    struct lane_settings settings;
    struct thread thread;
    atomic_bool is_up;
    struct inbox inbox;

    struct redis_place linked_to; /* the lane's thread's, from here on */
    unsigned turn;                /* of the inbox, in which it leads there */
    struct link link;
    struct link last_link; /* the one before: what was sent over it must not run later */
    bool is_linked;
    bool must_leave; /* this server can't be written to: look where the name leads */
    bool is_away;    /* said so; not back yet */
    int64_t away_since_ms;
    int64_t backoff_ms;
    struct library library; /* of the server linked to */
    struct pipeline pipeline;
    struct gathering gathering; /* between two sends alone */
};

/* ---- any thread --------------------------------------------------------------------------------- */

struct lane *lane_create(const struct lane_settings *settings)
{
    struct lane *lane = xcalloc(1, sizeof(*lane));

    assert(settings->timeout_ms > 0);
    lane->settings = *settings;
    lane->backoff_ms = BACKOFF_MIN_MS;
    inbox_init(&lane->inbox);
    pipeline_init(&lane->pipeline);
    gathering_init(&lane->gathering);
    return lane;
}

void lane_lead_to(struct lane *lane, const struct redis_place *place)
{
    inbox_lead_to(&lane->inbox, place);
}

struct redis_place lane_place(struct lane *lane)
{
    return inbox_place(&lane->inbox);
}

bool lane_push(struct lane *lane, struct request *request)
{
    return inbox_push(&lane->inbox, request);
}

bool lane_is_up(const struct lane *lane)
{
    return lane->is_up;
}

void lane_add_counts(const struct lane *lane, struct store_counts *counts)
{
    histogram_read(&lane->pipeline.round_trips, &counts->round_trips);
    histogram_read(&lane->pipeline.batches, &counts->batches);
}

void lane_stop(struct lane *lane)
{
    inbox_stop(&lane->inbox);
}

void lane_destroy(struct lane *lane)
{
    if (lane == NULL)
        return;
    lane_stop(lane);
    thread_join(&lane->thread);
    link_close(&lane->link);
    inbox_done(&lane->inbox);
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

    assert_thread(&lane->thread);
    lane->is_up = false;
    if (lane->is_away)
        return;
    lane->is_away = true;
    lane->away_since_ms = clock_monotonic_ms();
    const char *script = strstr(why, " script: "); /* and its digest: of no use to a reader */
    int length = (int)(script != NULL ? (size_t)(script - why) : strlen(why));
    log_warn("Redis at %s does not work now (%.*s): runs that need it wait, nothing is lost, stepd keeps trying",
             place_text(&lane->linked_to, where), length, why);
}

/* Says so once all is well again. */
static void look_up(struct lane *lane)
{
    char where[PLACE_TEXT_SIZE];

    if (!lane->is_linked || pipeline_is_troubled(&lane->pipeline))
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

static void append(struct lane *lane, struct request *request)
{
    assert(lane->is_linked);
    assert_thread(&lane->thread);
    library_sign(&lane->library, request);
    if (redisAppendFormattedCommand(lane->link.redis, request->command, request->size) != REDIS_OK)
        abort();
    pipeline_send(&lane->pipeline, request);
}

static void send_gathered(struct lane *lane)
{
    const struct request *first = lane->gathering.members.first;
    struct request *gathered =
        first != NULL ? gathering_take(&lane->gathering, host(lane)->prefix(host(lane)->context, first->shard)) : NULL;

    if (gathered != NULL)
        append(lane, gathered);
}

/* With others, if it may. */
static void gather_or_append(struct lane *lane, struct request *request)
{
    if (gathering_add(&lane->gathering, request))
        return;
    if (request->call == NULL || request->call->group == GROUP_NONE) {
        append(lane, request);
        return;
    }
    send_gathered(lane);
    (void)gathering_add(&lane->gathering, request);
}

/* What must not be asked twice: whoever asked finds out what became of it. */
static void end_unknown(struct lane *lane, struct request *request)
{
    assert(request->only_as != NULL);
    pipeline_leave(&lane->pipeline, request);
    request_end(request, -EAGAIN, NULL);
}

static void put_off(struct lane *lane, struct request *request, const char *why)
{
    pipeline_put_off(&lane->pipeline, request);
    say_away(lane, why);
}

static void give_back(struct lane *lane, struct request *request)
{
    if (request->only_as != NULL) {
        end_unknown(lane, request);
        return;
    }
    pipeline_leave(&lane->pipeline, request);
    host(lane)->route(host(lane)->context, request);
}

static void give_back_group(struct lane *lane, struct request *group)
{
    struct request_list members;

    group_dissolve(group, &members);
    for (struct request *member; (member = request_list_take(&members)) != NULL;)
        give_back(lane, member);
}

static void send_or_hold(struct lane *lane, struct request *request)
{
    if (request->not_before_ms != 0 && request->not_before_ms > clock_monotonic_ms()) {
        pipeline_hold(&lane->pipeline, request, request->not_before_ms);
        return;
    }
    switch (host(lane)->admit(host(lane)->context, lane, request)) {
    case LANE_SENDS:
        gather_or_append(lane, request);
        return;
    case LANE_PUTS_OFF:
        pipeline_hold(&lane->pipeline, request, clock_monotonic_ms() + UNADMITTED_MS);
        return;
    case LANE_LOSES:
        give_back(lane, request);
        return;
    case LANE_ENDS:
        end_unknown(lane, request);
        return;
    }
    abort(); /* an answer that there is not */
}

static void send_waiting(struct lane *lane)
{
    struct request_list taken;
    size_t count = inbox_take(&lane->inbox, &lane->pipeline, &taken);

    assert_thread(&lane->thread);
    if (count == 0)
        return;
    int64_t now_ns = clock_monotonic_ns();
    for (struct request *request; (request = request_list_take(&taken)) != NULL;) {
        request->sent_ns = now_ns;
        pipeline_enter(&lane->pipeline, request);
        send_or_hold(lane, request);
    }
    send_gathered(lane);
    histogram_add(&lane->pipeline.batches, (double)count);
}

static void send_put_off(struct lane *lane)
{
    struct request_list all;

    pipeline_take_put_off(&lane->pipeline, &all);
    int64_t now_ns = all.first != NULL ? clock_monotonic_ns() : 0;
    for (struct request *request; (request = request_list_take(&all)) != NULL;) {
        request->sent_ns = now_ns;
        send_or_hold(lane, request);
    }
    send_gathered(lane);
}

/* ---- linking ------------------------------------------------------------------------------------- */

static int establish(struct lane *lane, struct error *ret_error)
{
    int status = link_open(&lane->link, lane->settings.url, &lane->linked_to, lane->settings.timeout_ms, ret_error);
    if (status == -EACCES)
        (void)host(lane)->forbidden(host(lane)->context, &lane->linked_to, ret_error);
    if (status != 0)
        return status;
    status = link_cut_off(&lane->link, &lane->last_link, ret_error);
    if (status == 0)
        status = host(lane)->linked(host(lane)->context, lane, &lane->link, ret_error);
    if (status == 0)
        status = library_fill(&lane->library, &lane->link, ret_error);
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

    assert(!lane->is_linked);
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

    pipeline_take_all(&lane->pipeline, &all);
    for (struct request *request; (request = request_list_take(&all)) != NULL;) {
        if (library_is_reload(request))
            request_end(request, -ECONNRESET, NULL);
        else if (request_is_group(request))
            give_back_group(lane, request);
        else
            give_back(lane, request);
    }
}

static void disconnect(struct lane *lane)
{
    assert_thread(&lane->thread);
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
    give_back(lane, request);
}

static void load_and_try_again(struct lane *lane, struct request *request, const char *text)
{
    struct request *reload = library_reload(&lane->library, request->script);

    if (reload != NULL)
        append(lane, reload);
    if (is_quick_try(request))
        append(lane, request);
    else
        put_off(lane, request, text);
}

/* Which command it was a script's error does not tell; a look at what our user may do does. */
static void put_off_forbidden(struct lane *lane, struct request *request, const char *text)
{
    struct error error = { 0 };

    pulse_rest_here();
    bool is_told = !lane->is_away && host(lane)->forbidden(host(lane)->context, &lane->linked_to, &error) != 0;
    pulse_beat_here();
    put_off(lane, request, is_told ? error.text : text);
}

static void give_up(struct lane *lane, struct request *request, const char *text)
{
    assert(request->only_as == NULL);
    log_error("Redis refuses %s: %s", request->script >= 0 ? script_name(request->script) : "a command", text);
    pipeline_leave(&lane->pipeline, request);
    request_end(request, -EIO, NULL);
}

static void take_error(struct lane *lane, struct request *request, const char *text)
{
    if (library_is_reload(request)) {
        request_end(request, -EIO, NULL); /* who needs the script asks again */
        return;
    }
    if (request->only_as != NULL) {
        end_unknown(lane, request); /* the script that is asked next hears it, too */
        return;
    }
    enum refusal refusal = refusal_of(text);
    AUTO_FREE char *why = reason(refusal, text);
    switch (refusal) {
    case REFUSAL_NO_SCRIPT:
        load_and_try_again(lane, request, text);
        return;
    case REFUSAL_MOVED:
        follow_moved(lane, request, text);
        return;
    case REFUSAL_RIGHTS:
        put_off_forbidden(lane, request, text);
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

static redisReply *reply_of_number(long long number)
{
    redisReply *reply = xcalloc(1, sizeof(*reply));

    reply->type = REDIS_REPLY_INTEGER;
    reply->integer = number;
    return reply;
}

/* Each has a letter of the answer, a digit. What has none, or was left alone ('-'), is asked by itself, and meets its own error if there is one. */
static void take_group_reply(struct lane *lane, struct request *group, const redisReply *reply)
{
    bool is_answered = reply->type == REDIS_REPLY_STRING && (size_t)reply->len == group_count(group);
    struct request *reload = reply->type == REDIS_REPLY_ERROR && refusal_of(reply->str) == REFUSAL_NO_SCRIPT
                                 ? library_reload(&lane->library, group->script)
                                 : NULL;
    struct request_list members;
    size_t at = 0;

    if (reload != NULL)
        append(lane, reload);
    if (is_answered)
        host(lane)->heard(host(lane)->context, group, reply);
    group_dissolve(group, &members);
    for (struct request *member; (member = request_list_take(&members)) != NULL; at++) {
        if (!is_answered || reply->str[at] < '0') {
            append(lane, member);
            continue;
        }
        pipeline_leave(&lane->pipeline, member);
        request_end(member, 0, reply_of_number(reply->str[at] - '0'));
    }
    look_up(lane);
}

static void take_reply(struct lane *lane, struct request *request, redisReply *reply)
{
    if (request_is_group(request)) {
        take_group_reply(lane, request, reply);
        freeReplyObject(reply);
        return;
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        take_error(lane, request, reply->str);
        freeReplyObject(reply);
        return;
    }
    if (!library_is_reload(request) && request->script >= 0)
        host(lane)->heard(host(lane)->context, request, reply);
    pipeline_leave(&lane->pipeline, request);
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
            pipeline_hear(&lane->pipeline);
        if (grown == 0 || (grown < READ_SIZE && !lane->settings.url->has_tls))
            return true;
    }
}

static void read_replies(struct lane *lane)
{
    redisReply *reply = NULL;

    assert_thread(&lane->thread);
    if (!read_bytes(lane)) {
        lose_link(lane, lane->link.redis->errstr);
        return;
    }
    int64_t now_ns = clock_monotonic_ns();
    while (redisGetReplyFromReader(lane->link.redis, (void **)&reply) == REDIS_OK && reply != NULL) {
        struct request *request = pipeline_answered(&lane->pipeline, now_ns);
        if (request == NULL) {
            freeReplyObject(reply);
            lose_link(lane, "it answered what was not asked");
            return;
        }
        take_reply(lane, request, reply);
    }
    if (lane->link.redis->err != 0)
        lose_link(lane, lane->link.redis->errstr);
    else if (lane->must_leave)
        lose_link(lane, "it is a replica that can't be written to");
}

/* ---- the thread ---------------------------------------------------------------------------------- */

static bool is_nowhere(const struct redis_place *place)
{
    return place->name[0] == '\0';
}

/* Until then, or until it leads elsewhere. */
static void rest_until(struct lane *lane, int64_t until_ms)
{
    for (int64_t left_ms; !inbox_is_diverted(&lane->inbox, lane->turn) && (left_ms = until_ms - clock_monotonic_ms()) > 0;)
        inbox_wait(&lane->inbox, (int)left_ms);
}

static void follow_place(struct lane *lane)
{
    assert_thread(&lane->thread);
    if (!inbox_is_diverted(&lane->inbox, lane->turn))
        return;
    if (lane->is_linked)
        disconnect(lane);
    lane->turn = inbox_follow(&lane->inbox, &lane->linked_to);
    lane->is_away = false;
    lane->is_up = false;
    lane->backoff_ms = BACKOFF_MIN_MS;
}

/* It leads nowhere: what comes here all the same goes on. */
static void rest(struct lane *lane)
{
    struct request_list waiting;

    inbox_take_all(&lane->inbox, &waiting);
    for (struct request *request; (request = request_list_take(&waiting)) != NULL;)
        host(lane)->route(host(lane)->context, request);
    inbox_wait(&lane->inbox, -1);
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

/* True: there is something to read. */
static bool wait_for_something(struct lane *lane, bool has_output)
{
    struct pollfd fds[2] = { { .fd = lane->inbox.wake_fd, .events = POLLIN },
                             { .fd = lane->link.redis->fd, .events = (short)(POLLIN | (has_output ? POLLOUT : 0)) } };
    int timeout_ms = pipeline_patience_ms(&lane->pipeline, lane->settings.timeout_ms);

    bool is_idle = inbox_fall_asleep(&lane->inbox, &lane->pipeline);
    pulse_rest_here();
    (void)poll(fds, 2, is_idle ? timeout_ms : 0);
    pulse_beat_here();
    inbox_wake_up(&lane->inbox, fds[0].revents);
    return (fds[1].revents & ~POLLOUT) != 0;
}

/* One round: sends what waits, reads what came. */
static void serve(struct lane *lane)
{
    int is_flushed = 0;

    assert(lane->is_linked);
    send_put_off(lane);
    send_waiting(lane);
    look_up(lane);
    if (redisBufferWrite(lane->link.redis, &is_flushed) != REDIS_OK) {
        lose_link(lane, lane->link.redis->errstr);
        return;
    }
    if (wait_for_something(lane, !is_flushed))
        read_replies(lane);
    else if (pipeline_is_silent(&lane->pipeline, lane->settings.timeout_ms))
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
    while (!inbox_is_stopping(&lane->inbox)) {
        follow_place(lane);
        if (is_nowhere(&lane->linked_to)) {
            rest(lane);
        } else if (lane->is_linked) {
            serve(lane);
        } else {
            try_to_link(lane);
        }
    }
    pipeline_done(&lane->pipeline, -ESHUTDOWN);
    return NULL;
}

int lane_start(struct lane *lane)
{
    return thread_start(&lane->thread, "store", PULSE_LIMIT_MS, lane_main, lane, NULL);
}

uint64_t lane_lineage(const struct lane *lane)
{
    return lane->link.lineage;
}
