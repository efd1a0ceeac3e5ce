/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <math.h>

#include "base/clock.h"
#include "page/page_internal.h"
#include "view/function_view.h"

static void subtract(struct function_counts *now, const struct function_counts *before)
{
    now->completed -= before->completed;
    now->failed -= before->failed;
    now->retried -= before->retried;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        now->durations.buckets[i] -= before->durations.buckets[i];
}

/* Milliseconds, between the bounds of the bucket it falls in; negative: nothing ran. */
static double percentile_ms(const struct function_counts *counts, double part)
{
    const uint64_t *buckets = counts->durations.buckets;
    uint64_t sum = 0, below = 0;

    assert(part > 0 && part < 1);
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        sum += buckets[i];
    double rank = part * (double)sum;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS && sum > 0; i++) {
        if ((double)(below + buckets[i]) >= rank && buckets[i] > 0) {
            double within = (rank - (double)below) / (double)buckets[i];
            return pow(2, ((double)i - 1 + within) / 2) / 1000;
        }
        below += buckets[i];
    }
    return -1;
}

static void put_us(struct json_out *out, const char *name, double ms)
{
    if (ms < 0)
        json_out_null(out, name);
    else
        json_out_number(out, name, (int64_t)(ms * 1000));
}

/* Of the last five minutes, or since the start. */
static void put_recent(const struct page *page, size_t index, struct json_out *out)
{
    struct function_counts now;
    struct function_counts before = { 0 };
    int64_t since_ms = 0;

    dispatch_function_counts(page->settings.dispatch, index, &now);
    json_out_open(out, "totals", '{');
    json_out_number(out, "completed", (int64_t)now.completed);
    json_out_number(out, "failed", (int64_t)now.failed);
    json_out_number(out, "retried", (int64_t)now.retried);
    json_out_close(out, '{');
    if (past_function(page->past, index, &since_ms, &before))
        subtract(&now, &before);
    int64_t span_ms = since_ms > 0 ? clock_wall_ms() - since_ms : 0;
    json_out_open(out, "recent", '{');
    json_out_number(out, "span_ms", span_ms > 0 ? span_ms : 0);
    json_out_number(out, "completed", (int64_t)now.completed);
    json_out_number(out, "failed", (int64_t)now.failed);
    json_out_number(out, "retried", (int64_t)now.retried);
    put_us(out, "p50_us", percentile_ms(&now, 0.5));
    put_us(out, "p99_us", percentile_ms(&now, 0.99));
    json_out_close(out, '{');
}

struct telling {
    const struct page *page;
    struct json_out *out;
};

static void put_function(void *context, const struct function *first)
{
    const struct telling *telling = context;
    const struct function *function = function_newest(first);
    struct json_out *out = telling->out;

    assert(function->index < telling->page->settings.function_room);
    json_out_open(out, NULL, '{');
    json_out_text(out, "id", function->id);
    json_out_text(out, "event", function->event);
    json_out_text(out, "topic", function->topic);
    json_out_text(out, "module", function->module->declared->name);
    json_out_bool(out, "paused", dispatch_is_paused(telling->page->settings.dispatch, function));
    function_view_settings(out, function);
    put_recent(telling->page, function->index, out);
    json_out_close(out, '{');
}

void page_functions(void *context, const struct web_request *request, struct web_reply *reply)
{
    const struct page *page = context;
    struct json_out out;
    struct telling telling = { page, &out };

    (void)request;
    json_out_init(&out);
    json_out_open(&out, NULL, '{');
    json_out_open(&out, "functions", '[');
    page->settings.each_function(page->settings.context, put_function, &telling);
    json_out_close(&out, '[');
    json_out_open(&out, "topics", '[');
    for (const char *const *topic = page->settings.config->topics; *topic != NULL; topic++)
        json_out_text(&out, NULL, *topic);
    json_out_close(&out, '[');
    json_out_close(&out, '{');
    reply_json(reply, &out);
}
