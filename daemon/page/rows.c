/* SPDX-License-Identifier: Apache-2.0 */
#include "page/rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/redis/keys.h"

#define ROWS 100             /* read in one call */
#define WHOLE_MOST "16384"   /* a larger record is read no further than its header and function */
#define HEAD "511"

/* Of a run with another status than the one that is wanted, nothing. */
static int read_records(struct redis_store *store, const struct walk *walk, const struct listed_run *runs, size_t count, redisReply **ret_reply)
{
    static const char SCRIPT[] =
        "local r, call, status = {}, redis.call, ARGV[1] for i, k in ipairs(KEYS) do "
        "if status ~= '' and call('GETRANGE', k, 1, 1) ~= status then r[i] = false "
        "elseif call('STRLEN', k) <= " WHOLE_MOST " then r[i] = call('GET', k) "
        "else r[i] = call('GETRANGE', k, 0, " HEAD ") end end return r";
    const char status_letter = (char)walk->status;
    struct bytes words[ROWS + 4];
    char *keys[ROWS];
    char number[24];

    words[0] = (struct bytes){ "EVAL", 4 };
    words[1] = (struct bytes){ SCRIPT, sizeof(SCRIPT) - 1 };
    words[2] = (struct bytes){ number, (size_t)snprintf(number, sizeof(number), "%zu", count) };
    for (size_t i = 0; i < count; i++) {
        keys[i] = keys_format(store_prefix(store, walk->shard), "run:%s", runs[i].id.text);
        words[i + 3] = (struct bytes){ keys[i], strlen(keys[i]) };
    }
    words[count + 3] = (struct bytes){ &status_letter, walk->status != 0 ? 1 : 0 };
    int status = store_command(store, walk->shard, count + 4, words, ret_reply);
    for (size_t i = 0; i < count; i++)
        free(keys[i]);
    return status;
}

/* Header and function of a record of which no more is there. */
static bool read_head(struct bytes data, msgpack_zone *zone, struct record *record)
{
    if (data.size <= RECORD_HEADER_SIZE)
        return false;
    return record_decode_head(data, zone, record, NULL) == 0;
}

static bool look_at(struct redis_store *store, struct row *row, const redisReply *bytes, bool (*look)(void *, const struct row *), void *context)
{
    struct loaded_run run = { 0 };
    struct run_view view;
    bool goes_on = true;

    if (bytes->type != REDIS_REPLY_STRING)
        return true; /* ended and forgotten since the list was read */
    const struct bytes data = { bytes->str, (size_t)bytes->len };
    run.zone = msgpack_zone_new(1024);
    memcpy(run.id, row->id, sizeof(run.id));
    row->record = &run.record;
    if (record_decode(data, run.zone, &run.record, NULL) == 0) {
        run_view_open(&view, &run, store_now_ms(store));
        row->view = &view;
        goes_on = look(context, row);
        run_view_done(&view);
    } else if (read_head(data, run.zone, &run.record)) {
        row->view = NULL;
        goes_on = look(context, row);
    }
    msgpack_zone_free(run.zone);
    return goes_on;
}

/* ---- a walk -------------------------------------------------------------------------------------- */

void walk_init(struct walk *walk, enum runs_list list, int shard)
{
    bool goes_up = list == RUNS_DELAYED;

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
    return list == RUNS_OWNED || list == RUNS_BEHIND;
}

static int list_by_position(struct redis_store *store, const struct walk *walk, size_t limit, struct listed_run **ret_runs, size_t *ret_count)
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

int walk_on(struct walk *walk, struct redis_store *store, size_t most, bool (*look)(void *context, const struct row *row), void *context)
{
    bool goes_on = true;

    while (goes_on && most > 0 && !walk->is_end) {
        AUTO_FREE struct listed_run *runs = NULL;
        AUTO_REPLY reply = NULL;
        size_t wanted = most < ROWS ? most : ROWS;
        size_t count = 0;
        int status = list_next(store, walk, wanted, &runs, &count);
        if (status == 0 && count > 0)
            status = read_records(store, walk, runs, count, &reply);
        if (status != 0)
            return status;
        size_t seen = 0;
        for (; seen < count && seen < reply->elements && goes_on; seen++) {
            walk->place = runs[seen].after;
            struct row row = { .after = walk->place };
            memcpy(row.id, runs[seen].id.text, sizeof(row.id));
            goes_on = look_at(store, &row, reply->element[seen], look, context);
        }
        walk->is_end = seen == count && count < wanted;
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
    json_out_text(out, "status", run_status_word(record->status));
    json_out_bool(out, "is_behind", record->status == RUN_BEHIND);
    json_out_number(out, "attempt", record->attempt);
    json_out_number(out, "created_ms", record->created_ms);
    put_time(out, "due_ms", row->view != NULL ? row->view->due_ms : 0);
    put_time(out, "ended_ms", is_ended ? record->changed_ms : 0);
    json_out_text(out, "event_name", row->view != NULL ? row->view->event.view.name : NULL);
    json_out_text(out, "event_id", row->view != NULL ? row->view->event.view.id : NULL);
    json_out_text(out, "error_name", row->view != NULL && row->view->has_error ? row->view->error.name : NULL);
    json_out_text(out, "error_message", row->view != NULL && row->view->has_error ? row->view->error.message : NULL);
    json_out_close(out, '{');
}
