/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store port (run/ports.h) in memory: the same transitions with the same answers as Redis gives,
 * on a clock that its owner sets. Here a daemon can die at a named point: what it asks then and
 * afterwards is answered as by a store that is out of reach. One thread.
 */
#ifndef STEPD_STORE_MEMORY_MEMORY_STORE_H
#define STEPD_STORE_MEMORY_MEMORY_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "run/ports.h"
#include "run/run.h"
#include "run/watches.h"

/* A run as the store holds it. */
struct memory_record {
    struct run_id id;
    enum run_status status;
    enum run_phase phase;
    int attempt;
    int takeovers;
    uint32_t epoch;
    struct incarnation owner;
    int64_t created_ms;
    int64_t changed_ms; /* due, or ended, or owned since */
    bool is_cancel_asked;
    struct bytes tail;         /* its own; data NULL: none yet */
    struct bytes *checkpoints; /* each its own */
    size_t checkpoint_count;
    size_t state_bytes;
    struct bytes *mail; /* each its own: checkpoints that came while a worker held it */
    size_t mail_count;
    int64_t ended_by;          /* the offset of the event that ended its last wait */
    struct memory_wait *waits; /* for events */
    char *strand;              /* ordered: what it waits in, else NULL */
    int64_t offset;
};

/* What a run waits for. */
struct memory_wait {
    struct memory_wait *next; /* of the same run */
    bool is_beside;           /* … other steps: it stands whatever the run does; else WAITING runs alone have it */
    size_t position;          /* of the checkpoint with which it began */
    int64_t until_ms;
    struct event *own; /* the run's event */
    char *event, *later;
    struct bytes value, when, head; /* each its own */
    bool is_of_row;
};

/* An event that came before its run waited for it. */
struct memory_kept {
    struct memory_kept *next; /* later ones */
    struct run_id run;
    char *event;
    char name[32];
    struct bytes outcome; /* its own */
    bool is_taken;
};

/* An event's key within a function's window. */
struct memory_seen {
    struct memory_seen *next;
    struct dedupe_id id;
    struct run_id run; /* that it started */
    int64_t until_ms;
};

/* A run that another calls. Its owner makes it; how it ends becomes a checkpoint of the caller. */
struct memory_call {
    struct memory_call *next;
    struct run_id caller, callee;
    char *function_id;
    struct bytes value; /* of its event, as all below its own */
    struct event_header *headers;
    size_t header_count;
    struct bytes head, middle; /* of the caller's checkpoint: struct callee */
    bool is_begun;             /* its owner's mark */
    bool is_over;              /* answered, or waited for no more */
};

/* When the daemon is to die. */
struct memory_death {
    bool is_planned;
    bool is_after; /* what is recorded at that moment still is */
    struct run_id run;
    char step_id[STEP_ID_SIZE]; /* empty: at whatever it records next */
};

struct memory_store {
    struct store port; /* first: what runs call */
    int64_t now_ms;
    size_t state_bytes_max;  /* of a run's checkpoints */
    struct incarnation self; /* the daemon that asks */
    bool is_out_of_reach;    /* that daemon is dead */
    struct memory_death death;
    struct memory_record **records;
    size_t count;
    size_t capacity;
    struct memory_seen *seen;
    struct memory_call *calls; /* the latest first */
    struct memory_kept *kept;
};

void memory_store_init(struct memory_store *store, int64_t now_ms, size_t state_bytes_max);
void memory_store_done(struct memory_store *store);

/* NULL: the store does not know the run. */
struct memory_record *memory_store_find(const struct memory_store *store, const char *id);
/* The run becomes this daemon's: fills what the store knows of `run`, whose function, event and id are
 * set. Its steps are the caller's; its tail is the record's. */
void memory_store_claim(struct memory_store *store, struct memory_record *record, struct run *run);
/* An event is kept for a run that expects it, unless it ended a wait of it; `outcome` is what a wait is given of it. */
void memory_store_keep(struct memory_store *store, const struct run_id *run, const char *event, int64_t offset, struct bytes outcome);
/* All that is waited for now. */
void memory_store_watch(const struct memory_store *store, struct watches *watches);
/* Another daemon takes the place of one that died: the runs it owned are due now. */
void memory_store_succeed(struct memory_store *store);
/* False: the run is in no state for it. */
bool memory_store_cancel(struct memory_store *store, const char *id);
bool memory_store_retry(struct memory_store *store, const char *id);

/* NULL: nobody called it. */
struct memory_call *memory_store_call_of(const struct memory_store *store, const char *callee_id);
/* What became of it, by who knows: a result, or an error. */
void memory_calls_answer(struct memory_store *store, struct memory_call *call, enum checkpoint_kind kind, struct bytes value);
void memory_calls_fail(struct memory_store *store, struct memory_call *call, const char *name, const char *message);

#endif
