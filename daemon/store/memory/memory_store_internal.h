/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the store in memory share: memory_store.c has the store, memory_waits.c runs that wait for events. */
#ifndef STEPD_STORE_MEMORY_MEMORY_STORE_INTERNAL_H
#define STEPD_STORE_MEMORY_MEMORY_STORE_INTERNAL_H

#include "store/memory/memory_store.h"

/* What the change says of the run's waits: what it waits for alone is what it says now. */
void memory_waits_apply(struct memory_record *record, const struct run *run, const struct transition *change);
void memory_waits_drop(struct memory_record *record);
/* What has come, and those whose time is over, become its checkpoints; the asker is shown them. */
void memory_waits_look(struct memory_store *store, struct memory_record *record, const struct wait_look *look);
/* Without an index, for events of that name: as many as may. */
bool memory_waits_are_full(const struct memory_store *store, const struct wait_ask *ask);
/* What it waited for has come: its next checkpoint, and if it waits it is due; while a worker holds it, it is kept. */
void memory_record_end_wait(struct memory_store *store, struct memory_record *record, struct bytes checkpoint);
void memory_record_add(struct memory_record *record, struct bytes checkpoint);
void memory_record_open_mail(struct memory_record *record);
/* The kept event that is taken becomes the step's outcome, and no more than that. False: it takes none. The caller frees what `ret`
 * points to. */
bool memory_waits_take(struct memory_store *store, const struct run *run, const struct wait_ask *ask, struct bytes *ret_checkpoint);
void memory_kept_done(struct memory_store *store);
int memory_waits_list_kept(struct store *port, const struct run *run, const char *event,
                           void (*each)(void *context, const char *name, struct bytes outcome), void *context);
/* memory_calls.c: what a change of the run calls, or gives up; the run has ended so. */
void memory_calls_apply(struct memory_store *store, const struct run *run, const struct transition *change);
void memory_calls_hear_end(struct memory_store *store, const char *id, enum run_status status, struct bytes told);
void memory_calls_done(struct memory_store *store);
/* Of run/ports.h: store_ops.match */
int memory_waits_match(struct store *port, const struct wait_match *match, struct wait_counts *ret_counts);

#endif
