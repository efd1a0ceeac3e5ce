/* SPDX-License-Identifier: Apache-2.0 */
/* Runs as programs of Inngest's SDKs ask for them and end them: the store's, in the words of Inngest's server. */
#include "parts/sdk_runs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "codec/calendar.h"
#include "codec/expression.h"
#include "parts/part.h"
#include "sdk/inngest.h"
#include "store/runs.h"
#include "view/run_view.h"
#include "view/selection.h"

/* ---- as JSON --------------------------------------------------------------------------------------- */

static const char *status_word(enum run_status status)
{
    switch (status) {
    case RUN_COMPLETED:
        return "Completed";
    case RUN_FAILED:
        return "Failed";
    case RUN_CANCELLED:
        return "Cancelled";
    default:
        return "Running";
    }
}

static void add_time(struct json_out *out, const char *name, int64_t ms)
{
    char text[CALENDAR_TEXT_SIZE];

    (void)calendar_write(ms / 1000, text);
    AUTO_FREE char *whole = xasprintf("%s.%03dZ", text, (int)(ms % 1000));
    json_out_text(out, name, whole);
}

static void add_output(struct json_out *out, const struct run_view *view)
{
    if (!view->has_error || view->run->record.status != RUN_FAILED) {
        json_out_packed(out, "output", view->output);
        return;
    }
    json_out_open(out, "output", '{');
    json_out_text(out, "name", view->error.name);
    json_out_text(out, "message", view->error.message);
    json_out_close(out, '{');
}

static void write_run(const struct run_view *view, msgpack_sbuffer *json)
{
    const struct record *record = &view->run->record;
    struct json_out out;

    json_out_init(&out);
    json_out_open(&out, NULL, '{');
    json_out_text(&out, "run_id", view->run->id);
    add_time(&out, "run_started_at", record->created_ms);
    json_out_text(&out, "function_id", record->function);
    json_out_number(&out, "function_version", 1);
    json_out_text(&out, "environment_id", NULL);
    json_out_text(&out, "event_id", view->has_event ? view->event.view.id : NULL);
    json_out_null(&out, "batch_id");
    json_out_null(&out, "cron");
    json_out_text(&out, "status", status_word(record->status));
    if (run_status_is_end(record->status))
        add_time(&out, "ended_at", record->changed_ms);
    else
        json_out_null(&out, "ended_at");
    add_output(&out, view);
    json_out_close(&out, '{');
    if (json->size > 0)
        msgpack_sbuffer_write(json, ",", 1);
    msgpack_sbuffer_write(json, out.buffer.data, out.buffer.size);
    json_out_done(&out);
}

int shown_run_open(struct shown_run *shown, struct redis_store *store, const char *id)
{
    struct error error;

    if (!store_is_up(store))
        return -EAGAIN;
    int status = runs_load(store, id, &shown->run, &error);
    if (status == 0)
        run_view_open(&shown->view, &shown->run, 0);
    return status;
}

void shown_run_done(struct shown_run *shown)
{
    run_view_done(&shown->view);
    loaded_run_done(&shown->run);
}

static int show(void *context, const char *id, msgpack_sbuffer *json)
{
    const struct daemon *daemon = context;
    struct shown_run shown;

    int status = shown_run_open(&shown, daemon->store, id);
    if (status != 0)
        return status;
    write_run(&shown.view, json);
    shown_run_done(&shown);
    return 0;
}

/* ---- a walk over lists ----------------------------------------------------------------------------- */

#define PAGE 500

typedef bool (*look_fn)(void *context, size_t index, const struct loaded_run *run, bool is_whole);

struct walk {
    struct redis_store *store;
    int shard;
    look_fn look;
    int status;
    const struct run_id *ids; /* of the page that is looked at */
    const void *wanted;
    msgpack_sbuffer *json; /* of list() */
    struct run_id *found;  /* of cancel_all(); owned */
    size_t found_count;
};

static int look_at_page(struct walk *walk, const struct run_id *ids, size_t count)
{
    static const struct runs_peek whole = { .whole_most = SIZE_MAX };
    int status = 0;

    for (size_t at = 0; at < count && status == 0; at += RUNS_PEEK_MOST) {
        walk->ids = ids + at;
        status = runs_peek(walk->store, walk->shard, walk->ids, count - at < RUNS_PEEK_MOST ? count - at : RUNS_PEEK_MOST, &whole,
                           walk->look, walk);
    }
    return status;
}

/* One that comes in one piece. */
static int look_at_whole(struct walk *walk, enum runs_list list)
{
    AUTO_FREE struct run_id *ids = NULL;
    size_t count = 0;
    int status = runs_list(walk->store, list, walk->shard, 0, SIZE_MAX, &ids, &count);

    return status != 0 ? status : look_at_page(walk, ids, count);
}

static bool look_at_line(void *context, const struct run_id *ids, size_t count)
{
    struct walk *walk = context;

    walk->status = look_at_page(walk, ids, count);
    return walk->status == 0;
}

static int look_at_lines(struct walk *walk, enum runs_list list)
{
    int status = runs_each_in_line(walk->store, list, walk->shard, NULL, look_at_line, walk);

    return status != 0 ? status : walk->status;
}

/* One that has an order. */
static int look_at_list(struct walk *walk, enum runs_list list)
{
    const bool goes_up = runs_list_goes_up(list);
    struct runs_place place = { .at_ms = goes_up ? 0 : INT64_MAX };
    size_t count = PAGE;
    int status = 0;

    while (status == 0 && count == PAGE) {
        AUTO_FREE struct listed_run *runs = NULL;
        struct run_id ids[PAGE];
        status = runs_list_on(walk->store, list, walk->shard, place, goes_up ? INT64_MAX : INT64_MIN, PAGE, &runs, &count);
        for (size_t i = 0; status == 0 && i < count; i++)
            ids[i] = runs[i].id;
        if (status == 0 && count > 0) {
            place = runs[count - 1].after;
            status = look_at_page(walk, ids, count);
        }
    }
    return status;
}

/* ---- those of an event ----------------------------------------------------------------------------- */

struct of_event {
    const char *id;
    bool is_its;
};

static void compare(void *context, const struct stepd_event *event, bool is_read)
{
    struct of_event *wanted = context;

    wanted->is_its |= is_read && strcmp(event->id, wanted->id) == 0;
}

static bool write_if_its(void *context, size_t index, const struct loaded_run *run, bool is_whole)
{
    struct walk *walk = context;
    struct of_event wanted = { .id = walk->wanted };
    struct run_view view;

    (void)index;
    if (!is_whole)
        return true;
    run_view_open(&view, run, 0);
    run_view_each_event(&view, compare, &wanted);
    if (wanted.is_its)
        write_run(&view, walk->json);
    run_view_done(&view);
    return true;
}

/* Among the newest: those that began before the last ten thousand of a shard are not found so. */
static int list(void *context, const char *event_id, msgpack_sbuffer *json)
{
    const struct daemon *daemon = context;
    int status = store_is_up(daemon->store) ? 0 : -EAGAIN;

    for (int shard = 0; status == 0 && shard < store_shards(daemon->store); shard++) {
        struct walk walk = { .store = daemon->store, .shard = shard, .look = write_if_its, .wanted = event_id, .json = json };
        status = look_at_list(&walk, RUNS_NEWEST);
    }
    return status;
}

/* ---- those that are to end -------------------------------------------------------------------------- */

static int cancel(void *context, const char *id)
{
    const struct daemon *daemon = context;
    enum runs_change change;
    struct error error;

    return store_is_up(daemon->store) ? runs_cancel(daemon->store, id, &change, &error) : -EAGAIN;
}

static bool note_if_meant(void *context, size_t index, const struct loaded_run *run, bool is_whole)
{
    struct walk *walk = context;
    const struct selection *selection = walk->wanted;
    struct run_view view;
    struct error error;

    if (!is_whole || !selection_may_take(selection, &run->record))
        return true;
    run_view_open(&view, run, 0);
    if (selection_takes(selection, &view, &error) == 1) {
        walk->found = xrealloc(walk->found, (walk->found_count + 1) * sizeof(*walk->found));
        walk->found[walk->found_count++] = walk->ids[index];
    }
    run_view_done(&view);
    return true;
}

static int cancel_in_shard(struct redis_store *store, int shard, const struct selection *selection, struct runs_changed *changed)
{
    struct walk walk = { .store = store, .shard = shard, .look = note_if_meant, .wanted = selection };
    int status = look_at_whole(&walk, RUNS_OWNED);

    /* In the order in which runs go through them: one that moves meanwhile is seen further on. */
    if (status == 0)
        status = look_at_list(&walk, RUNS_WAITING);
    if (status == 0)
        status = look_at_whole(&walk, RUNS_BEHIND);
    if (status == 0)
        status = look_at_list(&walk, RUNS_DUE);
    if (status == 0)
        status = look_at_lines(&walk, RUNS_DELAYED);
    if (status == 0)
        status = look_at_lines(&walk, RUNS_QUEUED);
    for (size_t at = 0; at < walk.found_count && status == 0; at += RUNS_PEEK_MOST) {
        size_t left = walk.found_count - at;
        status = runs_change_many(store, RUNS_CANCEL, shard, walk.found + at, left < RUNS_PEEK_MOST ? left : RUNS_PEEK_MOST, changed);
    }
    free(walk.found);
    return status;
}

static int cancel_all(void *context, const struct cancellation *wanted, size_t *ret_count)
{
    static const char going_on[] = { RUN_OWNED, RUN_DELAYED, RUN_SLEEPING, RUN_WAITING, RUN_QUEUED, RUN_BEHIND, 0 };
    const struct daemon *daemon = context;
    const struct selection selection = {
        .statuses = going_on,
        .function = wanted->function_id,
        .since_ms = wanted->after_ms,
        .until_ms = wanted->before_ms,
        .where = wanted->when,
    };
    struct runs_changed changed = { 0 };
    int status = store_is_up(daemon->store) ? 0 : -EAGAIN;

    for (int shard = 0; status == 0 && shard < store_shards(daemon->store); shard++)
        status = cancel_in_shard(daemon->store, shard, &selection, &changed);
    *ret_count = changed.changed + changed.asked;
    return status;
}

bool part_knows_function(void *context, const char *id)
{
    const struct daemon *daemon = context;

    return inngest_find_function(daemon->inngest, id) != NULL;
}

const struct runs_port part_runs_port = { .show = show, .list = list, .cancel = cancel, .cancel_all = cancel_all };
