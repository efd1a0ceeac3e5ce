/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From messages and claimed runs to attempts on worker threads: a ring of what waits, the threads
 * that empty it, and the strands that keep a key's messages in order.
 */
#ifndef STEPD_ENGINE_DISPATCH_H
#define STEPD_ENGINE_DISPATCH_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"
#include "engine/counts.h"
#include "engine/settings.h"
#include "run/taker.h"

struct dispatch;
struct attempt_settings; /* run/context.h */

struct dispatch *dispatch_create(const struct dispatch_settings *settings);
/* What its attempts share; lives as long as it. */
const struct attempt_settings *dispatch_attempt_settings(const struct dispatch *dispatch);
/* Starts the workers, and the watch on attempts past their timeout. 0, or negative errno with the reason (a module's thread_init refused). */
int dispatch_start(struct dispatch *dispatch, struct error *ret_error) MUST_CHECK;

/* Where the consumer hands over its batches, keeping what is open to about `queue`; and the store runs that are due. */
struct batch_taker *dispatch_batch_taker(struct dispatch *dispatch);
struct run_taker *dispatch_run_taker(struct dispatch *dispatch);
/* Any thread. Nothing more is taken up, of any function; what has been ends. */
void dispatch_set_stopped(struct dispatch *dispatch, bool is_stopped);
/* Any thread. The store's memory is nearly full: partitions that bring runs that would be kept there stop. */
void dispatch_set_short(struct dispatch *dispatch, bool is_short);
/* Any thread. Until dispatch_release() nothing that is handed over begins. */
void dispatch_hold(struct dispatch *dispatch);
void dispatch_release(struct dispatch *dispatch);
/* Any thread. A paused function's runs wait in its line, but for attempts that have begun. */
void dispatch_pause(struct dispatch *dispatch, const struct function *function);
void dispatch_resume(struct dispatch *dispatch, const struct function *function);
bool dispatch_is_paused(const struct dispatch *dispatch, const struct function *function);
/* Any thread: whether a breaker of the function may be open, of any key. */
bool dispatch_breaker_is_open(struct dispatch *dispatch, const struct function *function);
/* Owned runs whose ids are given were taken from us (reaped, cancelled): their attempts see
 * stepd_is_cancelled(). NULL: all that the store had given to this incarnation. */
void dispatch_cancel(struct dispatch *dispatch, const char *run_id);

/* Workers start nothing new (what is queued is dropped, what was claimed stays the store's); returns
 * true once all are idle, false after timeout_ms. */
bool dispatch_drain(struct dispatch *dispatch, int64_t timeout_ms);
/* Nobody looks at attempts past their timeout any more. */
void dispatch_stop_watch(struct dispatch *dispatch);
/* Stops the threads. False: some are stuck in handlers and were left behind, with all that they still
 * use; then nothing of that may be freed, and the process is to end. NULL is fine. */
bool dispatch_destroy(struct dispatch *dispatch);

/* Any thread: totals since start. */
void dispatch_counts(struct dispatch *dispatch, struct dispatch_counts *ret_counts);
/* Any thread: totals since start of the function with that index. */
void dispatch_function_counts(struct dispatch *dispatch, size_t index, struct function_counts *ret_counts);

#endif
