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
#include "base/histogram.h"
#include "base/memory.h"
#include "config/history_kept.h"
#include "run/claimed.h"
#include "run/function.h"
#include "run/message.h"
#include "run/ports.h"
#include "run/routes.h"
#include "run/taker.h"

struct dispatch;
struct journal; /* run/journal.h */
struct crashes; /* crash/crashes.h */
struct attempt_settings; /* run/context.h */

struct dispatch_settings {
    int threads;
    int queue;                     /* messages in flight at most: the consumer keeps to it */
    int max_away;                  /* runs claimed while so many attempts are away: none */
    int max_stuck;                 /* threads stuck past their timeout before the daemon stops */
    size_t event_bytes;            /* a larger message is a dead letter */
    int steps;                     /* limits of a run: steps, … */
    size_t result_bytes;
    enum history_kept history;
    const char *dead_letter_topic; /* "%t.dead" */
    const char *const *topics;     /* configured; NULL-ended. Emitted events go to one of them */
    struct store *store;
    struct publisher *publisher;
    struct module *const *modules; /* for thread_init and thread_exit */
    size_t module_count;
    const struct routes *routes;
    struct journal *journal;       /* NULL: crashes are not noted */
    struct crashes *crashes;       /* crash/crashes.h; NULL: none are known */
    /* A worker thread: the crash of this run, which the store did not know, was counted. NULL is fine. */
    void (*crash_counted)(void *context, const struct run *run);
    /* A worker thread; may wait for the store. The function of a claimed run that was not known when it was claimed;
     * NULL: there is none. */
    const struct function *(*learn_function)(void *context, const char *id);
    void *context;                 /* of these */
    size_t function_count;
    void (*fatal)(const char *why); /* a core thread can't go on: ends the process with a clear last line */
};

struct dispatch *dispatch_create(const struct dispatch_settings *settings);
/* What its attempts share; lives as long as it. */
const struct attempt_settings *dispatch_attempt_settings(const struct dispatch *dispatch);
/* Starts the workers, and the watch on attempts past their timeout. 0, or negative errno with the reason (a module's thread_init refused). */
int dispatch_start(struct dispatch *dispatch, struct error *ret_error) MUST_CHECK;

/* Where the consumer hands over its batches, keeping what is open to about `queue`; and the store runs that are due. */
struct batch_taker *dispatch_batch_taker(struct dispatch *dispatch);
struct run_taker *dispatch_run_taker(struct dispatch *dispatch);
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

struct dispatch_counts {
    uint64_t events_unhandled, events_malformed;
    uint64_t letters_without_function; /* dead ones, of events that no function could be given */
    uint64_t runs_started, runs_completed, runs_failed, retries_scheduled, dead_letters; /* of all functions */
    size_t threads, threads_busy, threads_stuck, queued, away;
};
/* Any thread: totals since start. */
void dispatch_counts(struct dispatch *dispatch, struct dispatch_counts *ret_counts);

struct function_counts {
    uint64_t consumed, duplicates, started, completed, failed, retried, dead, fenced, timed_out, crashed;
    struct histogram_counts durations; /* µs, of all attempts that ended */
    struct histogram_counts steps;     /* µs, of steps' code */
};
/* Any thread: totals since start of the function with that index. */
void dispatch_function_counts(struct dispatch *dispatch, size_t index, struct function_counts *ret_counts);

#endif
