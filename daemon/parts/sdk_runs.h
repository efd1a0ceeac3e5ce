/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STEPD_PARTS_SDK_RUNS_H
#define STEPD_PARTS_SDK_RUNS_H

#include <stdbool.h>

#include "sdk/inngest_settings.h"
#include "view/run_view.h"

/* A run as the store has it now. Opened in place and not moved. */
struct shown_run {
    struct loaded_run run;
    struct run_view view;
};

/* 0, -EAGAIN: the store is away; or as runs_load(). */
int shown_run_open(struct shown_run *shown, struct redis_store *store, const char *id) MUST_CHECK;
void shown_run_done(struct shown_run *shown);

/* Without its context: the struct daemon. */
extern const struct runs_port part_runs_port;
bool part_knows_function(void *context, const char *id);

#endif
