/* SPDX-License-Identifier: Apache-2.0 */
/* The lines in which runs wait, by function and keys. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "page/page_internal.h"

#define SHOWN_MOST 100
#define NOT_KNOWN INT64_MAX

struct shown_line {
    struct waiting_line line;
    int64_t since_ms; /* its first run was made then; NOT_KNOWN: it has left the line meanwhile */
};

struct shown_lines {
    struct shown_line *items;
    size_t count;
    uint64_t more;
};

/* ---- reading ---------------------------------------------------------------------------------------- */

static bool keep_since(void *context, size_t index, const struct loaded_run *run, bool is_whole)
{
    struct shown_line *first = context;

    (void)is_whole;
    first[index].since_ms = run->record.created_ms;
    return true;
}

/* Of all lines from `begin` on, which are one shard's. */
static int read_since(const struct page *page, int shard, struct shown_lines *lines, size_t begin)
{
    const struct runs_peek any = { .whole_most = 0 };
    struct run_id ids[RUNS_PEEK_MOST];
    int status = 0;

    for (size_t at = begin; status == 0 && at < lines->count; at += RUNS_PEEK_MOST) {
        size_t count = lines->count - at < RUNS_PEEK_MOST ? lines->count - at : RUNS_PEEK_MOST;
        for (size_t i = 0; i < count; i++)
            ids[i] = lines->items[at + i].line.first;
        status = runs_peek(page->store, shard, ids, count, &any, keep_since, &lines->items[at]);
    }
    return status;
}

static int read_shard(const struct page *page, int shard, struct shown_lines *lines)
{
    struct waiting_lines read;
    size_t begin = lines->count;
    int status = runs_lines(page->store, shard, &read);

    if (status != 0)
        return status;
    lines->items = xrealloc(lines->items, (begin + read.count + 1) * sizeof(*lines->items));
    for (size_t i = 0; i < read.count; i++)
        lines->items[lines->count++] = (struct shown_line){ read.items[i], NOT_KNOWN };
    lines->more += read.more;
    free(read.items); /* what is in them is ours */
    return read_since(page, shard, lines, begin);
}

static void shown_lines_done(struct shown_lines *lines)
{
    for (size_t i = 0; i < lines->count; i++) {
        free(lines->items[i].line.function);
        free(lines->items[i].line.keys);
    }
    free(lines->items);
}

/* ---- order ------------------------------------------------------------------------------------------ */

static int by_name(const void *one, const void *other)
{
    const struct shown_line *a = one;
    const struct shown_line *b = other;
    int order = strcmp(a->line.function, b->line.function);

    return order != 0 ? order : strcmp(a->line.keys, b->line.keys);
}

static int longest_first(const void *one, const void *other)
{
    const struct shown_line *a = one;
    const struct shown_line *b = other;

    return a->line.count != b->line.count ? (a->line.count < b->line.count ? 1 : -1) : by_name(one, other);
}

static void add_to(struct shown_line *line, struct shown_line *same)
{
    line->line.count += same->line.count;
    if (same->since_ms < line->since_ms) {
        line->since_ms = same->since_ms;
        line->line.first = same->line.first;
    }
    free(same->line.function);
    free(same->line.keys);
}

/* A function whose runs live in all shards has a line for room in each. */
static void join_shards(struct shown_lines *lines)
{
    size_t kept = 0;

    if (lines->count == 0)
        return;
    qsort(lines->items, lines->count, sizeof(*lines->items), by_name);
    for (size_t i = 1; i < lines->count; i++) {
        if (by_name(&lines->items[kept], &lines->items[i]) == 0)
            add_to(&lines->items[kept], &lines->items[i]);
        else
            lines->items[++kept] = lines->items[i];
    }
    lines->count = kept + 1;
    qsort(lines->items, lines->count, sizeof(*lines->items), longest_first);
}

/* ---- the answer ------------------------------------------------------------------------------------- */

static void put_line(const struct shown_line *shown, struct json_out *out)
{
    json_out_open(out, NULL, '{');
    json_out_text(out, "function", shown->line.function);
    json_out_text(out, "keys", shown->line.keys);
    json_out_number(out, "queued", (int64_t)shown->line.count);
    json_out_text(out, "first", shown->line.first.text);
    if (shown->since_ms == NOT_KNOWN)
        json_out_null(out, "since_ms");
    else
        json_out_number(out, "since_ms", shown->since_ms);
    json_out_close(out, '{');
}

static void put_lines(const struct shown_lines *lines, struct web_reply *reply)
{
    size_t shown = lines->count < SHOWN_MOST ? lines->count : SHOWN_MOST;
    struct json_out out;

    json_out_init(&out);
    json_out_open(&out, NULL, '{');
    json_out_open(&out, "lines", '[');
    for (size_t i = 0; i < shown; i++)
        put_line(&lines->items[i], &out);
    json_out_close(&out, '[');
    json_out_number(&out, "more", (int64_t)(lines->more + lines->count - shown));
    json_out_close(&out, '{');
    reply_json(reply, &out);
}

void page_lines(void *context, const struct web_request *request, struct web_reply *reply)
{
    const struct page *page = context;
    struct shown_lines lines = { 0 };
    int status = 0;

    (void)request;
    for (int shard = 0; shard < store_shards(page->store) && status == 0; shard++)
        status = read_shard(page, shard, &lines);
    if (status == 0) {
        join_shards(&lines);
        put_lines(&lines, reply);
    } else {
        reply_error(reply, 503, "Redis: %s", strerror(-status));
    }
    shown_lines_done(&lines);
}
