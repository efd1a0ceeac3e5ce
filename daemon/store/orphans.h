/* SPDX-License-Identifier: Apache-2.0 */
/* Runs that stand in none of the lists by which a run goes on: lost to an eviction, or to a fault. */
#ifndef STEPD_STORE_ORPHANS_H
#define STEPD_STORE_ORPHANS_H

#include <stdbool.h>
#include <stddef.h>

#include "store/store.h"

struct orphans {
    size_t looked_at;
    size_t count;
    struct run_id first;
    bool is_whole; /* false: there were more than two thousand, and than could be looked at within a quarter of a second */
};

/* Reads only. 0, -ESHUTDOWN or -EIO. */
int orphans_find(struct redis_store *store, struct orphans *ret_orphans) MUST_CHECK;

#endif
