/* SPDX-License-Identifier: Apache-2.0 */
#include "run/backoff.h"

#include "base/array.h"

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)

static const int64_t default_delays_ms[] = {
    15 * SECOND, 30 * SECOND, 1 * MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 20 * MINUTE, 40 * MINUTE, 1 * HOUR, 2 * HOUR,
};

const struct backoff backoff_default = {
    .delays_ms = default_delays_ms,
    .count = COUNT_OF(default_delays_ms),
    .jitter_ms = BACKOFF_DEFAULT_JITTER_MS,
    .header_most_ms = BACKOFF_DEFAULT_HEADER_MOST_MS,
};

/* The product's upper half: uniform without a division, and made of the random's best bits. */
static int64_t below(int64_t limit, uint64_t random)
{
    return limit <= 0 ? 0 : (int64_t)((__extension__(unsigned __int128) random * (uint64_t)limit) >> 64);
}

int64_t backoff_delay_ms(const struct backoff *backoff, int retry, uint64_t random)
{
    const struct backoff *table = backoff->count == 0 ? &backoff_default : backoff;
    size_t at = retry < 0 ? 0 : (size_t)retry;

    if (at >= table->count)
        at = table->count - 1;
    return table->delays_ms[at] + below(backoff->jitter_ms, random);
}
