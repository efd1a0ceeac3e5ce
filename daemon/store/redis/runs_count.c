/* SPDX-License-Identifier: Apache-2.0 */
/* How many runs there are, and what was counted of them (store/runs.h). */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "store/redis/keys.h"
#include "store/redis/runs_internal.h"
#include "store/redis/runs_lines.h"

int runs_count_key(struct redis_store *store, int shard, const char *name, uint64_t *sum)
{
    AUTO_REPLY reply = NULL;
    AUTO_FREE char *key = keys_format(store_prefix(store, shard), "%s", name);
    int status = store_commandf(store, shard, &reply, "ZCARD %s", key);

    if (status == 0)
        *sum += (uint64_t)reply->integer;
    return status;
}

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

int runs_count(struct redis_store *store, enum runs_list list, int shard, uint64_t *ret_count)
{
    uint64_t count = 0;

    assert(runs_is_sorted(list));
    int status = runs_count_key(store, shard, RUNS_SORTED[list].key, &count);
    if (status == 0 && (list == RUNS_DELAYED || list == RUNS_DUE))
        status = runs_count_key(store, shard, RUNS_DELAYED_OF_SEVERAL, &count);
    if (status == 0 && list == RUNS_DELAYED)
        status = lines_count(store, shard, LINES_ROOM, &count);
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

/* There may be many workers: all are asked in one call. Of each that stands in `workers` what it has counted and how many runs it owns;
 * behind them how many runs those hold that stand in `holders`. */
static const char OF_WORKERS[] =
    "local r, held = {}, 0\n"
    "for i, worker in ipairs(redis.call('ZRANGE', KEYS[1] .. 'workers', 0, -1)) do\n"
    "  r[i] = { redis.call('HGETALL', KEYS[1] .. 'stats:' .. worker), redis.call('ZCARD', KEYS[1] .. 'owned:' .. worker) }\n"
    "end\n"
    "for _, worker in ipairs(redis.call('ZRANGE', KEYS[1] .. 'holders', 0, -1)) do\n"
    "  held = held + redis.call('SCARD', KEYS[1] .. 'held:' .. worker)\n"
    "end\n"
    "return { r, held }";

static int add_workers(struct redis_store *store, int shard, struct runs_stats *stats)
{
    AUTO_REPLY reply = NULL;
    int status = store_commandf(store, shard, &reply, "EVAL %s 1 %s", OF_WORKERS, store_prefix(store, shard));

    if (status != 0)
        return status;
    const redisReply *workers = reply->element[0];
    for (size_t i = 0; i < workers->elements; i++) {
        add_counts(&stats->counts, workers->element[i]->element[0]);
        stats->owned += (uint64_t)workers->element[i]->element[1]->integer;
    }
    stats->owned += (uint64_t)reply->element[1]->integer;
    if (workers->elements > stats->workers)
        stats->workers = workers->elements;
    return 0;
}

static int add_shard(struct redis_store *store, int shard, struct runs_stats *stats)
{
    int status = read_counts(store, shard, "stats", &stats->counts);

    if (status == 0)
        status = add_workers(store, shard, stats);
    if (status == 0)
        status = runs_count_key(store, shard, "delayed", &stats->delayed);
    if (status == 0)
        status = runs_count_key(store, shard, RUNS_DELAYED_OF_SEVERAL, &stats->delayed);
    if (status == 0)
        status = lines_count(store, shard, LINES_ROOM, &stats->queued);
    if (status == 0)
        status = lines_count(store, shard, LINES_TURN, &stats->queued);
    if (status == 0)
        status = runs_count_key(store, shard, "waiting", &stats->waiting);
    if (status == 0)
        status = runs_count_key(store, shard, "dead", &stats->dead);
    if (status == 0)
        status = runs_count_key(store, shard, "history", &stats->history);
    if (status == 0)
        status = read_next_due(store, shard, "delayed", &stats->next_due_ms);
    return status != 0 ? status : read_next_due(store, shard, RUNS_DELAYED_OF_SEVERAL, &stats->next_due_ms);
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
