/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the crash journal found at start, told to the store: attempts whose handler ended the process
 * count as failed, HandlerCrashed. A thread of its own, since Redis may be away; before it is done no
 * partition is read, and no run of a worker that died is taken over: it would be another attempt's.
 */
#ifndef STEPD_CRASH_RECOVERY_H
#define STEPD_CRASH_RECOVERY_H

#include "base/error.h"
#include "base/memory.h"
#include "crash/crashes.h"
#include "run/attempt.h"
#include "run/journal.h"
#include "store/store.h"

struct recovery;

struct recovery_settings {
    struct journal *journal;
    struct redis_store *store;
    struct publisher *publisher;
    const struct attempt_settings *attempts;
    const struct function *(*find_function)(void *context, const char *id);
    void *context;
};

int recovery_start(const struct recovery_settings *settings, struct recovery **ret_recovery, struct error *ret_error) MUST_CHECK;
/* Any thread: until all that was found is told; false: the daemon stops. */
bool recovery_wait(struct recovery *recovery);
/* Any thread, waits for nothing. */
bool recovery_is_done(struct recovery *recovery);
/* After store_stop(). NULL is fine. */
void recovery_destroy(struct recovery *recovery);

#endif
