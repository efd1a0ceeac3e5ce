/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often a run that the store does not know was in flight when a daemon ended badly, by the partition of
 * its message. Kept for a week: a crash whose message never comes again is forgotten. Calls wait; 0,
 * -ESHUTDOWN or -EIO.
 */
#ifndef STEPD_STORE_CRASH_COUNTS_H
#define STEPD_STORE_CRASH_COUNTS_H

#include "run/run.h"
#include "store/store.h"

int crash_counts_add(struct redis_store *store, const char *topic, int32_t partition, const char *run_id, int count) MUST_CHECK;
int crash_counts_load(struct redis_store *store, const char *topic, int32_t partition,
                      void (*each)(void *context, const char *run_id, int count), void *context) MUST_CHECK;
/* The run's crash was counted as an attempt. Where the store refuses, it is forgotten in a week. */
void crash_counts_forget(struct redis_store *store, const struct run *run);

#endif
