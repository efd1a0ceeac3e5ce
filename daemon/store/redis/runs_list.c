/* SPDX-License-Identifier: Apache-2.0 */
/* The lists of runs, page by page (store/runs.h). */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/redis/keys.h"
#include "store/redis/runs_internal.h"
#include "store/redis/runs_lines.h"

#define BEHIND_MS 100   /* then no more keys are looked at, */
#define BEHIND_PAGES 50 /* but for so many thousand */

const struct runs_sorted RUNS_SORTED[] = {
    [RUNS_DELAYED] = { "delayed", "ZRANGE", "ZRANGEBYSCORE" },     [RUNS_WAITING] = { "waiting", "ZRANGE", "ZRANGEBYSCORE" },
    [RUNS_DEAD] = { "dead", "ZREVRANGE", "ZREVRANGEBYSCORE" },     [RUNS_HISTORY] = { "history", "ZREVRANGE", "ZREVRANGEBYSCORE" },
    [RUNS_NEWEST] = { "newest", "ZREVRANGE", "ZREVRANGEBYSCORE" }, [RUNS_DUE] = { "delayed", "ZRANGE", "ZRANGEBYSCORE" },
};

bool runs_is_sorted(enum runs_list list)
{
    return list != RUNS_OWNED && list != RUNS_BEHIND && list != RUNS_QUEUED && list != RUNS_FOR_ROOM;
}

/* Runs of several events have a list of their own beside it. */
static bool is_of_two(enum runs_list list)
{
    return list == RUNS_DELAYED || list == RUNS_DUE;
}

struct ids {
    struct run_id *all;
    size_t count;
    size_t skip;
    size_t limit;
};

static void add_ids(struct ids *ids, const redisReply *reply)
{
    for (size_t i = 0; i < reply->elements && ids->count < ids->limit; i++) {
        if (reply->element[i]->len != RUN_ID_LENGTH)
            continue;
        if (ids->skip > 0) {
            ids->skip--;
            continue;
        }
        ids->all = xrealloc(ids->all, (ids->count + 1) * sizeof(*ids->all));
        memcpy(ids->all[ids->count++].text, reply->element[i]->str, RUN_ID_LENGTH + 1);
    }
}

static int list_one(struct redis_store *store, int shard, const char *key, const char *command, struct ids *ids)
{
    AUTO_REPLY reply = NULL;
    AUTO_FREE char *first = xasprintf("%zu", ids->skip);
    AUTO_FREE char *last = xasprintf("%zu", ids->skip + ids->limit - 1);

    assert(ids->limit > 0);
    int status = store_commandf(store, shard, &reply, "%s %s %s %s", command, key, first, last);
    ids->skip = 0;
    if (status == 0)
        add_ids(ids, reply);
    return status;
}

/* There may be many workers: all are asked in one call. */
static const char OWNED[] = "local r, most = {}, tonumber(ARGV[4])\n"
                            "for _, worker in ipairs(redis.call('ZRANGE', KEYS[1] .. ARGV[1], 0, -1)) do\n"
                            "  local key = KEYS[1] .. ARGV[2] .. ':' .. worker\n"
                            "  local ids = ARGV[3] == 'set' and redis.call('SMEMBERS', key) or redis.call('ZRANGE', key, 0, -1)\n"
                            "  for _, id in ipairs(ids) do\n"
                            "    if #r >= most then return r end\n"
                            "    r[#r + 1] = id\n"
                            "  end\n"
                            "end\n"
                            "return r";

/* Of all that stand in `workers`, the runs of one kind, in keys of that type. */
static int list_of_workers(struct redis_store *store, int shard, const char *workers, const char *kind, const char *type, struct ids *ids)
{
    const size_t most = ids->limit - ids->count < SIZE_MAX - ids->skip ? ids->limit - ids->count + ids->skip : SIZE_MAX;
    AUTO_FREE char *most_text = xasprintf("%zu", most);
    AUTO_REPLY reply = NULL;
    int status =
        store_commandf(store, shard, &reply, "EVAL %s 1 %s %s %s %s %s", OWNED, store_prefix(store, shard), workers, kind, type, most_text);

    if (status == 0)
        add_ids(ids, reply);
    return status;
}

static int list_owned(struct redis_store *store, int shard, struct ids *ids)
{
    int status = list_of_workers(store, shard, "workers", "owned", "sorted", ids);

    return status != 0 ? status : list_of_workers(store, shard, "holders", "held", "set", ids);
}

/* Of a list that stands behind others: what is skipped of all may end in it. */
static int list_rest(struct redis_store *store, int shard, const char *name, const char *command, struct ids *ids)
{
    AUTO_FREE char *key = keys_format(store_prefix(store, shard), "%s", name);
    uint64_t size = 0;
    int status = runs_count_key(store, shard, name, &size);

    if (status != 0 || ids->skip < size)
        return status != 0 ? status : list_one(store, shard, key, command, ids);
    ids->skip -= (size_t)size;
    return 0;
}

static int list_lines(struct redis_store *store, int shard, const char *kind, struct ids *ids)
{
    struct line_sizes sizes;
    int status = lines_sizes(store, shard, kind, &sizes);

    if (status != 0)
        return status;
    for (size_t i = 0; status == 0 && i < sizes.count && ids->count < ids->limit; i++) {
        if (ids->skip >= sizes.items[i].count) {
            ids->skip -= (size_t)sizes.items[i].count;
            continue;
        }
        AUTO_FREE char *line = keys_format(store_prefix(store, shard), "%s:%s", kind, sizes.items[i].function);
        status = list_one(store, shard, line, "ZRANGE", ids);
    }
    line_sizes_done(&sizes);
    return status;
}

static int add_behind(struct redis_store *store, int shard, const redisReply *keys, struct ids *ids)
{
    int status = 0;

    for (size_t i = 0; status == 0 && i < keys->elements && ids->count < ids->limit; i++) {
        AUTO_REPLY members = NULL;
        status = store_commandf(store, shard, &members, "ZRANGE %b 0 -1", keys->element[i]->str, (size_t)keys->element[i]->len);
        if (status == 0)
            add_ids(ids, members);
    }
    return status;
}

/* Their keys are found by a walk over all keys: for people, who can wait a moment; who wants all (SIZE_MAX) waits for all of it. */
static int list_behind(struct redis_store *store, int shard, struct ids *ids, bool *ret_is_whole)
{
    AUTO_FREE char *pattern = keys_format(store_prefix(store, shard), "behind:*");
    const int64_t until_ms = clock_monotonic_ms() + BEHIND_MS;
    char cursor[24] = "0";
    bool is_end = false, goes_on = true;

    for (size_t pages = 1; goes_on; pages++) {
        AUTO_REPLY reply = NULL;
        int status = store_commandf(store, shard, &reply, "SCAN %s MATCH %s COUNT 1000 TYPE zset", cursor, pattern);
        if (status == 0)
            status = add_behind(store, shard, reply->element[1], ids);
        if (status != 0)
            return status;
        (void)snprintf(cursor, sizeof(cursor), "%s", reply->element[0]->str);
        is_end = strcmp(cursor, "0") == 0;
        goes_on = !is_end && ids->count < ids->limit && (ids->limit == SIZE_MAX || pages < BEHIND_PAGES || clock_monotonic_ms() < until_ms);
    }
    *ret_is_whole = is_end && ids->count < ids->limit;
    return 0;
}

int runs_list_behind(struct redis_store *store, int shard, size_t first, size_t limit, struct run_id **ret_ids, size_t *ret_count,
                     bool *ret_is_whole)
{
    struct ids ids = { .skip = first, .limit = limit };
    int status = list_behind(store, shard, &ids, ret_is_whole);

    if (status != 0) {
        free(ids.all);
        return status;
    }
    *ret_ids = ids.all;
    *ret_count = ids.count;
    return 0;
}

int runs_list(struct redis_store *store, enum runs_list list, int shard, size_t first, size_t limit, struct run_id **ret_ids,
              size_t *ret_count)
{
    struct ids ids = { .skip = first, .limit = limit };
    bool is_whole;
    int status = 0;

    if (limit == 0) {
        status = 0;
    } else if (list == RUNS_OWNED) {
        status = list_owned(store, shard, &ids);
    } else if (list == RUNS_BEHIND) {
        status = list_behind(store, shard, &ids, &is_whole);
    } else if (list == RUNS_QUEUED) {
        status = list_lines(store, shard, LINES_TURN, &ids);
    } else if (list == RUNS_FOR_ROOM) {
        status = list_lines(store, shard, LINES_ROOM, &ids);
    } else {
        status = list_rest(store, shard, RUNS_SORTED[list].key, RUNS_SORTED[list].by_place, &ids);
        if (status == 0 && is_of_two(list))
            status = list_rest(store, shard, RUNS_DELAYED_OF_SEVERAL, "ZRANGE", &ids);
        if (status == 0 && list == RUNS_DELAYED)
            status = list_lines(store, shard, LINES_ROOM, &ids);
    }
    if (status != 0) {
        free(ids.all);
        return status;
    }
    *ret_ids = ids.all;
    *ret_count = ids.count;
    return 0;
}

static char *score_text(int64_t at_ms)
{
    return at_ms == INT64_MAX ? xstrdup("+inf") : at_ms == INT64_MIN ? xstrdup("-inf") : xasprintf("%" PRId64, at_ms);
}

/* Runs of a list, or of several as if they were one. */
struct page {
    struct listed_run *runs;
    size_t count;
    int64_t from_ms;
    int64_t last_ms;
    size_t limit; /* of each list */
};

/* Ids and scores, as ZRANGEBYSCORE answers. */
static void add_listed(struct page *page, const redisReply *reply)
{
    page->runs = xrealloc(page->runs, (page->count + reply->elements / 2 + 1) * sizeof(*page->runs));
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        struct listed_run *run = &page->runs[page->count++];
        *run = (struct listed_run){ .after.at_ms = (int64_t)strtod(reply->element[i + 1]->str, NULL), .after.skip = page->count };
        (void)snprintf(run->id.text, sizeof(run->id.text), "%s", reply->element[i]->str);
    }
}

static int add_page(struct redis_store *store, int shard, const char *name, const char *command, struct page *page)
{
    AUTO_REPLY reply = NULL;
    AUTO_FREE char *key = keys_format(store_prefix(store, shard), "%s", name);
    AUTO_FREE char *from = score_text(page->from_ms);
    AUTO_FREE char *to = score_text(page->last_ms);
    AUTO_FREE char *most = xasprintf("%zu", page->limit);
    int status = store_commandf(store, shard, &reply, "%s %s %s %s WITHSCORES LIMIT 0 %s", command, key, from, to, most);

    if (status == 0)
        add_listed(page, reply);
    return status;
}

static bool add_line(void *context, const char *function, const redisReply *ids_and_scores)
{
    (void)function;
    add_listed(context, ids_and_scores);
    return true;
}

static int add_lines_page(struct redis_store *store, int shard, struct page *page)
{
    AUTO_FREE char *from = score_text(page->from_ms);
    AUTO_FREE char *to = score_text(page->last_ms);
    AUTO_FREE char *most = xasprintf("%zu", page->limit);
    const struct lines_range range = { LINES_ROOM, from, to, most };

    return lines_each(store, shard, &range, add_line, page);
}

/* By time; of one time as they came, which `skip` holds until then. */
static int compare_listed(const void *a, const void *b)
{
    const struct listed_run *left = a;
    const struct listed_run *right = b;

    if (left->after.at_ms != right->after.at_ms)
        return left->after.at_ms < right->after.at_ms ? -1 : 1;
    return left->after.skip < right->after.skip ? -1 : 1;
}

/* What is behind `place` already goes; what stays says where the next page begins. */
static void cut_page(struct page *page, struct runs_place place, size_t limit)
{
    size_t skip = place.skip < page->count ? place.skip : page->count;
    size_t left = page->count - skip;

    memmove(page->runs, page->runs + skip, left * sizeof(*page->runs));
    page->count = left < limit ? left : limit;
    for (size_t i = 0; i < page->count; i++) {
        int64_t at_ms = page->runs[i].after.at_ms;
        place = (struct runs_place){ .at_ms = at_ms, .skip = at_ms == place.at_ms ? place.skip + 1 : 1 };
        page->runs[i].after = place;
    }
}

int runs_list_on(struct redis_store *store, enum runs_list list, int shard, struct runs_place place, int64_t last_ms, size_t limit,
                 struct listed_run **ret_runs, size_t *ret_count)
{
    struct page page = { .from_ms = place.at_ms, .last_ms = last_ms, .limit = place.skip + limit };

    assert(runs_is_sorted(list));
    int status = add_page(store, shard, RUNS_SORTED[list].key, RUNS_SORTED[list].by_score, &page);
    if (status == 0 && is_of_two(list)) {
        size_t listed = page.count;
        status = add_page(store, shard, RUNS_DELAYED_OF_SEVERAL, "ZRANGEBYSCORE", &page);
        if (status == 0 && list == RUNS_DELAYED)
            status = add_lines_page(store, shard, &page);
        if (status == 0 && page.count > listed)
            qsort(page.runs, page.count, sizeof(*page.runs), compare_listed);
    }
    if (status != 0) {
        free(page.runs);
        return status;
    }
    cut_page(&page, place, limit);
    *ret_runs = page.runs;
    *ret_count = page.count;
    return 0;
}

int runs_newest_since(struct redis_store *store, int shard, int64_t *ret_since_ms)
{
    AUTO_REPLY reply = NULL;
    AUTO_FREE char *key = keys_format(store_prefix(store, shard), "%s", RUNS_SORTED[RUNS_NEWEST].key);
    int status = store_commandf(store, shard, &reply, "ZRANGE %s 0 0 WITHSCORES", key);

    if (status == 0)
        *ret_since_ms = reply->elements == 2 ? (int64_t)strtod(reply->element[1]->str, NULL) : INT64_MAX;
    return status;
}
