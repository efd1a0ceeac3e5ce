/* SPDX-License-Identifier: Apache-2.0 */
/*
 * This worker's counters as the store keeps them: each incarnation's apart, from 0 on, summed over all by
 * those who read them. Timer thread.
 */
#ifndef STEPD_STORE_REDIS_COUNTERS_H
#define STEPD_STORE_REDIS_COUNTERS_H

#include <stdint.h>

#include "run/run.h"
#include "store/redis/script.h"
#include "store/runs.h"

struct counters {
    struct worker_counts base;  /* counted under earlier incarnations */
    struct worker_counts asked; /* as last told to the store, */
    struct worker_counts told;  /* and as last known to stand there, under the name that they were written for */
    struct incarnation counted_as;
};

/* Adds each counter's name and value to `call`, which is told under the name `self`. */
void counters_tell(struct counters *counters, const struct incarnation *self, const struct worker_counts *now, struct script_call *call);
/* The store has taken them, under the name `self`: what was sent in another name than it was written for is told again in that one. */
void counters_heard(struct counters *counters, const struct incarnation *self);

#endif
