/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run: one function on one event. Here is what is known of it in memory while a worker holds it;
 * what is durable of it is written through the store port (ports.h) by transitions.
 * Owned by one worker thread at a time.
 */
#ifndef STEPD_RUN_RUN_H
#define STEPD_RUN_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "event/event.h"
#include "run/function.h"
#include "run/run_states.h"

#define RUN_ID_LENGTH 32
#define RUN_PLACEMENT_DIGITS 4 /* the id's first hex digits; shard = placement % shards */
#define ERROR_NAME_SIZE 101    /* with the NUL */
#define ERROR_MESSAGE_SIZE 1001
#define STEP_ID_SIZE 208 /* 200 bytes, ":<n>" and the NUL */

struct run_id {
    char text[RUN_ID_LENGTH + 1];
};

#define DEDUPE_ID_LENGTH 28

struct dedupe_id {
    char text[DEDUPE_ID_LENGTH + 1];
};

/* One incarnation of a worker daemon: what owns runs in the store. Random; new at each start, and
 * whenever Redis came back as another process. */
struct incarnation {
    uint8_t bytes[16];
};

enum run_phase {
    RUN_IN_FUNCTION = 0,
    RUN_FAILING = 1,       /* failed for good; dead letter and stepd/function.failed not yet known to be out */
    RUN_IN_ON_FAILURE = 2, /* both are out; on_failure has not finished */
};

struct failure {
    char name[ERROR_NAME_SIZE];
    char message[ERROR_MESSAGE_SIZE];
    char step_id[STEP_ID_SIZE]; /* empty: the function itself */
    int attempt;
    int executions; /* how often that step has run in all; 0 for the function */
};

enum checkpoint_kind {
    CHECKPOINT_COMPLETED = 0,
    CHECKPOINT_FAILED = 1,
    CHECKPOINT_SLEEP = 2,   /* until_ms; over once the store's time is there */
    CHECKPOINT_STARTED = 3, /* at_most_once: outcome unknown unless another takes its place */
    CHECKPOINT_WAITING = 4, /* its outcome comes from elsewhere, as a checkpoint further on, or its time is over at until_ms */
};

#define WAIT_FOREVER_MS INT64_C(253402300799999) /* until_ms of a wait without an end */

/* A finished (or begun) step as it stands in the store: msgpack array
 * [id, kind, phase, executions, started_ms, ended_ms, value or [name, message, attempt, bin] or
 * until_ms]. The bin, where there is one, is msgpack that the step gave beside its error. A step that waits stands there as
 * one that was started, which is how earlier versions read it, with a bin in the value's place: [until_ms, value].
 * Encoded and decoded by run/steps. */
struct checkpoint {
    const char *id;
    enum checkpoint_kind kind;
    enum run_phase phase; /* steps of on_failure have names of their own */
    int executions;
    int64_t started_ms;
    int64_t ended_ms;
    struct bytes value; /* msgpack, CHECKPOINT_COMPLETED; CHECKPOINT_FAILED: beside the error; WAITING: for what; empty: nothing */
    const struct failure *failure;
    int64_t until_ms; /* CHECKPOINT_SLEEP, CHECKPOINT_WAITING */
};

/* Its outcome stands nowhere yet, or in another checkpoint. */
static inline bool checkpoint_is_begun(const struct checkpoint *checkpoint)
{
    return checkpoint->kind == CHECKPOINT_STARTED || checkpoint->kind == CHECKPOINT_WAITING;
}

/* How a run was let begin; as turns.lua has it. */
enum run_turn {
    RUN_TURN_NONE = 0,  /* nobody looked at its turn */
    RUN_TURN_HAD = 1,   /* whatever holds up its function has let it pass */
    RUN_TURN_ALONE = 2, /* its breaker is open: it alone is to try */
};

struct checkpoints; /* run/checkpoints.h: the checkpoints of a run */
struct errand;      /* run/errand.h */

/* What the store keeps in mind of a run between its owner's changes: the list that he adds checkpoints to by himself. */
struct run_notes {
    uint32_t next;        /* the position of its next checkpoint */
    uint32_t added;       /* how many of those before it are in the list; 0: there is none */
    uint32_t in_a_row;    /* changes before this one that were the next checkpoint, without a list */
    uint64_t state_bytes; /* of all checkpoints, at most */
};

/* The events of a run of several, two at least, in the order in which they came. */
struct bundle {
    struct event **events;
    size_t count;
};

struct run {
    const struct function *function;
    struct event *event;         /* of several the first */
    const struct bundle *bundle; /* all its events, which live as long as the run is in memory; NULL: it has the one */
    struct run_id id;
    int attempt;
    enum run_phase phase;
    uint32_t epoch;           /* 0: the store does not know it */
    uint32_t first_epoch;     /* what its record is to begin with; no other attempt's does */
    struct incarnation owner; /* under which it is held, when epoch > 0 */
    struct run_notes notes;
    int takeovers;
    int unclean;               /* daemons that died holding it, in a row */
    bool is_to_end;            /* it was cancelled before it came to be ours */
    bool is_cancelled;         /* it has ended so; what is left to do is its stepd/function.cancelled */
    int64_t tell_by_ms;        /* by when it is to be told that it was cancelled, 0: the store has not said; then others may be given it */
    int64_t created_ms;        /* store's or message's time */
    int64_t now_ms;            /* the store's time when it was claimed; 0: never was */
    bool is_invoked;           /* it was called: who did wants to know how it ends */
    bool is_unasked;           /* so, and its function's flow control has not been asked */
    bool is_limited;           /* what it takes of its function's flow control, the store keeps beside it */
    struct bytes tail;         /* of the record, as it was when claimed; see run/attempt_log.h */
    struct checkpoints *steps; /* NULL until there is one */
    struct failure *last;      /* the previous attempt's, or what the run failed of; NULL none */
    struct errand *errand;     /* what its attempt waits for, or has come back from; NULL: none */
    int64_t begun_ns;          /* monotonic, of the attempt that has one, … */
    int64_t left_ns;           /* … and when it left for it; of one that is traced */
    uint64_t span;             /* the attempt's, in the run's trace (run/trace.h); 0: it is not traced */
    enum run_turn turn;        /* that the store gave it with its claim */
};

/* What its function sees of the event; whether data and user are built is another matter. */
static inline const struct stepd_event *run_event(const struct run *run)
{
    return run->function->topic != NULL && run->event->has_row ? &run->event->row : &run->event->view;
}

static inline bool run_is_ordered(const struct run *run)
{
    return function_orders(run->function, &run->event->view);
}

/* Of the function and the event's place: topic, partition, offset, and its part of the message. The message's
 * timestamp salts it, so that a topic made anew does not repeat ids. */
struct run_id run_id_of(const struct function *function, const struct event *event);
/* The same of all events of a bundle, in their order; in the shard where the first one's would be. */
struct run_id run_id_of_bundle(const struct function *function, const struct bundle *bundle);
/* Of a replay's name and the run that the event started first; in the same shard. */
struct run_id run_id_of_replay(const char *name, const struct run_id *of);
/* Of a tick of the function's schedule, by its instant; all of them have the placement of the function's limits, so that one
 * script sees what was recorded last, and what they count. */
struct run_id run_id_of_tick(const struct function *function, int64_t at_ms);
/* Where the runs of a function are put that are of no message's key. */
enum run_placement {
    PLACED_BY_ID,       /* each by its own id */
    PLACED_BY_FUNCTION, /* all in one shard: their function's limits are of all daemons */
    PLACED_BY_SCOPE,    /* with those of all functions that have limits of scopes */
};
enum run_placement run_placement_of(const struct function *function);
/* What ids of such runs begin with, 0 to 65,535; not for PLACED_BY_ID. */
unsigned run_function_placement(const char *function_id, enum run_placement placement);
/* Of a run of that function that step `step_id` of `caller` calls. */
struct run_id run_id_of_invoke(const struct run_id *caller, enum run_phase phase, const char *step_id, const char *function_id,
                               enum run_placement placement);
/* The same as it would be, or was, while flow control of its function was of another kind: in another shard. */
struct run_id run_id_of_other_placement(const struct function *function, const struct event *event);
/* What a dedupe window remembers an event by, as hex digits: its function and its key. The key of a CloudEvent is
 * its source, id, topic and message key together, of any other event its id. */
struct dedupe_id dedupe_id_of(const struct function *function, const struct event *event);
/* The same where the function says what the key is. */
struct dedupe_id dedupe_id_of_key(const struct function *function, struct bytes key);
/* As versions with records of version 1 name the run of a function that has a dedupe window: by the event's id. */
struct run_id run_id_of_event_id(const struct function *function, const struct event *event);
/* 0 to 65,535. */
unsigned run_id_placement(const char *id);
bool run_id_is_valid(const char *text);

#endif
