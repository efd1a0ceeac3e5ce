/* SPDX-License-Identifier: Apache-2.0 */
#include "view/store_config.h"

struct store_settings store_settings_of(const struct config *config)
{
    return (struct store_settings){
        .url = config->redis.url,
        .prefix = config->redis.prefix,
        .shards = config->redis.shards,
        .history = config->history,
        .history_age_ms = config->history_age_ms,
        .history_count = config->history_limit,
        .state_bytes = (size_t)config->limits.state_bytes,
        .waits = (size_t)config->limits.waits,
        .lease_ms = config->worker.lease_ms,
        .timeout_ms = config->redis.timeout_ms,
    };
}
