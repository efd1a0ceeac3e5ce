/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runs that the store knows of a partition's messages, as they were when it was assigned: those that it has taken
 * over, and those that a dedupe window has let in. Filled by one thread, then read by any.
 */
#ifndef STEPD_RUN_KNOWN_RUNS_H
#define STEPD_RUN_KNOWN_RUNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "run/run.h"

enum known_as {
    KNOWN_TAKEN,    /* the store has the run, or had it */
    KNOWN_ADMITTED, /* its event was the first of its key; it goes on without being asked again */
};

struct known_run {
    struct run_id id;
    enum known_as as;
    int64_t offset; /* of its event */
};

struct known_runs {
    struct known_run *items;
    size_t count;
    size_t room;
};

void known_runs_add(struct known_runs *runs, enum known_as as, const char id[static RUN_ID_LENGTH], int64_t offset);
/* Once all are added, before any is looked for. */
void known_runs_sort(struct known_runs *runs);
/* NULL: it is not known so. */
const struct known_run *known_runs_find(const struct known_runs *runs, enum known_as as, const struct run_id *id);
void known_runs_done(struct known_runs *runs);

#endif
