/* SPDX-License-Identifier: Apache-2.0 */
/* The lists of runs as keys: what runs_list.c reads and runs_count.c counts. */
#ifndef STEPD_STORE_REDIS_RUNS_INTERNAL_H
#define STEPD_STORE_REDIS_RUNS_INTERNAL_H

#include "store/redis/store_internal.h"
#include "store/runs.h"

#define RUNS_DELAYED_OF_SEVERAL "delayed-3" /* runs of several events */

/* By runs_list: a sorted set, and the commands that read it in the list's order. Only where runs_is_sorted(). */
struct runs_sorted {
    const char *key;
    const char *by_place;
    const char *by_score;
};
extern const struct runs_sorted RUNS_SORTED[];

/* Whether the list is one sorted set; others are put together out of several. */
bool runs_is_sorted(enum runs_list list);
/* Adds what a sorted set of the shard has to *sum. */
int runs_count_key(struct redis_store *store, int shard, const char *name, uint64_t *sum) MUST_CHECK;

#endif
