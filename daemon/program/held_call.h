/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An attempt that a program holds: what its run and the host share. The run's side is an errand, which comes home
 * whenever the program has reported something; what has come is taken by the run's holder, in order. Counted: it lives
 * until both have let go of it. Locks itself.
 */
#ifndef STEPD_PROGRAM_HELD_CALL_H
#define STEPD_PROGRAM_HELD_CALL_H

#include <msgpack.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lock.h"
#include "run/errand.h"
#include "run/reports.h"
#include "run/run.h"

struct process;
struct program;

enum said_kind {
    SAID_LINE,    /* of the program */
    SAID_DIED,    /* its process did; the text says how */
    SAID_TIMEOUT, /* the call took too long */
};

struct said {
    struct said *next;
    enum said_kind kind;
    size_t size;
    char text[]; /* a NUL behind it */
};

struct held_call {
    atomic_int holders;
    struct program *program;
    atomic_size_t *unread; /* of the program: bytes that no run has taken */
    void (*let_go)(struct held_call *held, bool is_told);
    char function_id[201];
    char run_id[RUN_ID_LENGTH + 1];
    int attempt;
    int64_t timeout_ms;

    _Atomic(int64_t) wakes_ms; /* monotonic: the first time of those waits is over then; 0: none has one */

    struct lock lock;
    struct said *first;            /* lock; that has come and was not taken */
    struct said **end;             /* lock */
    size_t bytes;                  /* lock; of those */
    bool is_over;                  /* lock; there is no run any more */
    bool has_ended;                /* lock; no process has it any more */
    bool is_cancelled;             /* lock */
    bool has_news;                 /* lock; since the holder last looked */
    bool has_heard;                /* lock; something has come that the run waits for beside its steps, or its time is over */
    void (*come_back)(void *home); /* lock */
    void *home;                    /* lock; NULL: the run is at home */

    /* The host's thread: */
    uint64_t number;         /* of the call in its process; 0: it waits for one */
    struct process *process; /* NULL: none has it */
    struct held_call *next;  /* of the process's calls, or of those that wait */
    char *line;              /* the call, while it waits; without its number */
    size_t line_size;
    int64_t since_ms; /* monotonic; it waits since then, or was sent then */
    bool is_overdue;  /* past its timeout, and told so */
    bool is_let_go;   /* nobody wants what comes of it; it only has to end */
};

/* The run's side. */
struct program_errand {
    struct errand base;
    struct reports *reports; /* the run's holder's, all below */
    struct held_call *held;  /* NULL: no call was made yet */
    bool is_answered_later;  /* the call is to end, and does not need to be told so */
};

struct program_errand *program_errand_create(void);
struct program_errand *program_errand_of(struct errand *errand);

/* One holder. `unread` outlives it. Whoever holds the run calls `let_go` where nobody wants the outcome before the call has ended; with
 * `is_told` the program hears of that. */
struct held_call *held_call_create(struct program *program, atomic_size_t *unread, void (*let_go)(struct held_call *held, bool is_told));
void held_call_release(struct held_call *held);
/* Any thread: something has come. Wakes the run. */
void held_call_tell(struct held_call *held, enum said_kind kind, const char *text, size_t size);
/* The last that comes: the program has ended the call, or died. */
void held_call_tell_last(struct held_call *held, enum said_kind kind, const char *text, size_t size);
/* The run's holder: what has come first, its own to free; NULL: nothing more. */
struct said *held_call_take(struct held_call *held);
/* The same, and leaves it there; `after` NULL: the first, else the one behind that. Until it is taken. */
const struct said *held_call_peek(struct held_call *held, const struct said *after);
bool held_call_is_cancelled(struct held_call *held);
/* Any thread: the run is to look at what it waits for beside its steps. Wakes it. */
void held_call_hear(struct held_call *held);
/* The run's holder, once for each time: whether it is to look. */
bool held_call_has_heard(struct held_call *held);

#endif
