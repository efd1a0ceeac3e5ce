/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine is made for and with. */
#ifndef STEPD_ENGINE_SETTINGS_H
#define STEPD_ENGINE_SETTINGS_H

#include <stddef.h>

#include "config/history_kept.h"
#include "run/caller.h"
#include "run/function.h"
#include "run/matching.h"
#include "run/ports.h"
#include "run/routes.h"
#include "run/run.h"

struct journal; /* run/journal.h */
struct crashes; /* crash/crashes.h */

struct dispatch_settings {
    int threads;
    int queue;          /* messages in flight at most: the consumer keeps to it */
    size_t queue_bytes; /* and so many bytes of them */
    int max_away;       /* runs claimed while so many attempts are away: none */
    int max_calls;      /* of those, that take no place in the queue */
    struct caller caller;
    int64_t pause_most; /* queued runs of a paused function; past it what brings more stops */
    int64_t flow_most;  /* the same of any other function */
    int max_stuck;      /* threads stuck past their timeout before the daemon stops */
    size_t event_bytes; /* a larger message is a dead letter */
    int steps;          /* limits of a run: steps, … */
    size_t result_bytes;
    enum history_kept history;
    const char *dead_letter_topic; /* "%t.dead" */
    const char *const *topics;     /* configured; NULL-ended. Emitted events go to one of them */
    struct store *store;
    struct publisher *publisher;
    struct module *const *modules; /* for thread_init and thread_exit */
    size_t module_count;
    const struct routes *routes;
    struct tracer *tracer;          /* run/trace.h; NULL: nothing is traced */
    struct matching *matching;      /* events end waits of runs; NULL: nobody waits */
    struct boundary_port *boundary; /* for runs that wait; NULL: nobody waits */
    size_t waits;                   /* without an index, for events of one name */
    struct journal *journal;        /* NULL: crashes are not noted */
    struct crashes *crashes;        /* crash/crashes.h; NULL: none are known */
    /* A worker thread: the crash of this run, which the store did not know, was counted. NULL is fine. */
    void (*crash_counted)(void *context, const struct run *run);
    /* A worker thread; may wait for the store. The function of a claimed run that was not known when it was claimed;
     * NULL: there is none. */
    const struct function *(*learn_function)(void *context, const char *id);
    void *context; /* of these */
    size_t function_count;
    void (*fatal)(const char *why); /* a thread that the daemon can't do without can't go on: ends the process with a clear last line */
};

#endif
