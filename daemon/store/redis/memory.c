/* SPDX-License-Identifier: Apache-2.0 */
#include "store/memory.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "store/redis/store_internal.h"

#define RUN_ID_SIZE 64 /* of a server's process */

/* The value of a line `name:value`; NULL: there is none. */
static const char *find(const char *info, const char *name)
{
    AUTO_FREE char *wanted = xasprintf("\n%s:", name);
    const char *at = strstr(info, wanted);

    return at != NULL ? at + strlen(wanted) : NULL;
}

static uint64_t number(const char *info, const char *name)
{
    const char *at = find(info, name);

    return at != NULL ? strtoull(at, NULL, 10) : 0;
}

struct server_memory server_memory_read(const char *info)
{
    return (struct server_memory){
        .used = number(info, "used_memory"),
        .most = number(info, "maxmemory"),
        .system = number(info, "total_system_memory"),
        .data = number(info, "used_memory_dataset"),
    };
}

double server_memory_share(const struct server_memory *memory)
{
    return memory->most > 0 ? (double)memory->used / (double)memory->most : 0;
}

static bool is_known(char (*ids)[RUN_ID_SIZE], size_t count, const char *id)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(ids[i], id) == 0)
            return true;
    return false;
}

int store_memory(struct redis_store *store, struct server_memory **ret_servers, size_t *ret_count)
{
    size_t shards = (size_t)store_shards(store);
    AUTO_FREE char(*ids)[RUN_ID_SIZE] = xcalloc(shards, sizeof(*ids));
    struct server_memory *servers = xcalloc(shards, sizeof(*servers));
    size_t count = 0;

    for (size_t shard = 0; shard < shards; shard++) {
        AUTO_REPLY info = NULL;
        int status = store_commandf(store, (int)shard, &info, "INFO");
        if (status != 0) {
            free(servers);
            return status;
        }
        const char *text = info->str != NULL ? info->str : "";
        const char *id = find(text, "run_id");
        size_t length = id != NULL ? strcspn(id, "\r\n") : 0;
        char name[RUN_ID_SIZE] = "";
        memcpy(name, id != NULL ? id : "", length < RUN_ID_SIZE ? length : 0);
        if (is_known(ids, count, name))
            continue;
        memcpy(ids[count], name, RUN_ID_SIZE);
        servers[count] = server_memory_read(text);
        servers[count++].shard = (int)shard;
    }
    *ret_servers = servers;
    *ret_count = count;
    return 0;
}
