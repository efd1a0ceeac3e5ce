/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/pipeline.h"

#include <assert.h>

#include "base/clock.h"

#define WINDOW_REQUESTS 1024 /* sent and not answered, at most */
#define WINDOW_BYTES ((size_t)4 << 20)
#define QUICK_REPLY_NS INT64_C(5000000)
#define DELAY_MIN_MS 10 /* before what was put off is tried again, doubled each time */
#define DELAY_MAX_MS 250
#define DOUBLINGS_MAX 5

void pipeline_init(struct pipeline *pipeline)
{
    *pipeline = (struct pipeline){ 0 };
    request_list_init(&pipeline->sent);
    request_list_init(&pipeline->put_off);
}

void pipeline_done(struct pipeline *pipeline, int status)
{
    request_list_end(&pipeline->sent, status);
    request_list_end(&pipeline->put_off, status);
}

/* ---- how many go out ----------------------------------------------------------------------------- */

static bool has_room(size_t count, size_t bytes)
{
    return count < WINDOW_REQUESTS && bytes < WINDOW_BYTES;
}

bool pipeline_wants(const struct pipeline *pipeline, size_t waiting)
{
    if (waiting == 0 || !has_room(pipeline->sent_count, pipeline->sent_bytes))
        return false;
    return pipeline->reply_ns > QUICK_REPLY_NS || waiting * 2 >= pipeline->sent_count;
}

size_t pipeline_admit(const struct pipeline *pipeline, struct request_list *waiting, struct request_list *taken)
{
    size_t bytes = pipeline->sent_bytes;
    size_t count = 0;

    for (; waiting->first != NULL && has_room(pipeline->sent_count + count, bytes); count++) {
        struct request *request = request_list_take(waiting);
        bytes += request->size;
        request_list_add(taken, request);
    }
    return count;
}

/* ---- one of them --------------------------------------------------------------------------------- */

void pipeline_enter(struct pipeline *pipeline, const struct request *request)
{
    pipeline->troubled += request->is_troubled;
}

void pipeline_send(struct pipeline *pipeline, struct request *request)
{
    if (pipeline->sent.first == NULL)
        pipeline_hear(pipeline);
    request_list_add(&pipeline->sent, request);
    pipeline->sent_count += 1 + request->others;
    pipeline->sent_bytes += request->size;
}

void pipeline_hold(struct pipeline *pipeline, struct request *request, int64_t not_before_ms)
{
    request->not_before_ms = not_before_ms;
    request_list_add(&pipeline->put_off, request);
}

void pipeline_put_off(struct pipeline *pipeline, struct request *request)
{
    int doublings = request->tries < DOUBLINGS_MAX ? request->tries : DOUBLINGS_MAX;
    int64_t delay_ms = DELAY_MIN_MS << doublings;

    assert(request->tries >= 0);
    request->tries++;
    pipeline->troubled += !request->is_troubled;
    request->is_troubled = true;
    pipeline_hold(pipeline, request, clock_monotonic_ms() + (delay_ms < DELAY_MAX_MS ? delay_ms : DELAY_MAX_MS));
}

void pipeline_leave(struct pipeline *pipeline, const struct request *request)
{
    assert(!request->is_troubled || pipeline->troubled > 0);
    pipeline->troubled -= request->is_troubled;
}

/* ---- what came, and what is still out ------------------------------------------------------------ */

void pipeline_hear(struct pipeline *pipeline)
{
    pipeline->heard_ms = clock_monotonic_ms();
}

struct request *pipeline_answered(struct pipeline *pipeline, int64_t now_ns)
{
    struct request *request = request_list_take(&pipeline->sent);

    if (request == NULL)
        return NULL;
    assert(pipeline->sent_count > 0 && pipeline->sent_bytes >= request->size);
    int64_t took_ns = now_ns - request->sent_ns;
    pipeline->sent_count -= 1 + request->others;
    pipeline->sent_bytes -= request->size;
    pipeline->reply_ns += (took_ns - pipeline->reply_ns) / 8;
    histogram_add(&pipeline->round_trips, (double)took_ns / 1000);
    return request;
}

void pipeline_take_put_off(struct pipeline *pipeline, struct request_list *ret_taken)
{
    request_list_init(ret_taken);
    request_list_move(&pipeline->put_off, ret_taken);
}

void pipeline_take_all(struct pipeline *pipeline, struct request_list *ret_taken)
{
    request_list_init(ret_taken);
    request_list_move(&pipeline->sent, ret_taken);
    request_list_move(&pipeline->put_off, ret_taken);
    pipeline->sent_count = pipeline->sent_bytes = 0;
}

bool pipeline_is_empty(const struct pipeline *pipeline)
{
    return pipeline->sent.first == NULL && pipeline->put_off.first == NULL;
}

bool pipeline_is_troubled(const struct pipeline *pipeline)
{
    return pipeline->troubled > 0;
}

bool pipeline_is_silent(const struct pipeline *pipeline, int64_t timeout_ms)
{
    return pipeline->sent.first != NULL && clock_monotonic_ms() - pipeline->heard_ms >= timeout_ms;
}

int pipeline_patience_ms(const struct pipeline *pipeline, int64_t timeout_ms)
{
    int64_t until_ms = pipeline->sent.first != NULL ? pipeline->heard_ms + timeout_ms : INT64_MAX;

    for (const struct request *request = pipeline->put_off.first; request != NULL; request = request->next)
        until_ms = request->not_before_ms < until_ms ? request->not_before_ms : until_ms;
    if (until_ms == INT64_MAX)
        return -1;
    int64_t left_ms = until_ms - clock_monotonic_ms();
    return left_ms > 0 ? (int)left_ms : 0;
}
