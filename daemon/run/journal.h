/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The crash journal: a memory-mapped file with one slot a worker thread, which says what the thread
 * runs. A fatal signal, or exit() in a handler, marks the slot of the thread that it hit; the file
 * outlives the process, and the next start reads who died of what. Writing a slot is a few stores to
 * memory; nothing is synced, since a crash of the process loses no page of the file.
 *
 * Daemons on one machine may share a path: each takes the first of PATH, PATH.1, PATH.2 … that no
 * living process holds, and reads all of those.
 */
#ifndef STEPD_RUN_JOURNAL_H
#define STEPD_RUN_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"
#include "run/run.h"
#include "run/step_call.h"

#define JOURNAL_NAME_SIZE 256

enum journal_state {
    JOURNAL_FREE = 0,
    JOURNAL_RUNNING, /* in an entry: the process ended, but not by this thread's doing, as far as is known */
    JOURNAL_CRASHED, /* this thread's handler ended it */
};

/* One attempt, as it stands in the file. Whoever reads a file that was not written to the end, or by
 * somebody else, trusts nothing in it. */
struct journal_entry {
    int32_t state;  /* enum journal_state */
    int32_t signal; /* 0: it called exit() */
    char run_id[RUN_ID_LENGTH + 1];
    char function[JOURNAL_NAME_SIZE];
    char topic[JOURNAL_NAME_SIZE];
    int32_t partition;
    int64_t offset;
    int32_t attempt;
    int32_t phase;
    uint32_t epoch; /* 0: the store did not know the run */
    struct incarnation owner;
    int32_t has_step;
    struct step_call step;
};

struct journal;

/* 0, or negative errno with the reason. `slots`: as many threads at once write. */
int journal_open(const char *path, size_t slots, struct journal **ret_journal, struct error *ret_error) MUST_CHECK;
/* What was found at start, once; lives as long as the journal. Of a process that a handler is known to have
 * ended, what its other threads ran is left out. */
const struct journal_entry *journal_found(const struct journal *journal, size_t *ret_count);
/* What was found is dealt with: files of processes that are gone are emptied. */
void journal_forget_found(struct journal *journal);
/* NULL is fine. */
void journal_close(struct journal *journal);

/* Fatal signals mark the slot of the thread that they hit, then do what they did before. Once. */
void journal_catch_crashes(void);

/* A worker thread's own. Any may be NULL: then nothing is noted. */
struct journal_slot;
struct journal_slot *journal_take_slot(struct journal *journal);
void journal_give_slot(struct journal_slot *slot);
/* The calling thread is the one whose crash is the slot's. */
void journal_attach(struct journal_slot *slot);

void journal_begin(struct journal_slot *slot, const struct run *run);
void journal_follow(struct journal_slot *slot, const struct run *run); /* attempt, phase, epoch, owner moved on */
void journal_begin_step(struct journal_slot *slot, const struct step_call *step);
void journal_end_step(struct journal_slot *slot);
void journal_end(struct journal_slot *slot);

#endif
