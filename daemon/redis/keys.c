/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/keys.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/memory.h"

char *keys_shard_prefix(const char *prefix, int shard)
{
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

void keys_worker(const struct incarnation *worker, char ret_hex[KEYS_WORKER_SIZE])
{
    for (size_t i = 0; i < sizeof(worker->bytes); i++)
        (void)snprintf(ret_hex + 2 * i, 3, "%02x", worker->bytes[i]);
}
