/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs that were claimed a moment before their turn (scripts/throttle.lua), in order of their turns. Each goes on its way once its turn
 * is there. One thread's.
 */
#ifndef STEPD_STORE_REDIS_COMING_H
#define STEPD_STORE_REDIS_COMING_H

#include <stddef.h>
#include <stdint.h>

#include "run/claimed.h"

struct coming_run;

struct coming {
    struct coming_run *first;
    int64_t last_us; /* when the last turn is of all that were ever added */
};

/* The run is kept until `at_us`, monotonic. */
void coming_add(struct coming *coming, struct claimed *claimed, int64_t at_us);
/* A run whose turn is there: the caller's; NULL: there is none. */
struct claimed *coming_take(struct coming *coming, int64_t now_us);
/* When the first turn is; INT64_MAX: there is none. */
int64_t coming_first_us(const struct coming *coming);

#endif
