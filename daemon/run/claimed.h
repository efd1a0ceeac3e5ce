/* SPDX-License-Identifier: Apache-2.0 */
/* A run that was due and that the store gave to this daemon: its one owner until it is released. */
#ifndef STEPD_RUN_CLAIMED_H
#define STEPD_RUN_CLAIMED_H

#include "run/run.h"

/* A run that was due, with all the store knows of it. `release` frees it, run.event included; called
 * by the worker that ends with it. run.function NULL: no such function here (`function_id` says
 * which); it waits in line for a daemon that has it. */
struct claimed {
    struct claimed *next;
    struct run run;
    const char *function_id;
    bool has_place; /* under its function's concurrency; run_taker's reserve() */
    void (*release)(struct claimed *claimed);
};

#endif
