/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages of runs. What there is stands in several lists, each in an order of its own; a page takes
 * from each what passes the filter and merges that, newest first. A cursor says how far each list
 * was read. However many runs there are, a request looks at a bounded number of them.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "page/inside.h"
#include "page/rows.h"

#define LIMIT_DEFAULT 50
#define LIMIT_MOST 200
#define LOOK_MOST 2000     /* at runs of one list, for one page */
#define LISTS_MOST 5

struct filter {
    enum run_status status;   /* 0: any */
    const char *function;     /* NULL: any */
    const char *text;         /* of the event's name or id; NULL: any */
    int64_t since_ms;
    int64_t until_ms;         /* INT64_MAX: any */
    size_t limit;
};

struct found_row {
    int64_t created_ms;
    size_t place;
    struct json_out json;
};

/* One list of one shard. */
struct source {
    const struct filter *filter;
    enum runs_list list;
    int shard;
    size_t next;              /* where the next page begins */
    size_t looked;            /* the place after the last run looked at */
    bool is_end;              /* of the list, at `looked` */
    struct found_row *rows;
    size_t count;
    size_t used;
};

/* ---- the filter ---------------------------------------------------------------------------------- */

static const struct {
    const char *word;
    enum run_status status;
    enum runs_list lists[LISTS_MOST];
    size_t count;
} statuses[] = {
    { "", 0, { RUNS_OWNED, RUNS_DELAYED, RUNS_DEAD, RUNS_HISTORY }, 4 },
    { "running", RUN_OWNED, { RUNS_OWNED }, 1 },
    { "delayed", RUN_DELAYED, { RUNS_DELAYED }, 1 },
    { "sleeping", RUN_SLEEPING, { RUNS_DELAYED }, 1 },
    { "behind", RUN_BEHIND, { RUNS_BEHIND }, 1 },  /* found by a walk over all keys: only when asked for */
    { "failed", RUN_FAILED, { RUNS_DEAD }, 1 },
    { "completed", RUN_COMPLETED, { RUNS_HISTORY }, 1 },
    { "cancelled", RUN_CANCELLED, { RUNS_HISTORY }, 1 },
};
#define STATUSES (sizeof(statuses) / sizeof(statuses[0]))

static size_t status_find(const char *word)
{
    size_t i = 0;

    while (i < STATUSES && strcmp(statuses[i].word, word) != 0)
        i++;
    return i;
}

static const char *given(const struct web_request *request, const char *name)
{
    const char *text = request->query(request, name);

    return text != NULL && text[0] != '\0' ? text : NULL;
}

static int64_t number_given(const struct web_request *request, const char *name, int64_t otherwise)
{
    const char *text = given(request, name);

    return text != NULL ? strtoll(text, NULL, 10) : otherwise;
}

static bool passes(const struct filter *filter, const struct row *row)
{
    const struct record *record = row->record;

    if (filter->status != 0 && record->status != filter->status)
        return false;
    if (filter->function != NULL && strcmp(record->function, filter->function) != 0)
        return false;
    if (record->created_ms < filter->since_ms || record->created_ms > filter->until_ms)
        return false;
    if (filter->text == NULL)
        return true;
    return row->view != NULL && (strstr(row->view->event.view.name, filter->text) != NULL ||
                                 strstr(row->view->event.view.id, filter->text) != NULL || strstr(row->id, filter->text) == row->id);
}

/* ---- one list ------------------------------------------------------------------------------------ */

static bool look(void *context, const struct row *row)
{
    struct source *source = context;

    if (!passes(source->filter, row))
        return true;
    struct found_row *found = &source->rows[source->count++];
    *found = (struct found_row){ .created_ms = row->record->created_ms, .place = row->place };
    json_out_init(&found->json);
    row_json(row, &found->json);
    return source->count < source->filter->limit;
}

static int source_look(struct page *page, struct source *source)
{
    source->rows = xcalloc(source->filter->limit, sizeof(*source->rows));
    return rows_look(page->store, source->list, source->shard, source->next, LOOK_MOST, look, source, &source->looked, &source->is_end);
}

static void source_done(struct source *source)
{
    for (size_t i = 0; i < source->count; i++)
        json_out_done(&source->rows[i].json);
    free(source->rows);
}

static bool source_is_spent(const struct source *source)
{
    return source->used == source->count;
}

/* ---- all lists ----------------------------------------------------------------------------------- */

static struct source *newest_of(struct source *sources, size_t count)
{
    struct source *newest = NULL;

    for (size_t i = 0; i < count; i++) {
        if (!source_is_spent(&sources[i]) &&
            (newest == NULL || sources[i].rows[sources[i].used].created_ms > newest->rows[newest->used].created_ms))
            newest = &sources[i];
    }
    return newest;
}

static void merge(struct source *sources, size_t count, size_t limit, struct json_out *out)
{
    struct source *source;

    json_out_open(out, "runs", '[');
    for (size_t i = 0; i < limit && (source = newest_of(sources, count)) != NULL; i++) {
        const struct found_row *row = &source->rows[source->used++];
        json_out_raw(out, NULL, (struct bytes){ row->json.buffer.data, row->json.buffer.size });
        source->next = row->place + 1;
    }
    json_out_close(out, '[');
}

/* Places, one a source. NULL: there is no more. */
static char *cursor_text(struct source *sources, size_t count)
{
    bool is_end = true;
    char *text = xstrdup("");

    for (size_t i = 0; i < count; i++) {
        if (source_is_spent(&sources[i]))
            sources[i].next = sources[i].looked;
        is_end = is_end && source_is_spent(&sources[i]) && sources[i].is_end;
        char *longer = xasprintf("%s%s%zu", text, i > 0 ? "." : "", sources[i].next);
        free(text);
        text = longer;
    }
    if (!is_end)
        return text;
    free(text);
    return NULL;
}

static bool cursor_read(const char *cursor, struct source *sources, size_t count)
{
    char *end = NULL;

    for (size_t i = 0; i < count; i++) {
        if (cursor[0] < '0' || cursor[0] > '9')
            return false;
        sources[i].next = strtoull(cursor, &end, 10);
        cursor = *end == '.' ? end + 1 : end;
    }
    return *cursor == '\0';
}

static struct source *sources_create(const struct page *page, size_t status_index, const struct filter *filter, size_t *ret_count)
{
    size_t shards = (size_t)store_shards(page->store);
    struct source *sources = xcalloc(shards * LISTS_MOST, sizeof(*sources));
    size_t count = 0;

    for (size_t list = 0; list < statuses[status_index].count; list++)
        for (size_t shard = 0; shard < shards; shard++)
            sources[count++] = (struct source){ .filter = filter, .list = statuses[status_index].lists[list], .shard = (int)shard };
    *ret_count = count;
    return sources;
}

static void put_page(struct source *sources, size_t count, const struct filter *filter, struct web_reply *reply)
{
    struct json_out out;
    size_t looked = 0;

    for (size_t i = 0; i < count; i++)
        looked += sources[i].looked - sources[i].next;
    json_out_init(&out);
    json_out_open(&out, NULL, '{');
    merge(sources, count, filter->limit, &out);
    AUTO_FREE char *cursor = cursor_text(sources, count);
    json_out_text(&out, "cursor", cursor);
    json_out_number(&out, "looked", (int64_t)looked);
    json_out_close(&out, '{');
    reply_json(reply, &out);
}

void page_runs(void *context, const struct web_request *request, struct web_reply *reply)
{
    struct page *page = context;
    const char *word = given(request, "status");
    const char *cursor = given(request, "cursor");
    size_t status_index = status_find(word != NULL ? word : "");
    int64_t limit = number_given(request, "limit", LIMIT_DEFAULT);
    size_t count;
    int status = 0;

    if (status_index == STATUSES) {
        reply_error(reply, 400, "no such status: %.40s", word);
        return;
    }
    const struct filter filter = {
        .status = statuses[status_index].status,
        .function = given(request, "function"),
        .text = given(request, "text"),
        .since_ms = number_given(request, "since", INT64_MIN),
        .until_ms = number_given(request, "until", INT64_MAX),
        .limit = limit < 1 ? 1 : limit > LIMIT_MOST ? LIMIT_MOST : (size_t)limit,
    };
    struct source *sources = sources_create(page, status_index, &filter, &count);
    if (cursor != NULL && !cursor_read(cursor, sources, count))
        reply_error(reply, 400, "no such cursor");
    else {
        for (size_t i = 0; i < count && status == 0; i++)
            status = source_look(page, &sources[i]);
        if (status == 0)
            put_page(sources, count, &filter, reply);
        else
            reply_error(reply, 503, "Redis: %s", strerror(-status));
    }
    for (size_t i = 0; i < count; i++)
        source_done(&sources[i]);
    free(sources);
}

/* ---- one run ------------------------------------------------------------------------------------- */

void page_run(void *context, const struct web_request *request, struct web_reply *reply)
{
    struct page *page = context;
    const char *id = request->path + strlen("/api/runs/");
    struct error error = { 0 };
    struct loaded_run run;
    struct run_view view;
    struct json_out whole, out;

    int status = runs_load(page->store, id, &run, &error);
    if (status != 0) {
        reply_error(reply, status == -ENOENT ? 404 : status == -EBADMSG ? 422 : 503, "%s", error.text);
        return;
    }
    run_view_open(&view, &run, store_now_ms(page->store));
    json_out_init(&whole);
    run_view_json(&view, &whole);
    json_out_init(&out);
    json_out_open(&out, NULL, '{');
    json_out_number(&out, "now_ms", view.now_ms);
    json_out_bool(&out, "is_behind", run.record.status == RUN_BEHIND);
    json_out_raw(&out, "run", (struct bytes){ whole.buffer.data, whole.buffer.size });
    json_out_close(&out, '{');
    json_out_done(&whole);
    run_view_done(&view);
    loaded_run_done(&run);
    reply_json(reply, &out);
}
