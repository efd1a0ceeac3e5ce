/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/find.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/clock.h"

#define PAGE 1000        /* ids a call */
#define WHOLE_MOST 16384 /* bytes; a larger record is read in a call of its own, where it is needed */
#define PAUSE_MOST_US 20000
#define LOOK_MOST 5000 /* at runs of each list, beside those that are wanted: there may be millions, */
#define LOOK_MS 80     /* and for so long, once as many were looked at as are wanted: Redis may have much to do, */
#define NEWEST_MS 250  /* among the newest of all for so long */

/* ---- by id -------------------------------------------------------------------------------------- */

#define MATCHES_MOST 5

struct matches {
    struct run_id ids[MATCHES_MOST];
    size_t count;
};

static enum ctl_exit ambiguous(const char *text, const struct matches *matches)
{
    AUTO_FREE char *list = xstrdup("");

    for (size_t i = 0; i < matches->count; i++) {
        char *longer = xasprintf("%s%s%s", list, i == 0 ? "" : ", ", matches->ids[i].text);
        free(list);
        list = longer;
    }
    return ctl_fail(CTL_USAGE, "several runs begin with %s: %s", text, list);
}

enum ctl_exit find_run(struct ctl *ctl, const char *text, struct run_id *ret_id)
{
    struct matches matches = { .count = 0 };
    AUTO_FREE char *digits = xstrdup(text);
    size_t length = strlen(digits);

    for (char *at = digits; *at != '\0'; at++)
        if (*at >= 'A' && *at <= 'F')
            *at = (char)(*at - 'A' + 'a');
    if (run_id_is_valid(digits)) {
        memcpy(ret_id->text, digits, RUN_ID_LENGTH + 1);
        return CTL_OK;
    }
    if (length < FIND_PREFIX_LEAST || length > RUN_ID_LENGTH || strspn(digits, "0123456789abcdef") != length)
        return ctl_misused(ctl, "'%.60s' is no run's id: 32 hex digits, or the first %d or more of them", text, FIND_PREFIX_LEAST);
    int status = runs_find(ctl->store, digits, MATCHES_MOST, matches.ids, &matches.count);
    if (status != 0)
        return ctl_store_failed(ctl, status);
    if (matches.count == 0)
        return ctl_fail(CTL_NOT_FOUND, "no run's id begins with %s; `stepctl runs` lists them (finished ones as `history` says)", digits);
    if (matches.count > 1)
        return ambiguous(digits, &matches);
    *ret_id = matches.ids[0];
    return CTL_OK;
}

enum ctl_exit find_failed(struct ctl *ctl, const char *id, int status, const struct error *error)
{
    assert(status < 0);
    if (status == -ENOENT)
        return ctl_fail(CTL_NOT_FOUND, "%s; `stepctl runs` lists those there are (finished ones as `history` says)", error->text);
    if (status == -EBADMSG)
        return ctl_fail(CTL_FAILED, "run %s: %s", id, error->text);
    return ctl_store_failed(ctl, status);
}

enum ctl_exit find_and_load(struct ctl *ctl, const char *text, struct loaded_run *ret_run)
{
    struct error error = { 0 };
    struct run_id id;

    enum ctl_exit found = find_run(ctl, text, &id);
    if (found != CTL_OK)
        return found;
    int status = runs_load(ctl->store, id.text, ret_run, &error);
    return status == 0 ? CTL_OK : find_failed(ctl, id.text, status, &error);
}

/* ---- lists -------------------------------------------------------------------------------------- */

struct search {
    struct redis_store *store;
    const struct find_filter *filter;
    struct finds finds;
    size_t capacity;
    size_t looks_left; /* at runs of the list that is looked through; SIZE_MAX: no bound */
    size_t looks_done; /* there */
    int64_t until_ms;  /* monotonic; INT64_MAX: no bound */
    int status;        /* of what was asked while a page was looked at */
};

static void keep(struct search *search, const struct run_id *id, int64_t created_ms)
{
    struct finds *finds = &search->finds;

    if (finds->count == search->capacity) {
        search->capacity = search->capacity == 0 ? 256 : search->capacity * 2;
        finds->all = xrealloc(finds->all, search->capacity * sizeof(*finds->all));
    }
    finds->all[finds->count++] = (struct found){ *id, created_ms };
}

static bool takes_whole(struct search *search, const struct loaded_run *run)
{
    struct error error = { 0 };
    struct run_view view;

    run_view_open(&view, run, store_now_ms(search->store));
    int taken = selection_takes(search->filter->selection, &view, &error);
    run_view_done(&view);
    if (taken < 0 && search->finds.undecided++ == 0)
        search->finds.why = error;
    return taken > 0;
}

/* The same of a record that a page has the head of alone. */
static bool takes_large(struct search *search, const char *id)
{
    struct loaded_run run;
    int status = runs_load(search->store, id, &run, NULL);

    if (status != 0) {
        if (status != -ENOENT && status != -EBADMSG)
            search->status = status;
        return false;
    }
    bool is_taken = takes_whole(search, &run);
    loaded_run_done(&run);
    return is_taken;
}

static bool look_at(void *context, size_t index, const struct loaded_run *run, bool is_whole)
{
    struct search *search = context;
    const struct selection *selection = search->filter->selection;
    struct run_id id;

    (void)index;
    memcpy(id.text, run->id, sizeof(id.text));
    if (!selection_may_take(selection, &run->record))
        return true;
    if (!selection_needs_whole(selection) || (is_whole ? takes_whole(search, run) : takes_large(search, run->id)))
        keep(search, &id, run->record.created_ms);
    return search->status == 0;
}

/* Others work with the same Redis. */
static void pause_as_long(int64_t began_ns)
{
    int64_t took_us = (clock_monotonic_ns() - began_ns) / 1000;

    (void)usleep((useconds_t)(took_us < PAUSE_MOST_US ? took_us : PAUSE_MOST_US));
}

static int look_at_page(struct search *search, int shard, const struct run_id *ids, size_t count)
{
    const struct selection *selection = search->filter->selection;
    const bool is_one_status = selection->statuses != NULL && strlen(selection->statuses) == 1;
    const struct runs_peek peek = { .status = is_one_status ? (enum run_status)selection->statuses[0] : 0,
                                    .whole_most = selection_needs_whole(selection) ? WHOLE_MOST : 0 };
    int status = 0;

    assert(count == 0 || ids != NULL);
    for (size_t at = 0; at < count && status == 0; at += RUNS_PEEK_MOST) {
        const size_t left = count - at;
        const int64_t began_ns = clock_monotonic_ns();
        status = runs_peek(search->store, shard, ids + at, left < RUNS_PEEK_MOST ? left : RUNS_PEEK_MOST, &peek, look_at, search);
        if (status == 0)
            status = search->status;
        if (left > RUNS_PEEK_MOST)
            pause_as_long(began_ns);
    }
    return status;
}

/* Whether a bound is reached. */
static bool spend_looks(struct search *search, size_t count)
{
    search->looks_done += count;
    if (search->looks_done >= search->filter->limit && clock_monotonic_ms() >= search->until_ms)
        return true;
    if (search->looks_left == SIZE_MAX)
        return false;
    search->looks_left -= count < search->looks_left ? count : search->looks_left;
    return search->looks_left == 0;
}

/* The lists of what is owned and waits behind come in one piece. */
static int look_through_owned(struct search *search, int shard)
{
    AUTO_FREE struct run_id *ids = NULL;
    size_t count = 0;
    int status = runs_list(search->store, RUNS_OWNED, shard, 0, search->looks_left, &ids, &count);

    search->finds.is_cut |= status == 0 && count == search->looks_left;
    return status != 0 ? status : look_at_page(search, shard, ids, count);
}

static int look_through_behind(struct search *search, int shard)
{
    AUTO_FREE struct run_id *ids = NULL;
    size_t count = 0;
    bool is_whole = true;
    int status = runs_list_behind(search->store, shard, 0, search->looks_left, &ids, &count, &is_whole);

    search->finds.is_cut |= !is_whole;
    return status != 0 ? status : look_at_page(search, shard, ids, count);
}

struct line_look {
    struct search *search;
    int shard;
    int status;
};

static bool look_at_line(void *context, const struct run_id *ids, size_t count)
{
    struct line_look *look = context;

    look->status = look_at_page(look->search, look->shard, ids, count);
    bool is_spent = spend_looks(look->search, count);
    look->search->finds.is_cut |= is_spent;
    return look->status == 0 && !is_spent;
}

static int look_through_lines(struct search *search, enum runs_list list, int shard)
{
    struct line_look look = { search, shard, 0 };
    int status = runs_each_in_line(search->store, list, shard, search->filter->selection->function, look_at_line, &look);

    return status != 0 ? status : look.status;
}

/* At most `most` that pass, a page at a time. What has ended did so no earlier than it was created. */
static int look_through(struct search *search, enum runs_list list, int shard, size_t most)
{
    const bool goes_up = runs_list_goes_up(list);
    const struct selection *selection = search->filter->selection;
    const int64_t last_ms = goes_up ? INT64_MAX : selection->since_ms;
    struct runs_place place = { .at_ms = goes_up ? 0 : list == RUNS_NEWEST ? selection->until_ms : INT64_MAX };
    const size_t before = search->finds.count;

    assert(most > 0);
    for (;;) {
        AUTO_FREE struct listed_run *runs = NULL;
        size_t count = 0;
        int status = runs_list_on(search->store, list, shard, place, last_ms, PAGE, &runs, &count);
        AUTO_FREE struct run_id *ids = xcalloc(count + 1, sizeof(*ids));
        for (size_t i = 0; i < count; i++)
            ids[i] = runs[i].id;
        if (status == 0)
            status = look_at_page(search, shard, ids, count);
        if (status != 0 || count < PAGE)
            return status;
        place = runs[count - 1].after;
        bool is_spent = spend_looks(search, count);
        bool has_enough = search->finds.count - before >= most;
        if (is_spent || has_enough) {
            search->finds.is_cut |= is_spent && !has_enough;
            return 0;
        }
    }
}

/* Where a run may stand, in the order in which it goes through them. */
enum stand { OWNED, WAITING, BEHIND, DUE, FOR_ROOM, FOR_TURN, DEAD, HISTORY };

/* Whether a run of one of the letters may stand there. */
static bool is_in(enum stand stand, const char *statuses)
{
    static const char *const LETTERS[] = {
        [OWNED] = "o",       [WAITING] = "w",    [BEHIND] = "bs", [DUE] = "dbsq",
        [FOR_ROOM] = "dbsq", [FOR_TURN] = "qds", [DEAD] = "f",    [HISTORY] = "cx",
    };

    assert((size_t)stand < COUNT_OF(LETTERS));
    return statuses == NULL || strpbrk(statuses, LETTERS[stand]) != NULL;
}

static int newest_first(const void *one, const void *other)
{
    const struct found *a = one;
    const struct found *b = other;

    if (a->created_ms != b->created_ms)
        return a->created_ms < b->created_ms ? 1 : -1;
    return strcmp(a->id.text, b->id.text);
}

/* Once each: a run may have moved from list to list while they were read. */
static void settle(struct search *search)
{
    struct finds *finds = &search->finds;
    size_t kept = 0;

    if (finds->count > 0)
        qsort(finds->all, finds->count, sizeof(*finds->all), newest_first);
    for (size_t i = 0; i < finds->count && kept < search->filter->limit; i++)
        if (kept == 0 || strcmp(finds->all[kept - 1].id.text, finds->all[i].id.text) != 0)
            finds->all[kept++] = finds->all[i];
    assert(kept <= search->filter->limit);
    finds->count = kept;
}

static int look_through_one(struct search *search, enum stand stand, int shard)
{
    const size_t limit = search->filter->limit;
    const size_t looks = limit < SIZE_MAX - LOOK_MOST ? limit + LOOK_MOST : SIZE_MAX;

    search->looks_left = search->filter->is_whole ? SIZE_MAX : looks;
    search->looks_done = 0;
    switch (stand) {
    case OWNED:
        return look_through_owned(search, shard);
    case BEHIND:
        return look_through_behind(search, shard);
    case FOR_ROOM:
        return look_through_lines(search, RUNS_DELAYED, shard);
    case FOR_TURN:
        return look_through_lines(search, RUNS_QUEUED, shard);
    case DUE: /* those that are due first are not the newest: all that may be looked at are */
        return look_through(search, RUNS_DUE, shard, SIZE_MAX);
    case WAITING:
        return look_through(search, RUNS_WAITING, shard, SIZE_MAX);
    case DEAD:
        return look_through(search, RUNS_DEAD, shard, limit);
    case HISTORY:
        return look_through(search, RUNS_HISTORY, shard, limit);
    }
    return 0;
}

/* True: the newest of all are enough. */
static int look_among_newest(struct search *search, bool *ret_is_enough)
{
    int status = 0;

    search->looks_left = SIZE_MAX;
    search->looks_done = 0;
    search->until_ms = clock_monotonic_ms() + NEWEST_MS;
    for (int shard = 0; shard < store_shards(search->store) && status == 0; shard++)
        status = look_through(search, RUNS_NEWEST, shard, search->filter->limit);
    *ret_is_enough = search->finds.count >= search->filter->limit;
    return status;
}

static bool is_line(enum stand stand)
{
    return stand == BEHIND || stand == FOR_ROOM || stand == FOR_TURN;
}

static bool is_looked_at(const struct find_filter *filter, enum stand stand)
{
    if (filter->lines != FIND_LINES_TOO && is_line(stand) != (filter->lines == FIND_LINES_ALONE))
        return false;
    return is_in(stand, filter->selection->statuses);
}

static int look_everywhere(struct search *search)
{
    /* In the order in which a run goes through them, with a second look at where it may go back to:
     * what moves meanwhile is seen at least once. */
    static const enum stand PLACES[] = { OWNED, WAITING, BEHIND, DUE, FOR_ROOM, FOR_TURN, OWNED, WAITING, DEAD, HISTORY };
    int status = 0;

    for (size_t i = 0; i < COUNT_OF(PLACES) && status == 0; i++) {
        if (!is_looked_at(search->filter, PLACES[i]))
            continue;
        search->until_ms = search->filter->is_whole ? INT64_MAX : clock_monotonic_ms() + LOOK_MS;
        for (int shard = 0; shard < store_shards(search->store) && status == 0; shard++)
            status = look_through_one(search, PLACES[i], shard);
    }
    return status;
}

int find_runs(struct redis_store *store, const struct find_filter *filter, struct finds *ret_finds)
{
    struct search search = { .store = store, .filter = filter };
    bool is_enough = false;

    assert(filter->selection != NULL && filter->limit > 0);
    int status = filter->is_whole || filter->lines != FIND_LINES_TOO ? 0 : look_among_newest(&search, &is_enough);
    if (status == 0 && !is_enough)
        status = look_everywhere(&search);
    if (status != 0) {
        free(search.finds.all);
        return status;
    }
    settle(&search);
    *ret_finds = search.finds;
    return 0;
}

bool find_takes(const struct selection *selection, struct run_view *view)
{
    struct error error = { 0 };

    return selection_may_take(selection, &view->run->record) && selection_takes(selection, view, &error) > 0;
}

void finds_warn(const struct finds *finds)
{
    if (finds->undecided > 0)
        (void)fprintf(stderr, "stepctl: --where failed for %zu run%s, which %s left out: %s\n", finds->undecided,
                      finds->undecided == 1 ? "" : "s", finds->undecided == 1 ? "is" : "are", finds->why.text);
}
