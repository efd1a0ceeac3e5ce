/* SPDX-License-Identifier: Apache-2.0 */
#include "page/rows.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define WHOLE_MOST 16384 /* bytes; a larger record is read no further than its header and function */

/* What walk_on() and its look share. */
struct looking {
    struct walk *walk;
    struct redis_store *store;
    const struct listed_run *runs;
    size_t seen; /* of them, up to the last that was shown */
    bool goes_on;
    bool (*look)(void *context, const struct row *row);
    void *context;
};

static bool look_at(void *context, size_t index, const struct loaded_run *run, bool is_whole)
{
    struct looking *looking = context;
    struct row row = { .after = looking->runs[index].after, .record = &run->record };
    struct run_view view;

    assert(looking->goes_on && index >= looking->seen);
    looking->seen = index + 1;
    memcpy(row.id, run->id, sizeof(row.id));
    if (!is_whole)
        return looking->goes_on = looking->look(looking->context, &row);
    run_view_open(&view, run, store_now_ms(looking->store));
    if (looking->walk->list == RUNS_FOR_ROOM)
        view.status = "queued";
    row.view = &view;
    looking->goes_on = looking->look(looking->context, &row);
    run_view_done(&view);
    return looking->goes_on;
}

/* ---- a walk -------------------------------------------------------------------------------------- */

void walk_init(struct walk *walk, enum runs_list list, int shard)
{
    bool goes_up = runs_list_goes_up(list);

    *walk = (struct walk){
        .list = list,
        .shard = shard,
        .last_ms = goes_up ? INT64_MAX : INT64_MIN,
        .place = { .at_ms = goes_up ? 0 : INT64_MAX },
    };
}

/* These are short, and in no order that lasts. */
static bool is_by_position(enum runs_list list)
{
    return list == RUNS_OWNED || list == RUNS_BEHIND || list == RUNS_QUEUED || list == RUNS_FOR_ROOM;
}

static int list_by_position(struct redis_store *store, const struct walk *walk, size_t limit, struct listed_run **ret_runs,
                            size_t *ret_count)
{
    AUTO_FREE struct run_id *ids = NULL;
    size_t count = 0;
    int status = runs_list(store, walk->list, walk->shard, walk->place.skip, limit, &ids, &count);

    if (status != 0)
        return status;
    *ret_runs = xcalloc(count + 1, sizeof(**ret_runs));
    for (size_t i = 0; i < count; i++)
        (*ret_runs)[i] = (struct listed_run){ .id = ids[i], .after = { .skip = walk->place.skip + i + 1 } };
    *ret_count = count;
    return 0;
}

static int list_next(struct redis_store *store, const struct walk *walk, size_t limit, struct listed_run **ret_runs, size_t *ret_count)
{
    if (is_by_position(walk->list))
        return list_by_position(store, walk, limit, ret_runs, ret_count);
    return runs_list_on(store, walk->list, walk->shard, walk->place, walk->last_ms, limit, ret_runs, ret_count);
}

/* Shows at most `wanted` more runs of the list. The walk is then behind the last one shown, or the last one read. */
static int walk_a_piece(struct looking *looking, size_t wanted)
{
    struct walk *walk = looking->walk;
    const struct runs_peek peek = { .status = walk->status, .whole_most = WHOLE_MOST };
    AUTO_FREE struct listed_run *runs = NULL;
    struct run_id ids[RUNS_PEEK_MOST];
    size_t count = 0;

    int status = list_next(looking->store, walk, wanted, &runs, &count);
    if (status != 0)
        return status;
    assert(count <= wanted && wanted <= RUNS_PEEK_MOST);
    for (size_t i = 0; i < count; i++)
        ids[i] = runs[i].id;
    looking->runs = runs;
    looking->seen = 0;
    status = runs_peek(looking->store, walk->shard, ids, count, &peek, look_at, looking);
    if (status != 0)
        return status;
    if (looking->goes_on)
        looking->seen = count; /* the last ones may have been passed over */
    if (looking->seen > 0)
        walk->place = runs[looking->seen - 1].after;
    walk->is_end = looking->seen == count && count < wanted;
    return 0;
}

int walk_on(struct walk *walk, struct redis_store *store, size_t most, bool (*look)(void *context, const struct row *row), void *context)
{
    struct looking looking = { .walk = walk, .store = store, .goes_on = true, .look = look, .context = context };

    while (looking.goes_on && most > 0 && !walk->is_end) {
        size_t wanted = most < RUNS_PEEK_MOST ? most : RUNS_PEEK_MOST;
        int status = walk_a_piece(&looking, wanted);
        if (status != 0)
            return status;
        most -= wanted;
    }
    return 0;
}

/* ---- JSON ---------------------------------------------------------------------------------------- */

static void put_time(struct json_out *out, const char *name, int64_t at_ms)
{
    if (at_ms > 0)
        json_out_number(out, name, at_ms);
    else
        json_out_null(out, name);
}

void row_json(const struct row *row, struct json_out *out)
{
    const struct record *record = row->record;
    bool is_ended = run_status_is_end(record->status);

    json_out_open(out, NULL, '{');
    json_out_text(out, "id", row->id);
    json_out_text(out, "function", record->function);
    json_out_text(out, "status", row->view != NULL ? row->view->status : run_status_word(record->status));
    json_out_bool(out, "is_behind", record->status == RUN_BEHIND);
    json_out_number(out, "attempt", row->view != NULL ? row->view->attempt : record->attempt);
    json_out_number(out, "created_ms", record->created_ms);
    put_time(out, "due_ms", row->view != NULL ? row->view->due_ms : 0);
    put_time(out, "ended_ms", is_ended ? record->changed_ms : 0);
    json_out_text(out, "event_name", row->view != NULL ? row->view->event.view.name : NULL);
    json_out_text(out, "event_id", row->view != NULL ? row->view->event.view.id : NULL);
    json_out_text(out, "error_name", row->view != NULL && row->view->has_error ? row->view->error.name : NULL);
    json_out_text(out, "error_message", row->view != NULL && row->view->has_error ? row->view->error.message : NULL);
    json_out_close(out, '{');
}
