/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/find.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

#define PAGE 5000            /* ids a call */
#define DELAYED_MOST 20000   /* looked at when nothing is asked in particular: there may be millions */

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

enum ctl_exit find_and_load(struct ctl *ctl, const char *text, struct loaded_run *ret_run)
{
    struct error error = { 0 };
    struct run_id id;

    enum ctl_exit found = find_run(ctl, text, &id);
    if (found != CTL_OK)
        return found;
    int status = runs_load(ctl->store, id.text, ret_run, &error);
    if (status == -ENOENT)
        return ctl_fail(CTL_NOT_FOUND, "%s; `stepctl runs` lists those there are (finished ones as `history` says)", error.text);
    if (status == -EBADMSG)
        return ctl_fail(CTL_FAILED, "run %s: %s", id.text, error.text);
    return status != 0 ? ctl_store_failed(ctl, status) : CTL_OK;
}

/* ---- lists -------------------------------------------------------------------------------------- */

struct search {
    struct redis_store *store;
    const struct find_filter *filter;
    struct found *found;
    size_t count;
    size_t capacity;
    bool is_cut;
};

static void keep(struct search *search, const struct run_id *id, int64_t created_ms)
{
    if (search->count == search->capacity) {
        search->capacity = search->capacity == 0 ? 256 : search->capacity * 2;
        search->found = xrealloc(search->found, search->capacity * sizeof(*search->found));
    }
    search->found[search->count++] = (struct found){ *id, created_ms };
}

static bool has_status(const struct find_filter *filter, enum run_status status)
{
    if (filter->status == 0)
        return true;
    return status == filter->status || (filter->status == RUN_DELAYED && status == RUN_BEHIND);
}

static bool passes(const struct find_filter *filter, const struct record *record)
{
    return has_status(filter, record->status) && (filter->function == NULL || strcmp(record->function, filter->function) == 0);
}

static bool look_at(void *context, size_t index, const struct loaded_run *run, bool is_whole)
{
    struct search *search = context;
    struct run_id id;

    (void)index;
    (void)is_whole;
    memcpy(id.text, run->id, sizeof(id.text));
    if (passes(search->filter, &run->record))
        keep(search, &id, run->record.created_ms);
    return true;
}

static int look_at_page(struct search *search, int shard, const struct run_id *ids, size_t count)
{
    const struct runs_peek peek = { .whole_most = 0 };
    int status = 0;

    for (size_t at = 0; at < count && status == 0; at += RUNS_PEEK_MOST)
        status = runs_peek(search->store, shard, ids + at, count - at < RUNS_PEEK_MOST ? count - at : RUNS_PEEK_MOST, &peek, look_at, search);
    return status;
}

/* At most `most` that pass. The lists of what waits behind and is owned come in one piece. */
static int look_through(struct search *search, enum runs_list list, int shard, size_t most)
{
    bool is_whole = list == RUNS_OWNED || list == RUNS_BEHIND;
    size_t page = is_whole ? 1000000 : PAGE;
    size_t before = search->count;

    for (size_t first = 0;; first += page) {
        AUTO_FREE struct run_id *ids = NULL;
        size_t count = 0;
        int status = runs_list(search->store, list, shard, first, page, &ids, &count);
        if (status == 0)
            status = look_at_page(search, shard, ids, count);
        if (status != 0 || count < page)
            return status;
        if (search->count - before >= most) {
            search->is_cut |= list == RUNS_DELAYED;
            return 0;
        }
    }
}

static bool is_in(enum runs_list list, enum run_status wanted)
{
    switch (wanted) {
    case RUN_OWNED:
        return list == RUNS_OWNED;
    case RUN_DELAYED:
    case RUN_BEHIND:
        return list == RUNS_DELAYED || list == RUNS_BEHIND;
    case RUN_SLEEPING:
        return list == RUNS_DELAYED || list == RUNS_BEHIND;
    case RUN_FAILED:
        return list == RUNS_DEAD;
    case RUN_COMPLETED:
    case RUN_CANCELLED:
        return list == RUNS_HISTORY;
    }
    return true;
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
    size_t kept = 0;

    if (search->count > 0)
        qsort(search->found, search->count, sizeof(*search->found), newest_first);
    for (size_t i = 0; i < search->count && kept < search->filter->limit; i++)
        if (kept == 0 || strcmp(search->found[kept - 1].id.text, search->found[i].id.text) != 0)
            search->found[kept++] = search->found[i];
    search->count = kept;
}

int find_runs(struct redis_store *store, const struct find_filter *filter, struct found **ret_found, size_t *ret_count, bool *ret_is_cut)
{
    /* In the order in which a run goes through them, with a second look at where it may go back to:
     * what moves meanwhile is seen at least once. */
    static const enum runs_list LISTS[] = { RUNS_OWNED, RUNS_BEHIND, RUNS_DELAYED, RUNS_OWNED, RUNS_DEAD, RUNS_HISTORY };
    struct search search = { .store = store, .filter = filter };
    int status = 0;

    for (size_t i = 0; i < COUNT_OF(LISTS) && status == 0; i++) {
        if (!is_in(LISTS[i], filter->status))
            continue;
        size_t most = LISTS[i] == RUNS_DELAYED && filter->limit < DELAYED_MOST ? DELAYED_MOST : filter->limit;
        for (int shard = 0; shard < store_shards(store) && status == 0; shard++)
            status = look_through(&search, LISTS[i], shard, most);
    }
    if (status != 0) {
        free(search.found);
        return status;
    }
    settle(&search);
    *ret_found = search.found;
    *ret_count = search.count;
    *ret_is_cut = search.is_cut;
    return 0;
}
