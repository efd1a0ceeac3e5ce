/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls under way that may be reported to: each from when it goes out until it has come back. A report
 * finds its call by the run and by a token that the app was given with the call: what was called before the
 * run was taken over, or called anew, has another. Locks itself.
 */
#ifndef STEPD_SDK_OPEN_CALLS_H
#define STEPD_SDK_OPEN_CALLS_H

#include <stdbool.h>

#include "base/memory.h"
#include "run/run.h"
#include "sdk/report.h"

#define OPEN_CALL_TOKEN_SIZE 48

/* Part of a call. */
struct open_call {
    struct open_call *next; /* table's lock */
    struct run_id run;
    char token[OPEN_CALL_TOKEN_SIZE]; /* empty: it is not open */
    /* Any thread, table's lock. Takes a share of the report, and answers it; false: it does not. */
    bool (*take)(struct open_call *call, struct report *report);
};

struct open_calls;

struct open_calls *open_calls_create(void);
/* Nobody gets a report any more, and nobody waits for an answer. */
void open_calls_stop(struct open_calls *calls);
/* None is open. NULL is fine. */
void open_calls_destroy(struct open_calls *calls);

/* Any thread, all below. Gives it its token. */
void open_calls_add(struct open_calls *calls, struct open_call *call, const struct run_id *run);
/* One that is not open is fine. Nobody reports to it any more. */
void open_calls_remove(struct open_calls *calls, struct open_call *call);
/* Hands the report over, and waits for what came of it. */
enum report_end open_calls_deliver(struct open_calls *calls, const struct run_id *run, struct report *report);

#endif
