/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon as it is now: once with its past, or each second. */
#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "page/page_internal.h"

#define PARTITIONS_SHOWN 256
#define STREAMS_MOST 24
#define TICK_MS 1000

static void put_totals(const struct dispatch_counts *counts, const struct consumer_counts *consumed, struct json_out *out)
{
    json_out_open(out, "totals", '{');
    json_out_number(out, "events", (int64_t)consumed->events_consumed);
    json_out_number(out, "started", (int64_t)counts->runs_started);
    json_out_number(out, "completed", (int64_t)counts->runs_completed);
    json_out_number(out, "failed", (int64_t)counts->runs_failed);
    json_out_number(out, "retried", (int64_t)counts->retries_scheduled);
    json_out_number(out, "unhandled", (int64_t)counts->events_unhandled);
    json_out_number(out, "malformed", (int64_t)counts->events_malformed);
    json_out_close(out, '{');
    json_out_number(out, "threads", (int64_t)counts->threads);
    json_out_number(out, "threads_busy", (int64_t)counts->threads_busy);
    json_out_number(out, "threads_stuck", (int64_t)counts->threads_stuck);
    json_out_number(out, "queued", (int64_t)counts->queued);
    json_out_number(out, "in_flight", (int64_t)consumed->in_flight);
}

static void put_partitions(struct consumer *consumer, struct json_out *out)
{
    AUTO_FREE struct partition_view *partitions = xcalloc(PARTITIONS_SHOWN, sizeof(*partitions));
    size_t count = consumer != NULL ? consumer_partitions(consumer, partitions, PARTITIONS_SHOWN) : 0;

    json_out_number(out, "partition_count", (int64_t)count);
    json_out_open(out, "partitions", '[');
    for (size_t i = 0; i < count && i < PARTITIONS_SHOWN; i++) {
        const struct partition_view *partition = &partitions[i];
        json_out_open(out, NULL, '{');
        json_out_text(out, "topic", partition->topic);
        json_out_number(out, "partition", partition->partition);
        json_out_number(out, "committed", partition->committed);
        json_out_number(out, "end", partition->end);
        json_out_number(out, "lag", partition->lag > 0 ? partition->lag : 0);
        json_out_number(out, "in_flight", (int64_t)partition->in_flight);
        json_out_bool(out, "is_stalled", partition->is_stalled);
        json_out_text(out, "full",
                      partition->is_crowded ? partition->lack.function != NULL ? partition->lack.function : "everything" : NULL);
        json_out_close(out, '{');
    }
    json_out_close(out, '[');
}

static void put_health(struct page *page, const struct consumer_counts *consumed, struct json_out *out)
{
    const struct page_settings *settings = &page->settings;
    char reason[512] = "";

    json_out_bool(out, "is_ready", settings->is_ready(settings->context, reason, sizeof(reason)));
    json_out_text(out, "reason", reason);
    json_out_bool(out, "redis_up", store_is_up(page->store));
    json_out_bool(out, "kafka_up", consumed->has_joined && producer_is_up(settings->producer));
    json_out_text(out, "changes",
                  settings->config->http_without_token      ? "open"
                  : settings->config->http_token[0] != '\0' ? "token"
                                                            : "off");
}

/* Without its closing brace. */
static void put_now(struct page *page, struct json_out *out)
{
    struct consumer *consumer = atomic_load(page->settings.consumer);
    struct consumer_counts consumed = { 0 };
    struct dispatch_counts counts;

    dispatch_counts(page->settings.dispatch, &counts);
    if (consumer != NULL)
        consumer_counts(consumer, &consumed);
    json_out_open(out, NULL, '{');
    json_out_number(out, "now_ms", clock_wall_ms());
    put_health(page, &consumed, out);
    put_totals(&counts, &consumed, out);
    put_partitions(consumer, out);
}

/* The last point has what Redis was asked for. */
static void put_delayed(struct page *page, struct json_out *out)
{
    AUTO_FREE struct past_point *points = xcalloc(PAST_POINTS, sizeof(*points));
    size_t count = past_points(page->past, points);

    json_out_number(out, "delayed", count > 0 ? (int64_t)points[count - 1].delayed : 0);
}

/* Columns: at_ms, events, completed, failed, retried (totals), delayed, lag, busy. */
static void put_past(struct page *page, struct json_out *out)
{
    AUTO_FREE struct past_point *points = xcalloc(PAST_POINTS, sizeof(*points));
    size_t count = past_points(page->past, points);

    json_out_open(out, "past", '[');
    for (size_t i = 0; i < count; i++) {
        json_out_open(out, NULL, '[');
        json_out_number(out, NULL, points[i].at_ms);
        json_out_number(out, NULL, (int64_t)points[i].events);
        json_out_number(out, NULL, (int64_t)points[i].completed);
        json_out_number(out, NULL, (int64_t)points[i].failed);
        json_out_number(out, NULL, (int64_t)points[i].retried);
        json_out_number(out, NULL, (int64_t)points[i].delayed);
        json_out_number(out, NULL, (int64_t)points[i].lag);
        json_out_number(out, NULL, (int64_t)points[i].busy);
        json_out_close(out, '[');
    }
    json_out_close(out, '[');
}

void page_overview(void *context, const struct web_request *request, struct web_reply *reply)
{
    struct page *page = context;
    struct json_out out;

    (void)request;
    json_out_init(&out);
    put_now(page, &out);
    put_delayed(page, &out);
    put_past(page, &out);
    json_out_close(&out, '{');
    reply_json(reply, &out);
}

/* ---- live ---------------------------------------------------------------------------------------- */

struct live {
    struct web_stream stream;
    struct page *page;
    size_t sent; /* of `text` */
    char *text;  /* NULL: the next is due */
    size_t size;
    bool is_begun;
};

static_assert(offsetof(struct live, stream) == 0, "the server gives back the stream");

static void live_next(struct live *live)
{
    struct json_out out;

    assert(live->text == NULL);
    json_out_init(&out);
    put_now(live->page, &out);
    put_delayed(live->page, &out);
    json_out_close(&out, '{');
    live->text = xasprintf("data: %.*s\n\n", (int)out.buffer.size, out.buffer.data);
    live->size = strlen(live->text);
    live->sent = 0;
    json_out_done(&out);
}

static size_t live_read(struct web_stream *stream, char *out, size_t size)
{
    struct live *live = (struct live *)stream;

    if (live->text == NULL) {
        if (page_wait(live->page, live->is_begun ? TICK_MS : 0))
            return 0;
        live->is_begun = true;
        live_next(live);
    }
    assert(live->sent < live->size);
    size_t part = live->size - live->sent < size ? live->size - live->sent : size;
    memcpy(out, live->text + live->sent, part);
    live->sent += part;
    if (live->sent == live->size) {
        free(live->text);
        live->text = NULL;
    }
    return part;
}

static void live_close(struct web_stream *stream)
{
    struct live *live = (struct live *)stream;

    assert(live->page->streams > 0);
    (void)atomic_fetch_sub(&live->page->streams, 1);
    free(live->text);
    free(live);
}

void page_live(void *context, const struct web_request *request, struct web_reply *reply)
{
    struct page *page = context;

    (void)request;
    if (atomic_fetch_add(&page->streams, 1) >= STREAMS_MOST) {
        (void)atomic_fetch_sub(&page->streams, 1);
        reply_error(reply, 503, "too many look at once");
        return;
    }
    struct live *live = xcalloc(1, sizeof(*live));
    *live = (struct live){ .stream = { live_read, live_close }, .page = page };
    reply->type = "text/event-stream";
    reply->headers = page_headers;
    reply->stream = &live->stream;
}
