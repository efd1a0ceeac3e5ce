/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/keys.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

char *keys_shard_prefix(const char *prefix, int shard)
{
    assert(shard >= 0);
    return keys_format(prefix, "{%d}:", shard);
}

char *keys_format(const char *shard_prefix, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    AUTO_FREE char *name = xvasprintf(format, arguments);
    va_end(arguments);
    return xasprintf("%s%s", shard_prefix, name);
}

struct bytes keys_behind(const char *shard_prefix, const char *topic, int32_t partition, const char *function, struct bytes key)
{
    char *name = keys_format(shard_prefix, "behind:%s:%d:%s:", topic, (int)partition, function);
    size_t size = strlen(name);

    name = xrealloc(name, size + key.size + 1);
    if (key.size > 0)
        memcpy(name + size, key.data, key.size);
    return (struct bytes){ name, size + key.size };
}

void keys_worker(const struct incarnation *worker, char ret_hex[KEYS_WORKER_SIZE])
{
    for (size_t i = 0; i < sizeof(worker->bytes); i++)
        (void)snprintf(ret_hex + 2 * i, 3, "%02x", worker->bytes[i]);
}
