/* SPDX-License-Identifier: Apache-2.0 */
/* Which run of the store's a worker holds, so that it can be told when that was taken from it. Locks itself. */
#ifndef STEPD_RUN_HOLD_H
#define STEPD_RUN_HOLD_H

#include <string.h>

#include "base/lock.h"
#include "pool/slot.h"
#include "run/run.h"

struct hold {
    struct lock lock;
    char run_id[RUN_ID_LENGTH + 1]; /* lock; "": none */
};

static inline void hold_init(struct hold *hold)
{
    lock_init(&hold->lock);
    hold->run_id[0] = '\0';
}

static inline void hold_done(struct hold *hold)
{
    lock_done(&hold->lock);
}

/* Worker: the store gave it this run; NULL: it holds none any more. */
static inline void hold_set(struct hold *hold, const char *run_id)
{
    LOCK_GUARD(&hold->lock);
    if (run_id != NULL)
        memcpy(hold->run_id, run_id, sizeof(hold->run_id));
    else
        hold->run_id[0] = '\0';
}

/* Any thread: cancels what the worker holds, if it is that run; run_id NULL: any. `slot` is the worker's. */
static inline void hold_cancel(struct hold *hold, struct slot *slot, const char *run_id)
{
    LOCK_GUARD(&hold->lock);
    if (hold->run_id[0] != '\0' && (run_id == NULL || strcmp(hold->run_id, run_id) == 0))
        atomic_store_explicit(&slot->is_cancelled, true, memory_order_relaxed);
}

#endif
