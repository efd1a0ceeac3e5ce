/* SPDX-License-Identifier: Apache-2.0 */
#include "store/runs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/checkpoints.h"
#include "store/redis/keys.h"
#include "store/redis/record.h"
#include "store/redis/runs_change.h"
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

/* ---- changes ----------------------------------------------------------------------------------- */

static void add_order(struct script_call *call, const struct record *record, char **ret_place)
{
    *ret_place = xasprintf("%s:%d", record->topic, (int)record->partition);
    script_add_text(call, record->function);
    script_add_text(call, *ret_place);
    script_add_number(call, record->offset);
    script_add(call, record->key);
}

enum runs_change runs_change_of(const redisReply *reply)
{
    static const enum runs_change ANSWERS[] = { RUNS_CHANGED, RUNS_ASKED, RUNS_IN_VAIN };
    int64_t answer = reply->element[0]->integer;

    return answer >= 0 && answer <= 2 ? ANSWERS[answer] : RUNS_IN_VAIN;
}

static int change(struct redis_store *store, struct script_call *call, enum runs_change *ret_change, struct error *ret_error)
{
    AUTO_REPLY reply = NULL;
    int status = store_call(store, call, &reply);

    if (status != 0)
        return error_set(ret_error, -status, "Redis: %s", strerror(-status));
    *ret_change = runs_change_of(reply);
    return 0;
}

void runs_begin_retry(struct script_call *call, struct redis_store *store, const struct loaded_run *run, const char *dropped,
                      char **ret_place)
{
    script_begin(call, "retry", store_shard_of(store, run->id));
    script_add_text(call, run->id);
    script_add_number(call, run->record.epoch);
    add_order(call, &run->record, ret_place);
    script_add_text(call, dropped);
}

void runs_begin_cancel(struct script_call *call, struct redis_store *store, const struct loaded_run *run, char **ret_place)
{
    script_begin(call, "cancel", store_shard_of(store, run->id));
    script_add_text(call, run->id);
    add_order(call, &run->record, ret_place);
    script_add_text(call, store_history_letter(store));
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
    runs_begin_cancel(&call, store, &run, &place);
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
    /* The positions as one argument: there may be many. */
    AUTO_FREE char *dropped = xcalloc(run.checkpoint_count + 1, 12);
    size_t length = 0;
    for (size_t i = 0; i < run.checkpoint_count; i++) {
        if (is_dropped(run.checkpoints[i]))
            length += (size_t)snprintf(dropped + length, 12, "%zu ", i);
    }
    runs_begin_retry(&call, store, &run, dropped, &place);
    status = change(store, &call, ret_change, ret_error);
    loaded_run_done(&run);
    return status;
}
