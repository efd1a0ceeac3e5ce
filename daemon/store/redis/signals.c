/* SPDX-License-Identifier: Apache-2.0 */
#include "store/signals.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/clock.h"
#include "run/signal_wait.h"
#include "store/redis/store_internal.h"

#define LOOK_MS 10         /* for the lock of another … */
#define LOOK_MOST_MS 12000 /* … which has run out by then */

/* The index of a signal's waits, as key_of_wait() of waits.lua has it. Released by msgpack. */
static void write_key(const char *signal, msgpack_sbuffer *key)
{
    msgpack_sbuffer value;

    msgpack_sbuffer_init(key);
    msgpack_sbuffer_init(&value);
    msgpack_sbuffer_write(key, SIGNAL_EVENT, sizeof(SIGNAL_EVENT));
    signal_wait_index(signal, key, &value);
    msgpack_sbuffer_write(key, "", 1);
    msgpack_sbuffer_write(key, value.data, value.size);
    msgpack_sbuffer_destroy(&value);
}

static int ask(struct redis_store *store, const char *signal, int shard, const char *what, const char *who, redisReply **ret_reply)
{
    struct script_call call;
    msgpack_sbuffer key;

    write_key(signal, &key);
    script_begin(&call, "signal", shard);
    script_add_text(&call, what);
    script_add(&call, (struct bytes){ key.data, key.size });
    script_add_text(&call, who);
    int status = store_call(store, &call, ret_reply);
    msgpack_sbuffer_destroy(&key);
    return status;
}

static int shard_of(const struct redis_store *store, const char *signal)
{
    return (int)(XXH3_64bits(signal, strlen(signal)) % (unsigned)store_shards(store));
}

/* Waits while another has it. */
static int lock(struct redis_store *store, const char *signal, const struct run_id *run)
{
    int64_t until_ms = clock_monotonic_ms() + LOOK_MOST_MS;
    bool is_ours = false;
    int status = 0;

    while (status == 0 && !is_ours && clock_monotonic_ms() < until_ms) {
        AUTO_REPLY reply = NULL;
        status = ask(store, signal, shard_of(store, signal), "lock", run->text, &reply);
        is_ours = status == 0 && reply->element[0]->integer == 1;
        if (status == 0 && !is_ours)
            (void)usleep(LOOK_MS * 1000);
    }
    return status;
}

static int count(struct redis_store *store, const char *signal, const char *what, size_t *ret_count)
{
    int status = 0;

    *ret_count = 0;
    for (int shard = 0; status == 0 && shard < store_shards(store); shard++) {
        AUTO_REPLY reply = NULL;
        status = ask(store, signal, shard, what, "", &reply);
        if (status == 0)
            *ret_count += reply->element[2]->elements;
    }
    return status;
}

int signals_begin(struct redis_store *store, const char *signal, const struct run_id *run, bool replaces, bool *ret_is_free)
{
    size_t others;
    int status = lock(store, signal, run);

    if (status == 0)
        status = count(store, signal, replaces ? "hide" : "find", &others);
    *ret_is_free = status == 0 && (replaces || others == 0);
    return status;
}

int signals_end(struct redis_store *store, const char *signal, const struct run_id *run)
{
    AUTO_REPLY reply = NULL;

    return ask(store, signal, shard_of(store, signal), "unlock", run->text, &reply);
}

int signals_take(struct redis_store *store, const char *signal, const char *sender, struct run_id *ret_run)
{
    for (int shard = 0; shard < store_shards(store); shard++) {
        AUTO_REPLY reply = NULL;
        int status = ask(store, signal, shard, "take", sender, &reply);
        if (status != 0)
            return status;
        if (reply->element[0]->integer == 0)
            continue;
        memcpy(ret_run->text, reply->element[2]->element[0]->str, RUN_ID_LENGTH);
        ret_run->text[RUN_ID_LENGTH] = '\0';
        return 0;
    }
    return -ENOENT;
}

int signals_give_back(struct redis_store *store, const char *signal, const char *sender, const struct run_id *run)
{
    AUTO_REPLY reply = NULL;

    return ask(store, signal, store_shard_of(store, run->text), "give", sender, &reply);
}
