/* SPDX-License-Identifier: Apache-2.0 */
#include "store/orphans.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "store/redis/keys.h"
#include "store/redis/store_internal.h"
#include "store/runs.h"

#define TIME_MS 10000
#define AT_ONCE 100

/* Of the runs given those that are in no list, and all that wait behind another: in which list those
 * should be stands in their bodies, which scripts don't read. */
static const char SCRIPT[] =
    "local P, lost = KEYS[1], {}\n"
    "local function hex(s) return (s:gsub('.', function(c) return string.format('%02x', c:byte()) end)) end\n"
    "local lines = redis.call('SMEMBERS', P .. 'lines')\n"
    "local function in_line(id)\n"
    "  for _, fn in ipairs(lines) do if redis.call('ZSCORE', P .. 'line:' .. fn, id) then return true end end\n"
    "end\n"
    "for _, id in ipairs(ARGV) do\n"
    "  local h = redis.call('GETRANGE', P .. 'run:' .. id, 0, 63)\n"
    "  if #h == 64 then\n"
    "    local s = h:sub(2, 2)\n"
    "    if (s == 'd' or s == 's') and not redis.call('ZSCORE', P .. (h:byte(1) == 3 and 'delayed-3' or 'delayed'), id) and not "
    "in_line(id) then lost[#lost + 1] = id end\n"
    "    local w = s == 'o' and hex(h:sub(49, 64))\n"
    "    if w and not redis.call('ZSCORE', P .. 'owned:' .. w, id) and redis.call('SISMEMBER', P .. 'held:' .. w, id) == 0 then\n"
    "      lost[#lost + 1] = id\n"
    "    end\n"
    "    if s == 'b' then lost[#lost + 1] = id end\n"
    "  end\n"
    "end\n"
    "return lost";

static int ask(struct redis_store *store, int shard, const struct bytes *ids, size_t count, redisReply **ret_reply)
{
    struct bytes words[AT_ONCE + 4];
    const char *prefix = store_prefix(store, shard);

    words[0] = (struct bytes){ "EVAL", 4 };
    words[1] = (struct bytes){ SCRIPT, sizeof(SCRIPT) - 1 };
    words[2] = (struct bytes){ "1", 1 };
    words[3] = (struct bytes){ prefix, strlen(prefix) };
    memcpy(words + 4, ids, count * sizeof(*ids));
    return store_command(store, shard, count + 4, words, ret_reply);
}

static bool is_listed_behind(struct redis_store *store, const char *id, const struct record *record)
{
    int shard = store_shard_of(store, id);
    struct bytes list = keys_behind(store_prefix(store, shard), record->topic, record->partition, record->function, record->key);
    const struct bytes words[] = { { "ZSCORE", 6 }, list, { id, RUN_ID_LENGTH } };
    AUTO_REPLY reply = NULL;

    int status = store_command(store, shard, COUNT_OF(words), words, &reply);
    free((void *)(uintptr_t)list.data);
    return status != 0 || reply->type == REDIS_REPLY_STRING;
}

/* Asked again, since it may have moved on. */
static bool is_lost(struct redis_store *store, int shard, const char *id)
{
    struct loaded_run run;
    AUTO_REPLY reply = NULL;

    if (runs_load(store, id, &run, NULL) != 0)
        return false;
    bool is_behind = run.record.status == RUN_BEHIND;
    bool is_listed = is_behind && is_listed_behind(store, id, &run.record);
    loaded_run_done(&run);
    if (is_listed || ask(store, shard, &(struct bytes){ id, RUN_ID_LENGTH }, 1, &reply) != 0)
        return false;
    return reply->elements == 1;
}

static int look_at(struct redis_store *store, int shard, const struct bytes *ids, size_t count, struct orphans *orphans)
{
    AUTO_REPLY reply = NULL;
    int status = ask(store, shard, ids, count, &reply);

    if (status != 0)
        return status;
    orphans->looked_at += count;
    for (size_t i = 0; i < reply->elements; i++) {
        const redisReply *id = reply->element[i];
        if (id->len != RUN_ID_LENGTH || !is_lost(store, shard, id->str))
            continue;
        if (orphans->count++ == 0)
            memcpy(orphans->first.text, id->str, RUN_ID_LENGTH + 1);
    }
    return 0;
}

static int look_through(struct redis_store *store, int shard, int64_t until_ms, struct orphans *orphans)
{
    AUTO_FREE char *keys = keys_format(store_prefix(store, shard), "run:");
    AUTO_FREE char *pattern = xasprintf("%s*", keys);
    size_t prefix_size = strlen(keys);
    char cursor[24] = "0";

    do {
        AUTO_REPLY page = NULL;
        struct bytes ids[AT_ONCE];
        size_t count = 0;
        int status = store_commandf(store, shard, &page, "SCAN %s MATCH %s COUNT 500", cursor, pattern);
        if (status != 0)
            return status;
        (void)snprintf(cursor, sizeof(cursor), "%s", page->element[0]->str);
        const redisReply *found = page->element[1];
        for (size_t i = 0; i < found->elements && status == 0; i++) {
            if (found->element[i]->len != prefix_size + RUN_ID_LENGTH)
                continue;
            ids[count++] = (struct bytes){ found->element[i]->str + prefix_size, RUN_ID_LENGTH };
            if (count == AT_ONCE || i + 1 == found->elements) {
                status = look_at(store, shard, ids, count, orphans);
                count = 0;
            }
        }
        if (status == 0 && count > 0)
            status = look_at(store, shard, ids, count, orphans);
        if (status != 0)
            return status;
        if (clock_monotonic_ms() > until_ms) {
            orphans->is_whole = false;
            return 0;
        }
    } while (strcmp(cursor, "0") != 0);
    return 0;
}

int orphans_find(struct redis_store *store, struct orphans *ret_orphans)
{
    struct orphans orphans = { .is_whole = true };
    int64_t until_ms = clock_monotonic_ms() + TIME_MS;

    for (int shard = 0; shard < store_shards(store); shard++) {
        int status = look_through(store, shard, until_ms, &orphans);
        if (status != 0)
            return status;
    }
    *ret_orphans = orphans;
    return 0;
}
