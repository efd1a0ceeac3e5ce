/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/lane_internal.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/pulse.h"

#define BACKOFF_MIN_MS 10 /* before connecting again */
#define BACKOFF_MAX_MS 250
#define LOAN_MS 250      /* that a borrower waits for his answer */
#define UNADMITTED_MS 10 /* before the host is asked again */

/* ---- any thread --------------------------------------------------------------------------------- */

struct lane *lane_create(const struct lane_settings *settings)
{
    struct lane *lane = xcalloc(1, sizeof(*lane));

    assert(settings->timeout_ms > 0);
    lane->settings = *settings;
    lane->backoff_ms = BACKOFF_MIN_MS;
    inbox_init(&lane->inbox);
    pipeline_init(&lane->pipeline);
    for (size_t i = 0; i < COUNT_OF(lane->gatherings); i++)
        gathering_init(&lane->gatherings[i]);
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

void lane_say_away(struct lane *lane, const char *why)
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

void lane_look_up(struct lane *lane)
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

/* A script's command, once it goes out by itself: in a group it needs none. */
static void make_command(struct lane *lane, struct request *request)
{
    const char *prefix = lane_host(lane)->prefix(lane_host(lane)->context, request->shard);

    assert(request->call != NULL);
    request->command = script_format(request->call, prefix, &request->size, &request->sha_at);
}

static void append(struct lane *lane, struct request *request)
{
    assert(lane->is_linked);
    if (request->command == NULL)
        make_command(lane, request);
    library_sign(&lane->library, request);
    if (redisAppendFormattedCommand(lane->link.redis, request->command, request->size) != REDIS_OK)
        abort();
    pipeline_send(&lane->pipeline, request);
}

void lane_append(struct lane *lane, struct request *request)
{
    assert_thread(&lane->thread);
    append(lane, request);
}

void lane_end_unknown(struct lane *lane, struct request *request)
{
    assert(request->only_as != NULL);
    pipeline_leave(&lane->pipeline, request);
    request_end(request, -EAGAIN, NULL);
}

void lane_put_off(struct lane *lane, struct request *request, const char *why)
{
    pipeline_put_off(&lane->pipeline, request);
    lane_say_away(lane, why);
}

void lane_give_back(struct lane *lane, struct request *request)
{
    if (request->only_as != NULL) {
        lane_end_unknown(lane, request);
        return;
    }
    pipeline_leave(&lane->pipeline, request);
    lane_host(lane)->route(lane_host(lane)->context, request);
}

static void send_or_hold(struct lane *lane, struct request *request)
{
    if (request->not_before_ms != 0 && request->not_before_ms > clock_monotonic_ms()) {
        pipeline_hold(&lane->pipeline, request, request->not_before_ms);
        return;
    }
    switch (lane_host(lane)->admit(lane_host(lane)->context, lane, request)) {
    case LANE_SENDS:
        lane_gather(lane, request);
        return;
    case LANE_PUTS_OFF:
        pipeline_hold(&lane->pipeline, request, clock_monotonic_ms() + UNADMITTED_MS);
        return;
    case LANE_LOSES:
        lane_give_back(lane, request);
        return;
    case LANE_ENDS:
        lane_end_unknown(lane, request);
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
    lane_send_gathered(lane);
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
    lane_send_gathered(lane);
}

/* ---- linking ------------------------------------------------------------------------------------- */

static int establish(struct lane *lane, struct error *ret_error)
{
    int status = link_open(&lane->link, lane->settings.url, &lane->linked_to, lane->settings.timeout_ms, ret_error);
    if (status == -EACCES)
        (void)lane_host(lane)->forbidden(lane_host(lane)->context, &lane->linked_to, ret_error);
    if (status != 0)
        return status;
    status = link_cut_off(&lane->link, &lane->last_link, ret_error);
    if (status == 0)
        status = lane_host(lane)->linked(lane_host(lane)->context, lane, &lane->link, ret_error);
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
        lane_say_away(lane, error.text);
    lane_host(lane)->tried(lane_host(lane)->context, lane, status, &error);
    if (status != 0)
        lane_host(lane)->astray(lane_host(lane)->context, lane, -1, NULL);
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
            lane_give_back_group(lane, request);
        else
            lane_give_back(lane, request);
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

void lane_lose_link(struct lane *lane, const char *why)
{
    lane_say_away(lane, why);
    disconnect(lane);
    lane_host(lane)->astray(lane_host(lane)->context, lane, -1, NULL);
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
        lane_host(lane)->route(lane_host(lane)->context, request);
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

/* Of the link. What is asked over one that is lent wakes the lane's thread only if the server closes it. */
static short events_of(const struct lane *lane, bool has_output)
{
    if (pipeline_is_empty(&lane->pipeline))
        return POLLRDHUP;
    return has_output ? POLLIN | POLLOUT : POLLIN;
}

/* True: there is something to read. */
static bool wait_for_something(struct lane *lane, bool has_output)
{
    struct pollfd fds[2] = { { .fd = lane->inbox.wake_fd, .events = POLLIN },
                             { .fd = lane->link.redis->fd, .events = events_of(lane, has_output) } };
    int patience_ms = pipeline_patience_ms(&lane->pipeline, lane->settings.timeout_ms);
    int sleep_ms = inbox_fall_asleep(&lane->inbox, &lane->pipeline, patience_ms);

    pulse_rest_here();
    (void)poll(fds, 2, sleep_ms);
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
    lane_look_up(lane);
    if (redisBufferWrite(lane->link.redis, &is_flushed) != REDIS_OK) {
        lane_lose_link(lane, lane->link.redis->errstr);
        return;
    }
    if (wait_for_something(lane, !is_flushed))
        lane_read_replies(lane);
    else if (pipeline_is_silent(&lane->pipeline, lane->settings.timeout_ms))
        lane_lose_link(lane, "it does not answer");
}

/* ---- a thread that has borrowed the link ---------------------------------------------------------- */

static bool send_alone(struct lane *lane, struct request *request)
{
    int is_flushed = 0;

    request->sent_ns = clock_monotonic_ns();
    pipeline_enter(&lane->pipeline, request);
    append(lane, request);
    return redisBufferWrite(lane->link.redis, &is_flushed) == REDIS_OK && is_flushed;
}

/* False: others want the lane, the answer takes its time, or the link has ended: the lane's thread sees to it. */
static bool hear_alone(struct lane *lane)
{
    struct pollfd fds[2] = { { .fd = lane->inbox.wake_fd, .events = POLLIN }, { .fd = lane->link.redis->fd, .events = POLLIN } };
    int64_t until_ms = clock_monotonic_ms() + LOAN_MS;

    for (int64_t left_ms; (left_ms = until_ms - clock_monotonic_ms()) > 0;) {
        (void)poll(fds, 2, (int)left_ms);
        if (fds[1].revents != 0 && !lane_read_answer(lane))
            return false;
        if (pipeline_is_empty(&lane->pipeline))
            return true;
        if (fds[0].revents != 0)
            return false;
    }
    return false;
}

bool lane_ask(struct lane *lane, struct request *request)
{
    assert(request->only_as != NULL); /* whatever is answered is its end */
    if (!inbox_borrow(&lane->inbox))
        return false;
    bool is_sent = lane_host(lane)->admit(lane_host(lane)->context, lane, request) == LANE_SENDS;
    bool is_over = !is_sent || (send_alone(lane, request) && hear_alone(lane));
    inbox_give_back(&lane->inbox, is_over);
    return is_sent;
}

/* ---- the life of the thread ------------------------------------------------------------------------ */

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
