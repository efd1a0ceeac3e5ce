/* SPDX-License-Identifier: Apache-2.0 */
#include "store/copy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "store/redis/keys.h"
#include "store/redis/store_internal.h"

#define MADE_AT_THE_START "shards" /* by whoever looks first */

/* A page of keys: the cursor, then name, milliseconds left (-1: for ever) and value of each. One that ends meanwhile is left out. */
static const char PAGE[] = "local P = KEYS[1]\n"
                           "local page = redis.call('SCAN', ARGV[1], 'MATCH', P:gsub('[%[%]%*%?\\\\]', '\\\\%0') .. '*', 'COUNT', 200)\n"
                           "local answer = { page[1] }\n"
                           "for _, name in ipairs(page[2]) do\n"
                           "  local value = redis.call('DUMP', name)\n"
                           "  if value then\n"
                           "    answer[#answer + 1] = name:sub(#P + 1)\n"
                           "    answer[#answer + 1] = redis.call('PTTL', name)\n"
                           "    answer[#answer + 1] = value\n"
                           "  end\n"
                           "end\n"
                           "return answer";

static int ask_page(struct redis_store *store, int shard, const char *cursor, redisReply **ret_reply)
{
    const char *prefix = store_prefix(store, shard);
    const struct bytes words[] = {
        { "EVAL", 4 }, { PAGE, sizeof(PAGE) - 1 }, { "1", 1 }, { prefix, strlen(prefix) }, { cursor, strlen(cursor) }
    };

    return store_command(store, shard, COUNT_OF(words), words, ret_reply);
}

static struct bytes bytes_of(const redisReply *reply)
{
    return (struct bytes){ reply->str, (size_t)reply->len };
}

static bool show_page(struct redis_store *store, int shard, const redisReply *page, bool (*each)(void *, const struct copied_key *),
                      void *context)
{
    for (size_t i = 1; i + 2 < page->elements; i += 3) {
        int64_t left_ms = page->element[i + 1]->integer;
        const struct copied_key key = {
            .shard = shard,
            .name = bytes_of(page->element[i]),
            .expires_ms = left_ms >= 0 ? store_now_ms(store) + left_ms : 0,
            .value = bytes_of(page->element[i + 2]),
        };
        if (!each(context, &key))
            return false;
    }
    return true;
}

static int show_shard(struct redis_store *store, int shard, bool (*each)(void *, const struct copied_key *), void *context)
{
    char cursor[32] = "0";

    do {
        AUTO_REPLY page = NULL;
        int status = ask_page(store, shard, cursor, &page);
        if (status != 0)
            return status;
        if (!show_page(store, shard, page, each, context))
            return -ECANCELED;
        (void)snprintf(cursor, sizeof(cursor), "%s", page->element[0]->str);
    } while (strcmp(cursor, "0") != 0);
    return 0;
}

int copy_each(struct redis_store *store, bool (*each)(void *context, const struct copied_key *key), void *context)
{
    for (int shard = 0; shard < store_shards(store); shard++) {
        int status = show_shard(store, shard, each, context);
        if (status != 0)
            return status;
    }
    return 0;
}

static bool is_made_at_the_start(void *context, const struct copied_key *key)
{
    (void)context;
    return key->name.size == strlen(MADE_AT_THE_START) && memcmp(key->name.data, MADE_AT_THE_START, key->name.size) == 0;
}

int copy_is_empty(struct redis_store *store, bool *ret_is_empty)
{
    int status = copy_each(store, is_made_at_the_start, NULL);

    *ret_is_empty = status == 0;
    return status == -ECANCELED ? 0 : status;
}

int copy_put(struct redis_store *store, const struct copied_key *key)
{
    const char *prefix = store_prefix(store, key->shard);
    size_t size = strlen(prefix) + key->name.size;
    AUTO_FREE char *name = xmalloc(size + 1);
    AUTO_REPLY reply = NULL;
    char until[24];

    memcpy(name, prefix, strlen(prefix));
    memcpy(name + strlen(prefix), key->name.data, key->name.size);
    (void)snprintf(until, sizeof(until), "%lld", (long long)key->expires_ms);
    const struct bytes words[] = {
        { "RESTORE", 7 }, { name, size }, { until, strlen(until) }, key->value, { "REPLACE", 7 }, { "ABSTTL", 6 }
    };
    return store_command(store, key->shard, key->expires_ms > 0 ? 6 : 5, words, &reply);
}
