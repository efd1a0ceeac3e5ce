/* SPDX-License-Identifier: Apache-2.0 */
#include "page/listing.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "page/rows.h"

#define LOOK_MOST 5000  /* at runs of one list, for one page */
#define WHOLE_MOST 1000 /* of a list that is put in order as a whole */
#define LISTS_MOST 4
#define SKIP_MOST INT32_MAX /* of one time, or of a list without times */

/* ---- kinds --------------------------------------------------------------------------------------- */

/* What is asked for by status, and where it stands. */
struct kind {
    const char *word;
    enum run_status status; /* 0: any */
    bool is_by_end;
    enum runs_list lists[LISTS_MOST];
    size_t count;
};

static const struct kind kinds[] = {
    { "", 0, false, { RUNS_DELAYED, RUNS_WAITING, RUNS_DEAD, RUNS_HISTORY }, 4 },
    { "running", RUN_OWNED, false, { RUNS_OWNED }, 1 },
    { "delayed", RUN_DELAYED, false, { RUNS_DELAYED }, 1 },
    { "sleeping", RUN_SLEEPING, false, { RUNS_DELAYED }, 1 },
    { "waiting", RUN_WAITING, false, { RUNS_WAITING }, 1 },
    { "behind", RUN_BEHIND, false, { RUNS_BEHIND }, 1 },
    { "queued", RUN_QUEUED, false, { RUNS_QUEUED, RUNS_FOR_ROOM }, 2 },
    { "failed", RUN_FAILED, true, { RUNS_DEAD }, 1 },
    { "completed", RUN_COMPLETED, true, { RUNS_HISTORY }, 1 },
    { "cancelled", RUN_CANCELLED, true, { RUNS_HISTORY }, 1 },
};

static const struct kind *kind_find(const char *word)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (strcmp(kinds[i].word, word) == 0)
            return &kinds[i];
    return NULL;
}

/* ---- one list of one shard ----------------------------------------------------------------------- */

struct found_row {
    int64_t at_ms; /* what the page is in order of */
    struct runs_place after;
    struct json_out json;
};

struct source {
    struct redis_store *store;
    const struct listing_filter *filter;
    bool is_by_end;
    struct walk walk;
    int64_t before_ms; /* what began then or later stands among the newest; INT64_MAX: nothing does */
    size_t rows_most;
    struct found_row *rows;
    size_t count;
    size_t used;
    struct runs_place next; /* where the next page goes on */
};

static bool passes(const struct source *source, const struct row *row)
{
    const struct listing_filter *filter = source->filter;
    const struct record *record = row->record;
    const struct run_view *view = row->view;

    if (filter->function != NULL && strcmp(record->function, filter->function) != 0)
        return false;
    if (record->created_ms < filter->since_ms || record->created_ms > filter->until_ms || record->created_ms >= source->before_ms)
        return false;
    if (filter->error != NULL && strcmp(view != NULL && view->has_error ? view->error.name : "", filter->error) != 0)
        return false;
    if (filter->text == NULL || strncmp(row->id, filter->text, strlen(filter->text)) == 0)
        return true;
    return view != NULL && (strstr(view->event.view.name, filter->text) != NULL || strstr(view->event.view.id, filter->text) != NULL);
}

/* Of a run that is due only its line tells whether it is queued. */
static bool is_delayed_no_more(const struct source *source, const struct row *row)
{
    if (row->view == NULL || source->walk.list == RUNS_FOR_ROOM)
        return false;
    (void)!run_view_see_line(row->view, source->store); /* else it is shown as its record has it */
    return source->walk.status == RUN_DELAYED && strcmp(row->view->status, "queued") == 0;
}

static bool look(void *context, const struct row *row)
{
    struct source *source = context;

    if (!passes(source, row) || is_delayed_no_more(source, row))
        return true;
    source->rows = xrealloc(source->rows, (source->count + 1) * sizeof(*source->rows));
    struct found_row *found = &source->rows[source->count++];
    *found = (struct found_row){ .at_ms = source->is_by_end ? row->after.at_ms : row->record->created_ms, .after = row->after };
    json_out_init(&found->json);
    row_json(row, &found->json);
    return source->count < source->rows_most;
}

static bool is_spent(const struct source *source)
{
    assert(source->used <= source->count);
    return source->used == source->count;
}

/* ---- a list that is put in order ----------------------------------------------------------------- */

static int latest_first(const void *one, const void *other)
{
    const struct found_row *a = one;
    const struct found_row *b = other;

    return a->at_ms == b->at_ms ? 0 : a->at_ms < b->at_ms ? 1 : -1;
}

/* The rows' places are then as if they had been listed by `at_ms`. */
static void put_in_order(struct source *source, struct runs_place place)
{
    if (source->count > 0)
        qsort(source->rows, source->count, sizeof(source->rows[0]), latest_first);
    size_t same = 0;
    for (size_t i = 0; i < source->count; i++) {
        struct found_row *row = &source->rows[i];
        same = i > 0 && row->at_ms == source->rows[i - 1].at_ms ? same + 1 : 1;
        row->after = (struct runs_place){ .at_ms = row->at_ms, .skip = same };
        if (row->at_ms > place.at_ms || (row->at_ms == place.at_ms && same <= place.skip))
            source->used = i + 1;
    }
    source->next = place;
    assert(source->used <= source->count);
}

/* *ret_is_whole: the list was short enough for that. */
static int source_look_at_whole(struct source *source, struct redis_store *store, enum runs_list list, bool *ret_is_whole)
{
    struct walk walk;
    uint64_t count = 0;
    int status = list == RUNS_OWNED ? 0 : runs_count(store, list, source->walk.shard, &count);

    *ret_is_whole = false;
    if (status != 0 || count > WHOLE_MOST)
        return status;
    walk_init(&walk, list, source->walk.shard);
    walk.status = source->walk.status;
    source->rows_most = SIZE_MAX;
    status = walk_on(&walk, store, WHOLE_MOST + 1, look, source);
    *ret_is_whole = walk.is_end;
    if (status == 0 && walk.is_end)
        put_in_order(source, source->walk.place);
    return status;
}

static void source_clear(struct source *source)
{
    for (size_t i = 0; i < source->count; i++)
        json_out_done(&source->rows[i].json);
    free(source->rows);
    source->rows = NULL;
    source->count = source->used = 0;
}

/* ---- stages -------------------------------------------------------------------------------------- */

/* The letters stand in cursors. */
enum stage { STAGE_NEWEST = 'n', STAGE_LISTS = 'l' };

struct listing {
    struct redis_store *store;
    const struct listing_filter *filter;
    const struct kind *kind;
    enum stage stage;
    bool is_whole; /* all there are were put in order */
    struct source *sources;
    size_t count;
};

/* Runs in lines are looked for there alone: among the newest nothing tells all of them. */
static bool has_lines(const struct kind *kind)
{
    return kind->lists[0] == RUNS_QUEUED;
}

static bool is_in_order(const struct listing *listing)
{
    return listing->stage == STAGE_NEWEST || listing->kind->is_by_end;
}

static void add_source(struct listing *listing, enum runs_list list, int shard)
{
    const struct listing_filter *filter = listing->filter;
    struct source *source = &listing->sources[listing->count++];

    assert(shard >= 0 && shard < store_shards(listing->store));
    *source = (struct source){
        .store = listing->store, .filter = filter, .is_by_end = listing->kind->is_by_end, .before_ms = INT64_MAX, .rows_most = filter->limit
    };
    walk_init(&source->walk, list, shard);
    source->walk.status = list == RUNS_FOR_ROOM ? 0 : listing->kind->status; /* their records say that they are delayed */
    if (is_in_order(listing))
        source->walk.last_ms = filter->since_ms;
    if (listing->stage == STAGE_NEWEST)
        source->walk.place.at_ms = filter->until_ms;
}

static void add_sources(struct listing *listing)
{
    const struct kind *kind = listing->kind;
    int shards = store_shards(listing->store);

    assert(listing->sources == NULL && kind->count <= LISTS_MOST);
    listing->sources = xcalloc((size_t)shards * LISTS_MOST, sizeof(*listing->sources));
    for (int shard = 0; shard < shards; shard++) {
        if (listing->stage == STAGE_NEWEST)
            add_source(listing, RUNS_NEWEST, shard);
        for (size_t i = 0; listing->stage == STAGE_LISTS && i < kind->count; i++)
            add_source(listing, kind->lists[i], shard);
    }
}

static void listing_done(struct listing *listing)
{
    for (size_t i = 0; i < listing->count; i++)
        source_clear(&listing->sources[i]);
    free(listing->sources);
}

/* Whether all runs of all shards stand among the newest. */
static int has_all(struct redis_store *store, bool *ret_has_all)
{
    static const enum runs_list others[] = { RUNS_DELAYED, RUNS_DEAD, RUNS_HISTORY };

    *ret_has_all = true;
    for (int shard = 0; shard < store_shards(store); shard++) {
        uint64_t newest = 0, sum = 0;
        int status = runs_count(store, RUNS_NEWEST, shard, &newest);
        for (size_t i = 0; i < COUNT_OF(others) && status == 0; i++) {
            uint64_t count = 0;
            status = runs_count(store, others[i], shard, &count);
            sum += count;
        }
        if (status != 0)
            return status;
        *ret_has_all = *ret_has_all && newest >= sum;
    }
    return 0;
}

/* ---- cursors: a stage's letter, then each source's place ------------------------------------------- */

static char *cursor_text(const struct listing *listing)
{
    char *text = xasprintf("%c", (char)listing->stage);

    for (size_t i = 0; i < listing->count; i++) {
        const struct runs_place *next = &listing->sources[i].next;
        char *longer = xasprintf("%s%s%" PRId64 ".%zu", text, i > 0 ? "_" : "", next->at_ms, next->skip);
        free(text);
        text = longer;
    }
    return text;
}

static bool read_number(const char **at, int64_t *ret_number)
{
    char *end = NULL;

    errno = 0;
    long long number = strtoll(*at, &end, 10);
    if (end == *at || errno != 0)
        return false;
    *ret_number = number;
    *at = end;
    return true;
}

static bool read_place(const char **at, struct runs_place *ret_place)
{
    int64_t skip = 0;

    if (!read_number(at, &ret_place->at_ms) || **at != '.')
        return false;
    ++*at;
    if (!read_number(at, &skip) || skip < 0 || skip > SKIP_MOST)
        return false;
    ret_place->skip = (size_t)skip;
    return true;
}

static bool cursor_read(const char *cursor, struct listing *listing)
{
    const char *at = cursor + 1;

    for (size_t i = 0; i < listing->count && *at != '\0'; i++) {
        if (i > 0 && *at++ != '_')
            return false;
        if (!read_place(&at, &listing->sources[i].walk.place))
            return false;
    }
    return *at == '\0';
}

/* ---- a page -------------------------------------------------------------------------------------- */

static int source_look(const struct listing *listing, struct source *source)
{
    int status = 0;

    source_clear(source);
    source->next = source->walk.place;
    source->rows_most = source->filter->limit;
    if (!is_in_order(listing) && !has_lines(listing->kind))
        status = runs_newest_since(listing->store, source->walk.shard, &source->before_ms);
    return status != 0 ? status : walk_on(&source->walk, listing->store, LOOK_MOST, look, source);
}

/* Of one list alone, where it is short in all shards. */
static int look_at_whole(struct listing *listing)
{
    const struct kind *kind = listing->kind;
    int status = 0;

    listing->is_whole =
        listing->stage == STAGE_NEWEST && kind->count == 1 && kind->lists[0] != RUNS_BEHIND && kind->lists[0] != RUNS_QUEUED;
    for (size_t i = 0; i < listing->count && status == 0 && listing->is_whole; i++)
        status = source_look_at_whole(&listing->sources[i], listing->store, kind->lists[0], &listing->is_whole);
    for (size_t i = 0; i < listing->count && listing->is_whole; i++)
        listing->sources[i].walk.is_end = true;
    return status;
}

/* NULL: there is none, or one may follow that goes before them all. */
static struct source *latest_of(const struct listing *listing)
{
    struct source *latest = NULL;
    int64_t unseen_ms = INT64_MIN;

    for (size_t i = 0; i < listing->count; i++) {
        struct source *source = &listing->sources[i];
        if (!is_spent(source)) {
            if (latest == NULL || source->rows[source->used].at_ms > latest->rows[latest->used].at_ms)
                latest = source;
        } else if (!source->walk.is_end && source->walk.place.at_ms > unseen_ms) {
            unseen_ms = source->walk.place.at_ms;
        }
    }
    return latest != NULL && is_in_order(listing) && latest->rows[latest->used].at_ms < unseen_ms ? NULL : latest;
}

static void merge(struct listing *listing, struct json_out *out)
{
    struct source *source;

    json_out_open(out, "runs", '[');
    for (size_t i = 0; i < listing->filter->limit && (source = latest_of(listing)) != NULL; i++) {
        assert(source->used < source->count);
        const struct found_row *row = &source->rows[source->used++];
        json_out_raw(out, NULL, (struct bytes){ row->json.buffer.data, row->json.buffer.size });
        source->next = row->after;
    }
    json_out_close(out, '[');
}

static bool is_end(struct listing *listing)
{
    bool is_end = true;

    for (size_t i = 0; i < listing->count; i++) {
        struct source *source = &listing->sources[i];
        is_end = is_end && is_spent(source) && source->walk.is_end;
        if (is_spent(source) && !source->walk.is_end)
            source->next = source->walk.place;
    }
    return is_end;
}

/* Of the next page; NULL: there is none. */
static int next_cursor(struct listing *listing, char **ret_cursor)
{
    bool has_all_runs = true;
    int status = 0;

    *ret_cursor = NULL;
    if (!is_end(listing)) {
        *ret_cursor = cursor_text(listing);
        return 0;
    }
    if (listing->stage == STAGE_NEWEST && !listing->is_whole)
        status = has_all(listing->store, &has_all_runs);
    if (status == 0 && !has_all_runs)
        *ret_cursor = xasprintf("%c", STAGE_LISTS);
    return status;
}

static int put_page(struct listing *listing, struct json_out *out)
{
    AUTO_FREE char *cursor = NULL;
    int status = look_at_whole(listing);

    for (size_t i = 0; i < listing->count && status == 0 && !listing->is_whole; i++)
        status = source_look(listing, &listing->sources[i]);
    if (status != 0)
        return status;
    merge(listing, out);
    status = next_cursor(listing, &cursor);
    json_out_text(out, "cursor", cursor);
    json_out_text(out, "order", listing->kind->is_by_end ? "ended" : "begun");
    json_out_bool(out, "is_older", !is_in_order(listing));
    return status;
}

int listing_put(struct redis_store *store, const struct listing_filter *filter, const char *cursor, struct json_out *out,
                struct error *ret_error)
{
    struct listing listing = { .store = store, .filter = filter, .kind = kind_find(filter->status) };

    assert(filter->limit > 0);
    if (listing.kind == NULL)
        return error_set(ret_error, EINVAL, "no such status: %.40s", filter->status);
    listing.stage =
        listing.kind->is_by_end || has_lines(listing.kind) || (cursor != NULL && cursor[0] == STAGE_LISTS) ? STAGE_LISTS : STAGE_NEWEST;
    add_sources(&listing);
    int status = 0;
    if (cursor != NULL && (cursor[0] != (char)listing.stage || !cursor_read(cursor, &listing)))
        status = error_set(ret_error, EINVAL, "no such cursor");
    if (status == 0) {
        status = put_page(&listing, out);
        if (status != 0)
            (void)error_set(ret_error, -status, "Redis: %s", strerror(-status));
    }
    listing_done(&listing);
    return status;
}
