/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/lane_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/pulse.h"
#include "store/redis/refusal.h"

#define READ_SIZE (16 * 1024) /* hiredis's own */
#define QUICK_TRIES 4         /* before a request is put off */

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

    lane_host(lane)->astray(lane_host(lane)->context, lane, request->shard, read_moved(lane, text, &place) ? &place : NULL);
    if (!is_quick_try(request)) {
        lane_put_off(lane, request, text);
        return;
    }
    lane_give_back(lane, request);
}

static void load_and_try_again(struct lane *lane, struct request *request, const char *text)
{
    struct request *reload = library_reload(&lane->library, request->script);

    if (reload != NULL)
        lane_append(lane, reload);
    if (is_quick_try(request))
        lane_append(lane, request);
    else
        lane_put_off(lane, request, text);
}

/* Which command it was a script's error does not tell; a look at what our user may do does. */
static void put_off_forbidden(struct lane *lane, struct request *request, const char *text)
{
    struct error error = { 0 };

    pulse_rest_here();
    bool is_told = !lane->is_away && lane_host(lane)->forbidden(lane_host(lane)->context, &lane->linked_to, &error) != 0;
    pulse_beat_here();
    lane_put_off(lane, request, is_told ? error.text : text);
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
        lane_end_unknown(lane, request); /* the script that is asked next hears it, too */
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
        lane_put_off(lane, request, why);
        return;
    case REFUSAL_SLOT:
        lane_put_off(lane, request, why);
        lane_host(lane)->astray(lane_host(lane)->context, lane, request->shard, NULL);
        return;
    case REFUSAL_PASSING:
        lane_put_off(lane, request, why);
        return;
    case REFUSAL_FINAL:
        give_up(lane, request, text);
        return;
    }
    abort(); /* a refusal that there is not */
}

static void take_reply(struct lane *lane, struct request *request, redisReply *reply)
{
    if (request_is_group(request)) {
        lane_take_group_reply(lane, request, reply);
        freeReplyObject(reply);
        return;
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        take_error(lane, request, reply->str);
        freeReplyObject(reply);
        return;
    }
    if (!library_is_reload(request) && request->script >= 0)
        lane_host(lane)->heard(lane_host(lane)->context, request, reply);
    pipeline_leave(&lane->pipeline, request);
    lane_look_up(lane);
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

bool lane_read_answer(struct lane *lane)
{
    redisReply *reply = NULL;

    if (!read_bytes(lane) || redisGetReplyFromReader(lane->link.redis, (void **)&reply) != REDIS_OK)
        return false;
    struct request *request = reply != NULL ? pipeline_answered(&lane->pipeline, clock_monotonic_ns()) : NULL;
    if (request != NULL)
        take_reply(lane, request, reply);
    return true;
}

void lane_read_replies(struct lane *lane)
{
    redisReply *reply = NULL;

    assert_thread(&lane->thread);
    if (!read_bytes(lane)) {
        lane_lose_link(lane, lane->link.redis->errstr);
        return;
    }
    int64_t now_ns = clock_monotonic_ns();
    while (redisGetReplyFromReader(lane->link.redis, (void **)&reply) == REDIS_OK && reply != NULL) {
        struct request *request = pipeline_answered(&lane->pipeline, now_ns);
        if (request == NULL) {
            freeReplyObject(reply);
            lane_lose_link(lane, "it answered what was not asked");
            return;
        }
        take_reply(lane, request, reply);
    }
    if (lane->link.redis->err != 0)
        lane_lose_link(lane, lane->link.redis->errstr);
    else if (lane->must_leave)
        lane_lose_link(lane, "it is a replica that can't be written to");
}
