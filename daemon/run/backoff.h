/* SPDX-License-Identifier: Apache-2.0 */
/* From the number of a retry to the delay before it. Pure. */
#ifndef STEPD_RUN_BACKOFF_H
#define STEPD_RUN_BACKOFF_H

#include <stddef.h>
#include <stdint.h>

#define BACKOFF_DEFAULT_JITTER_MS 30000
#define BACKOFF_DEFAULT_HEADER_MOST_MS (INT64_C(24) * 3600 * 1000)

struct backoff {
    const int64_t *delays_ms; /* the last repeats */
    size_t count;             /* 0: the default table */
    int64_t jitter_ms;        /* uniform in [0, jitter_ms) is added; 0: none */
    int64_t header_most_ms;   /* further ahead no Retry-After of HTTP puts an attempt; 0: 24 h */
};

/* 15 s, 30 s, 1 m, 2 m, 5 m, 10 m, 20 m, 40 m, 1 h, 2 h, plus up to 30 s. */
extern const struct backoff backoff_default;

/* `retry` is 0 for the first; `random` is uniform over all 64 bits. */
int64_t backoff_delay_ms(const struct backoff *backoff, int retry, uint64_t random);

#endif
