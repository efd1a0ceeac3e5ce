/* SPDX-License-Identifier: Apache-2.0 */
/* Runs that wait for a signal (run/signal_wait.h), over all shards. All calls wait; 0, -ESHUTDOWN or -EIO unless they say more. */
#ifndef STEPD_STORE_SIGNALS_H
#define STEPD_STORE_SIGNALS_H

#include <stdbool.h>

#include "base/memory.h"
#include "run/run.h"
#include "store/store.h"

/* `run` is about to wait for it. Until signals_end(), or for ten seconds, no other run begins to. *ret_is_free: no run waits for it; with
 * `replaces` those that did are found no more, and wait until their time is over. */
int signals_begin(struct redis_store *store, const char *signal, const struct run_id *run, bool replaces, bool *ret_is_free) MUST_CHECK;
/* It waits now, or does not. */
int signals_end(struct redis_store *store, const char *signal, const struct run_id *run) MUST_CHECK;

/* The run that waits for it: the caller's, for five seconds, in which its wait has ended by the event. -ENOENT: none does, or it is another
 * sender's. */
int signals_take(struct redis_store *store, const char *signal, const char *sender, struct run_id *ret_run) MUST_CHECK;
/* The event did not go out: another may send it. */
int signals_give_back(struct redis_store *store, const char *signal, const char *sender, const struct run_id *run) MUST_CHECK;

#endif
