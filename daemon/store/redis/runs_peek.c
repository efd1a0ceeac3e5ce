/* SPDX-License-Identifier: Apache-2.0 */
#include "store/runs.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/redis/keys.h"
#include "store/redis/record.h"
#include "store/redis/store_internal.h"

#define HEAD_LAST "511" /* the last byte of a head: header, function, and most of what comes before the value */

static int read_records(struct redis_store *store, int shard, const struct run_id *ids, size_t count, const struct runs_peek *peek,
                        redisReply **ret_reply)
{
    static const char SCRIPT[] = "local r, call, status, most = {}, redis.call, ARGV[1], tonumber(ARGV[2]) for i, k in ipairs(KEYS) do "
                                 "if status ~= '' and call('GETRANGE', k, 1, 1) ~= status then r[i] = false "
                                 "elseif call('STRLEN', k) <= most then r[i] = call('GET', k) "
                                 "else r[i] = call('GETRANGE', k, 0, " HEAD_LAST ") end end return r";
    const char status_letter = (char)peek->status;
    struct bytes words[RUNS_PEEK_MOST + 5];
    char *keys[RUNS_PEEK_MOST];
    char key_count[24], whole_most[24];

    assert(count <= RUNS_PEEK_MOST);
    words[0] = (struct bytes){ "EVAL", 4 };
    words[1] = (struct bytes){ SCRIPT, sizeof(SCRIPT) - 1 };
    words[2] = (struct bytes){ key_count, (size_t)snprintf(key_count, sizeof(key_count), "%zu", count) };
    for (size_t i = 0; i < count; i++) {
        keys[i] = keys_format(store_prefix(store, shard), "run:%s", ids[i].text);
        words[i + 3] = (struct bytes){ keys[i], strlen(keys[i]) };
    }
    words[count + 3] = (struct bytes){ &status_letter, peek->status != 0 ? 1 : 0 };
    words[count + 4] = (struct bytes){ whole_most, (size_t)snprintf(whole_most, sizeof(whole_most), "%zu", peek->whole_most) };
    int status = store_command(store, shard, count + 5, words, ret_reply);
    for (size_t i = 0; i < count; i++)
        free(keys[i]);
    return status;
}

/* Decodes what is there of a record: false where it is neither a record nor the head of one. */
static bool decode(struct bytes data, struct loaded_run *run, bool *ret_is_whole)
{
    *ret_is_whole = record_decode(data, run->zone, &run->record, NULL) == 0;
    return *ret_is_whole || (data.size > RECORD_HEADER_SIZE && record_decode_head(data, run->zone, &run->record, NULL) == 0);
}

int runs_peek(struct redis_store *store, int shard, const struct run_id *ids, size_t count, const struct runs_peek *peek,
              bool (*look)(void *context, size_t index, const struct loaded_run *run, bool is_whole), void *context)
{
    AUTO_REPLY reply = NULL;
    bool goes_on = true;

    assert(count <= RUNS_PEEK_MOST);
    if (count == 0)
        return 0;
    int status = read_records(store, shard, ids, count, peek, &reply);
    if (status != 0)
        return status;
    for (size_t i = 0; i < count && i < reply->elements && goes_on; i++) {
        const redisReply *bytes = reply->element[i];
        struct loaded_run run = { 0 };
        bool is_whole;
        if (bytes->type != REDIS_REPLY_STRING)
            continue; /* ended and forgotten since the list was read, or of another status */
        run.zone = msgpack_zone_new(1024);
        memcpy(run.id, ids[i].text, sizeof(run.id));
        if (decode((struct bytes){ bytes->str, (size_t)bytes->len }, &run, &is_whole))
            goes_on = look(context, i, &run, is_whole);
        loaded_run_done(&run);
    }
    return 0;
}
