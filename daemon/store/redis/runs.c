/* SPDX-License-Identifier: Apache-2.0 */
#include "store/runs.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "run/checkpoints.h"
#include "store/redis/keys.h"
#include "store/redis/record.h"
#include "store/redis/store_internal.h"

#define UNWANTED_TOLD_MS 5000 /* how long each heartbeat tells of a run that was cancelled without a record */

/* ---- one run ----------------------------------------------------------------------------------- */

void loaded_run_done(struct loaded_run *run)
{
    free(run->checkpoints);
    if (run->zone != NULL)
        msgpack_zone_free(run->zone);
    if (run->reply != NULL)
        freeReplyObject(run->reply);
    *run = (struct loaded_run){ 0 };
}

/* One script, so that all is of one moment: the record, its checkpoints, and those in the list of its owner (scripts/added.lua). */
static const char READ_RUN[] =
    "local run, added = redis.call('GET', KEYS[1]), {}\n"
    "if run and #run >= 64 and run:byte(1) == 2 then\n"
    "  added = redis.call('LRANGE', ARGV[1] .. string.format('%.0f', struct.unpack('<I4', run, 9)), 0, -1)\n"
    "  return { run, redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', '(' .. struct.unpack('<H', run, 47)), added }\n"
    "end\n"
    "return { run, redis.call('ZRANGE', KEYS[2], 0, -1), added }";

static void add_checkpoints(struct loaded_run *run, const redisReply *members)
{
    for (size_t i = 0; i < members->elements; i++)
        run->checkpoints[run->checkpoint_count++] = (struct bytes){ members->element[i]->str, (size_t)members->element[i]->len };
}

static int read_run(struct redis_store *store, const char *id, struct loaded_run *run, struct error *ret_error)
{
    int shard = store_shard_of(store, id);
    AUTO_FREE char *record = keys_format(store_prefix(store, shard), "run:%s", id);
    AUTO_FREE char *steps = keys_format(store_prefix(store, shard), "steps:%s", id);
    AUTO_FREE char *added = keys_format(store_prefix(store, shard), "added:%s:", id);

    redisReply *reply = NULL;
    int status = store_commandf(store, shard, &reply, "EVAL %s 2 %s %s %s", READ_RUN, record, steps, added);
    if (status != 0)
        return error_set(ret_error, -status, "Redis: %s", strerror(-status));
    run->reply = reply;
    const redisReply *bytes = reply->element[0];
    const redisReply *settled = reply->element[1];
    const redisReply *listed = reply->element[2];
    if (bytes->type != REDIS_REPLY_STRING)
        return error_set(ret_error, ENOENT, "the store has no run %s", id);
    run->zone = msgpack_zone_new(1024);
    run->checkpoints = xcalloc(settled->elements + listed->elements + 1, sizeof(*run->checkpoints));
    add_checkpoints(run, settled);
    add_checkpoints(run, listed);
    memcpy(run->id, id, RUN_ID_LENGTH + 1);
    return record_decode((struct bytes){ bytes->str, (size_t)bytes->len }, run->zone, &run->record, ret_error);
}

int runs_load(struct redis_store *store, const char *id, struct loaded_run *ret_run, struct error *ret_error)
{
    struct loaded_run run = { 0 };

    if (!run_id_is_valid(id))
        return error_set(ret_error, ENOENT, "'%.60s' is no run id (32 hex digits)", id);
    int status = read_run(store, id, &run, ret_error);
    if (status != 0) {
        loaded_run_done(&run);
        return status;
    }
    *ret_run = run;
    return 0;
}

/* ---- lists ------------------------------------------------------------------------------------- */

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

    int status = store_commandf(store, shard, &reply, "%s %s %s %s", command, key, first, last);
    ids->skip = 0;
    if (status == 0)
        add_ids(ids, reply);
    return status;
}

/* Of all that stand in `workers`, the runs of one kind. */
static int list_of_workers(struct redis_store *store, int shard, const char *workers_name, const char *kind, const char *command,
                           struct ids *ids)
{
    AUTO_REPLY workers = NULL;
    const char *prefix = store_prefix(store, shard);
    AUTO_FREE char *key = keys_format(prefix, "%s", workers_name);

    int status = store_commandf(store, shard, &workers, "ZRANGE %s 0 -1", key);
    for (size_t i = 0; status == 0 && i < workers->elements && ids->count < ids->limit; i++) {
        AUTO_FREE char *list = keys_format(prefix, "%s:%s", kind, workers->element[i]->str);
        AUTO_REPLY reply = NULL;
        status = store_commandf(store, shard, &reply, command, list);
        if (status == 0)
            add_ids(ids, reply);
    }
    return status;
}

static int list_owned(struct redis_store *store, int shard, struct ids *ids)
{
    int status = list_of_workers(store, shard, "workers", "owned", "ZRANGE %s 0 -1", ids);

    return status != 0 ? status : list_of_workers(store, shard, "holders", "held", "SMEMBERS %s", ids);
}

static int count_by(struct redis_store *store, int shard, const char *command, const char *name, uint64_t *sum)
{
    AUTO_REPLY reply = NULL;
    AUTO_FREE char *key = keys_format(store_prefix(store, shard), "%s", name);
    int status = store_commandf(store, shard, &reply, command, key);

    if (status == 0)
        *sum += (uint64_t)reply->integer;
    return status;
}

static int count_key(struct redis_store *store, int shard, const char *name, uint64_t *sum)
{
    return count_by(store, shard, "ZCARD %s", name, sum);
}

/* The lines in which runs wait for room under their function's concurrency. */
static int read_lines(struct redis_store *store, int shard, redisReply **ret_functions)
{
    AUTO_FREE char *key = keys_format(store_prefix(store, shard), "lines");

    return store_commandf(store, shard, ret_functions, "SMEMBERS %s", key);
}

/* Of a list that stands behind others: what is skipped of all may end in it. */
static int list_rest(struct redis_store *store, int shard, const char *name, const char *command, struct ids *ids)
{
    AUTO_FREE char *key = keys_format(store_prefix(store, shard), "%s", name);
    uint64_t size = 0;
    int status = count_key(store, shard, name, &size);

    if (status != 0 || ids->skip < size)
        return status != 0 ? status : list_one(store, shard, key, command, ids);
    ids->skip -= (size_t)size;
    return 0;
}

static int list_lines(struct redis_store *store, int shard, const char *kind, struct ids *ids)
{
    AUTO_REPLY functions = NULL;
    int status = read_lines(store, shard, &functions);

    for (size_t i = 0; status == 0 && i < functions->elements && ids->count < ids->limit; i++) {
        AUTO_FREE char *line = xasprintf("%s:%s", kind, functions->element[i]->str);
        status = list_rest(store, shard, line, "ZRANGE", ids);
    }
    return status;
}

/* Their keys are found by a walk over all keys: for people, who can wait. */
static int list_behind(struct redis_store *store, int shard, struct ids *ids)
{
    char cursor[24] = "0";
    AUTO_FREE char *pattern = keys_format(store_prefix(store, shard), "behind:*");

    do {
        AUTO_REPLY reply = NULL;
        int status = store_commandf(store, shard, &reply, "SCAN %s MATCH %s COUNT 1000 TYPE zset", cursor, pattern);
        if (status != 0)
            return status;
        (void)snprintf(cursor, sizeof(cursor), "%s", reply->element[0]->str);
        const redisReply *keys = reply->element[1];
        for (size_t i = 0; i < keys->elements && ids->count < ids->limit; i++) {
            AUTO_REPLY members = NULL;
            status = store_commandf(store, shard, &members, "ZRANGE %b 0 -1", keys->element[i]->str, (size_t)keys->element[i]->len);
            if (status != 0)
                return status;
            add_ids(ids, members);
        }
    } while (strcmp(cursor, "0") != 0 && ids->count < ids->limit);
    return 0;
}

#define DELAYED_OF_SEVERAL "delayed-3" /* runs of several events */

static const struct sorted {
    const char *key;
    const char *by_place;
    const char *by_score;
} SORTED[] = {
    [RUNS_DELAYED] = { "delayed", "ZRANGE", "ZRANGEBYSCORE" },     [RUNS_WAITING] = { "waiting", "ZRANGE", "ZRANGEBYSCORE" },
    [RUNS_DEAD] = { "dead", "ZREVRANGE", "ZREVRANGEBYSCORE" },     [RUNS_HISTORY] = { "history", "ZREVRANGE", "ZREVRANGEBYSCORE" },
    [RUNS_NEWEST] = { "newest", "ZREVRANGE", "ZREVRANGEBYSCORE" },
};

int runs_list(struct redis_store *store, enum runs_list list, int shard, size_t first, size_t limit, struct run_id **ret_ids,
              size_t *ret_count)
{
    struct ids ids = { .skip = first, .limit = limit };
    int status = 0;

    if (limit == 0) {
        status = 0;
    } else if (list == RUNS_OWNED) {
        status = list_owned(store, shard, &ids);
    } else if (list == RUNS_BEHIND) {
        status = list_behind(store, shard, &ids);
    } else if (list == RUNS_QUEUED) {
        status = list_lines(store, shard, "queue", &ids);
    } else {
        status = list_rest(store, shard, SORTED[list].key, SORTED[list].by_place, &ids);
        if (status == 0 && list == RUNS_DELAYED)
            status = list_rest(store, shard, DELAYED_OF_SEVERAL, "ZRANGE", &ids);
        if (status == 0 && list == RUNS_DELAYED)
            status = list_lines(store, shard, "line", &ids);
    }
    if (status != 0) {
        free(ids.all);
        return status;
    }
    *ret_ids = ids.all;
    *ret_count = ids.count;
    return 0;
}

static bool is_sorted(enum runs_list list)
{
    return list != RUNS_OWNED && list != RUNS_BEHIND && list != RUNS_QUEUED;
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

static int add_page(struct redis_store *store, int shard, const char *name, const char *command, struct page *page)
{
    AUTO_REPLY reply = NULL;
    AUTO_FREE char *key = keys_format(store_prefix(store, shard), "%s", name);
    AUTO_FREE char *from = score_text(page->from_ms);
    AUTO_FREE char *to = score_text(page->last_ms);
    AUTO_FREE char *most = xasprintf("%zu", page->limit);
    int status = store_commandf(store, shard, &reply, "%s %s %s %s WITHSCORES LIMIT 0 %s", command, key, from, to, most);

    if (status != 0)
        return status;
    page->runs = xrealloc(page->runs, (page->count + reply->elements / 2 + 1) * sizeof(*page->runs));
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        struct listed_run *run = &page->runs[page->count++];
        *run = (struct listed_run){ .after.at_ms = (int64_t)strtod(reply->element[i + 1]->str, NULL), .after.skip = page->count };
        (void)snprintf(run->id.text, sizeof(run->id.text), "%s", reply->element[i]->str);
    }
    return 0;
}

static int add_lines_page(struct redis_store *store, int shard, struct page *page)
{
    AUTO_REPLY functions = NULL;
    int status = read_lines(store, shard, &functions);

    for (size_t i = 0; status == 0 && i < functions->elements; i++) {
        AUTO_FREE char *line = xasprintf("line:%s", functions->element[i]->str);
        status = add_page(store, shard, line, "ZRANGEBYSCORE", page);
    }
    return status;
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

    assert(is_sorted(list));
    int status = add_page(store, shard, SORTED[list].key, SORTED[list].by_score, &page);
    if (status == 0 && list == RUNS_DELAYED) {
        size_t listed = page.count;
        status = add_page(store, shard, DELAYED_OF_SEVERAL, "ZRANGEBYSCORE", &page);
        if (status == 0)
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
    AUTO_FREE char *key = keys_format(store_prefix(store, shard), "%s", SORTED[RUNS_NEWEST].key);
    int status = store_commandf(store, shard, &reply, "ZRANGE %s 0 0 WITHSCORES", key);

    if (status == 0)
        *ret_since_ms = reply->elements == 2 ? (int64_t)strtod(reply->element[1]->str, NULL) : INT64_MAX;
    return status;
}

/* ---- changes ----------------------------------------------------------------------------------- */

static void add_order(struct script_call *call, const struct record *record, char **ret_place)
{
    *ret_place = xasprintf("%s:%d", record->topic, (int)record->partition);
    script_add_text(call, record->function);
    script_add_text(call, *ret_place);
    script_add_number(call, record->offset);
    script_add(call, record->key);
}

static int change(struct redis_store *store, struct script_call *call, enum runs_change *ret_change, struct error *ret_error)
{
    AUTO_REPLY reply = NULL;
    int status = store_call(store, call, &reply);

    if (status != 0)
        return error_set(ret_error, -status, "Redis: %s", strerror(-status));
    static const enum runs_change ANSWERS[] = { RUNS_CHANGED, RUNS_ASKED, RUNS_IN_VAIN };
    int64_t answer = reply->element[0]->integer;
    *ret_change = answer >= 0 && answer <= 2 ? ANSWERS[answer] : RUNS_IN_VAIN;
    return 0;
}

/* RUNS_CHANGED: it has a record meanwhile, and nothing was done. */
static int end_first_attempt(struct redis_store *store, const char *id, enum runs_change *ret_change, struct error *ret_error)
{
    struct script_call call;

    script_begin(&call, "want", store_shard_of(store, id));
    script_add_text(&call, id);
    script_add_number(&call, UNWANTED_TOLD_MS);
    int status = change(store, &call, ret_change, ret_error);
    if (status == 0)
        *ret_change = *ret_change == RUNS_CHANGED ? RUNS_ASKED : RUNS_CHANGED;
    return status;
}

int runs_cancel(struct redis_store *store, const char *id, enum runs_change *ret_change, struct error *ret_error)
{
    AUTO_FREE char *place = NULL;
    struct script_call call;
    struct loaded_run run;

    int status = runs_load(store, id, &run, ret_error);
    if (status == -ENOENT) {
        status = end_first_attempt(store, id, ret_change, ret_error);
        if (status != 0 || *ret_change == RUNS_ASKED)
            return status;
        status = runs_load(store, id, &run, ret_error);
    }
    if (status != 0)
        return status;
    script_begin(&call, "cancel", store_shard_of(store, id));
    script_add_text(&call, id);
    add_order(&call, &run.record, &place);
    script_add_text(&call, store_history_letter(store));
    status = change(store, &call, ret_change, ret_error);
    loaded_run_done(&run);
    return status;
}

/* Failed steps run again, and on_failure's begin anew. */
static bool is_dropped(struct bytes member)
{
    struct checkpoint checkpoint;
    msgpack_zone zone;

    if (!msgpack_zone_init(&zone, 512))
        abort();
    bool is_damaged = checkpoint_decode(member, &zone, &checkpoint, NULL) != 0;
    bool is_kept = !is_damaged && checkpoint.kind != CHECKPOINT_FAILED && checkpoint.phase == RUN_IN_FUNCTION;
    msgpack_zone_destroy(&zone);
    return !is_kept;
}

int runs_retry(struct redis_store *store, const char *id, enum runs_change *ret_change, struct error *ret_error)
{
    AUTO_FREE char *place = NULL;
    struct script_call call;
    struct loaded_run run;

    int status = runs_load(store, id, &run, ret_error);
    if (status != 0)
        return status;
    script_begin(&call, "retry", store_shard_of(store, id));
    script_add_text(&call, id);
    script_add_number(&call, run.record.epoch);
    add_order(&call, &run.record, &place);
    /* The positions as one argument: there may be many. */
    AUTO_FREE char *dropped = xcalloc(run.checkpoint_count + 1, 12);
    size_t length = 0;
    for (size_t i = 0; i < run.checkpoint_count; i++) {
        if (is_dropped(run.checkpoints[i]))
            length += (size_t)snprintf(dropped + length, 12, "%zu ", i);
    }
    script_add_text(&call, dropped);
    status = change(store, &call, ret_change, ret_error);
    loaded_run_done(&run);
    return status;
}

/* ---- numbers ----------------------------------------------------------------------------------- */

static void add_counts(struct worker_counts *counts, const redisReply *hash)
{
    const struct {
        const char *name;
        uint64_t *value;
    } FIELDS[] = {
        { "events_consumed", &counts->events_consumed },     { "runs_started", &counts->runs_started },
        { "runs_completed", &counts->runs_completed },       { "runs_failed", &counts->runs_failed },
        { "retries_scheduled", &counts->retries_scheduled }, { "dead_letters", &counts->dead_letters },
    };

    for (size_t i = 0; i + 1 < hash->elements; i += 2) {
        for (size_t k = 0; k < COUNT_OF(FIELDS); k++) {
            if (strcmp(hash->element[i]->str, FIELDS[k].name) == 0)
                *FIELDS[k].value += strtoull(hash->element[i + 1]->str, NULL, 10);
        }
    }
}

/* In one call, however many functions have one. */
static int count_lines(struct redis_store *store, int shard, const char *kind, uint64_t *count)
{
    static const char script[] = "local sum = 0\n"
                                 "for _, fn in ipairs(redis.call('SMEMBERS', KEYS[1] .. 'lines')) do\n"
                                 "  sum = sum + redis.call('ZCARD', KEYS[1] .. ARGV[1] .. ':' .. fn)\n"
                                 "end\n"
                                 "return sum";
    const char *prefix = store_prefix(store, shard);
    const struct bytes words[] = {
        { "EVAL", 4 }, { script, sizeof(script) - 1 }, { "1", 1 }, { prefix, strlen(prefix) }, { kind, strlen(kind) }
    };
    AUTO_REPLY reply = NULL;
    int status = store_command(store, shard, COUNT_OF(words), words, &reply);

    if (status == 0)
        *count += (uint64_t)reply->integer;
    return status;
}

int runs_count(struct redis_store *store, enum runs_list list, int shard, uint64_t *ret_count)
{
    uint64_t count = 0;

    assert(is_sorted(list));
    int status = count_key(store, shard, SORTED[list].key, &count);
    if (status == 0 && list == RUNS_DELAYED)
        status = count_key(store, shard, DELAYED_OF_SEVERAL, &count);
    if (status == 0 && list == RUNS_DELAYED)
        status = count_lines(store, shard, "line", &count);
    if (status == 0)
        *ret_count = count;
    return status;
}

static int read_next_due(struct redis_store *store, int shard, const char *list, int64_t *next_due_ms)
{
    AUTO_REPLY reply = NULL;
    AUTO_FREE char *key = keys_format(store_prefix(store, shard), "%s", list);
    int status = store_commandf(store, shard, &reply, "ZRANGE %s 0 0 WITHSCORES", key);

    if (status == 0 && reply->elements == 2) {
        int64_t due_ms = (int64_t)strtod(reply->element[1]->str, NULL);
        if (*next_due_ms == 0 || due_ms < *next_due_ms)
            *next_due_ms = due_ms;
    }
    return status;
}

static int read_counts(struct redis_store *store, int shard, const char *name, struct worker_counts *counts)
{
    AUTO_REPLY reply = NULL;
    AUTO_FREE char *key = keys_format(store_prefix(store, shard), "%s", name);
    int status = store_commandf(store, shard, &reply, "HGETALL %s", key);

    if (status == 0)
        add_counts(counts, reply);
    return status;
}

static int count_held(struct redis_store *store, int shard, uint64_t *count)
{
    AUTO_REPLY holders = NULL;
    AUTO_FREE char *key = keys_format(store_prefix(store, shard), "holders");

    int status = store_commandf(store, shard, &holders, "ZRANGE %s 0 -1", key);
    for (size_t i = 0; status == 0 && i < holders->elements; i++) {
        AUTO_FREE char *held = xasprintf("held:%s", holders->element[i]->str);
        status = count_by(store, shard, "SCARD %s", held, count);
    }
    return status;
}

static int add_shard(struct redis_store *store, int shard, struct runs_stats *stats)
{
    AUTO_REPLY workers = NULL;
    AUTO_FREE char *workers_key = keys_format(store_prefix(store, shard), "workers");

    int status = store_commandf(store, shard, &workers, "ZRANGE %s 0 -1", workers_key);
    if (status == 0)
        status = read_counts(store, shard, "stats", &stats->counts);
    for (size_t i = 0; status == 0 && i < workers->elements; i++) {
        AUTO_FREE char *owned = xasprintf("owned:%s", workers->element[i]->str);
        AUTO_FREE char *counted = xasprintf("stats:%s", workers->element[i]->str);
        status = read_counts(store, shard, counted, &stats->counts);
        if (status == 0)
            status = count_key(store, shard, owned, &stats->owned);
    }
    if (status == 0)
        status = count_held(store, shard, &stats->owned);
    if (status == 0 && workers->elements > stats->workers)
        stats->workers = workers->elements;
    if (status == 0)
        status = count_key(store, shard, "delayed", &stats->delayed);
    if (status == 0)
        status = count_key(store, shard, DELAYED_OF_SEVERAL, &stats->delayed);
    if (status == 0)
        status = count_lines(store, shard, "line", &stats->delayed);
    if (status == 0)
        status = count_lines(store, shard, "queue", &stats->queued);
    if (status == 0)
        status = count_key(store, shard, "waiting", &stats->waiting);
    if (status == 0)
        status = count_key(store, shard, "dead", &stats->dead);
    if (status == 0)
        status = count_key(store, shard, "history", &stats->history);
    if (status == 0)
        status = read_next_due(store, shard, "delayed", &stats->next_due_ms);
    return status != 0 ? status : read_next_due(store, shard, DELAYED_OF_SEVERAL, &stats->next_due_ms);
}

int runs_stats(struct redis_store *store, struct runs_stats *ret_stats)
{
    struct runs_stats stats = { 0 };

    for (int shard = 0; shard < store_shards(store); shard++) {
        int status = add_shard(store, shard, &stats);
        if (status != 0)
            return status;
    }
    *ret_stats = stats;
    return 0;
}

int store_workers_alive(struct redis_store *store, int shard, int64_t *ret_count)
{
    AUTO_FREE char *key = keys_format(store_prefix(store, shard), "workers");
    AUTO_FREE char *least = xasprintf("%" PRId64, store_now_ms(store));
    AUTO_REPLY reply = NULL;
    int status = store_commandf(store, shard, &reply, "ZCOUNT %s %s +inf", key, least);

    if (status == 0)
        *ret_count = reply->integer;
    return status;
}
