/* SPDX-License-Identifier: Apache-2.0 */
#include "store/shelf.h"

#include <string.h>

#include "store/redis/store_internal.h"

int shelf_save(struct redis_store *store, const char *shelf, const char *name, struct bytes thing)
{
    AUTO_REPLY reply = NULL;
    AUTO_FREE char *key = xasprintf("%s%s", store_prefix(store, 0), shelf);

    return store_commandf(store, 0, &reply, "HSET %s %s %b", key, name, thing.data, thing.size);
}

int shelf_find(struct redis_store *store, const char *shelf, const char *name, struct bytes *ret_thing)
{
    AUTO_REPLY reply = NULL;
    AUTO_FREE char *key = xasprintf("%s%s", store_prefix(store, 0), shelf);
    int status = store_commandf(store, 0, &reply, "HGET %s %s", key, name);

    *ret_thing = (struct bytes){ NULL, 0 };
    if (status == 0 && reply->type == REDIS_REPLY_STRING)
        *ret_thing = (struct bytes){ xmemdup(reply->str, reply->len), reply->len };
    return status;
}

int shelf_remove(struct redis_store *store, const char *shelf, const char *name, bool *ret_was_there)
{
    AUTO_REPLY reply = NULL;
    AUTO_FREE char *key = xasprintf("%s%s", store_prefix(store, 0), shelf);
    int status = store_commandf(store, 0, &reply, "HDEL %s %s", key, name);

    if (status == 0)
        *ret_was_there = reply->type == REDIS_REPLY_INTEGER && reply->integer == 1;
    return status;
}

int shelf_load(struct redis_store *store, const char *shelf, void (*each)(void *context, const char *name, struct bytes thing),
               void *context)
{
    AUTO_REPLY reply = NULL;
    AUTO_FREE char *key = xasprintf("%s%s", store_prefix(store, 0), shelf);
    int status = store_commandf(store, 0, &reply, "HGETALL %s", key);

    if (status != 0)
        return status;
    for (size_t i = 0; i + 1 < reply->elements; i += 2)
        each(context, reply->element[i]->str, (struct bytes){ reply->element[i + 1]->str, reply->element[i + 1]->len });
    return 0;
}
