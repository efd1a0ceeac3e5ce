/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A function's concurrency in this daemon: so many of its runs at once. What is over it holds no thread. Some messages
 * wait here; what comes when that many do, and every run of the store's, waits in the store, in the function's line
 * (docs/inside/threads.md), from which places are reserved for runs before they are claimed. While there is a line, what
 * comes joins it: else it would be overtaken for ever. Locks itself.
 */
#ifndef STEPD_FLOW_GATE_H
#define STEPD_FLOW_GATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lock.h"
#include "run/job.h"

struct gate {
    struct lock lock;
    int running;                              /* lock; places taken, reserved ones too */
    struct job_list waiting;                  /* lock; messages' */
    size_t waiting_count;                     /* lock */
    int leaving;                              /* lock; jobs that are on their way from here into the line */
    int64_t line_seen_ns;                     /* lock; monotonic: the store had a line then; 0: never */
    _Atomic(int64_t) queued;                  /* runs that the store has in line, as it said last */
    _Atomic(int64_t) arrived;                 /* messages' jobs that have got there since … */
    _Atomic(int64_t) heard_ns;                /* … this time; monotonic */
    _Atomic(int64_t) coming;                  /* … and those that are on their way */
    atomic_bool has_parked;                   /* a run of it was in the store once, without having been queued */
    _Atomic(const struct function *) lacking; /* whose gate it is, once it was full */
    atomic_bool is_closed;                    /* the function is paused: there is no place, and what comes goes into the line */
};

enum gate_answer {
    GATE_OPEN,  /* the job has a place */
    GATE_WAITS, /* a copy of it waits here */
    GATE_FULL,  /* it is to wait in the store */
};

void gate_init(struct gate *gate);
void gate_done(struct gate *gate);
/* A message's job. At most `limit` at once, and `most` that wait; `limit` 0: there is none any more. GATE_FULL: call
 * gate_left() once it is in line. */
enum gate_answer gate_enter(struct gate *gate, struct job *job, int limit, size_t most, int64_t now_ns);
/* A claimed run's job: never waits here. */
bool gate_try(struct gate *gate, int limit);
/* Up to `max` places, for runs that are to be claimed; how many. */
size_t gate_reserve(struct gate *gate, int limit, size_t max);
/* A place is free again, or a reserved one was not needed. Then gate_next(). */
void gate_leave(struct gate *gate);
/* The next that may run, with its place; its memory is the caller's. NULL: none waits, or there is no place. */
struct job *gate_next(struct gate *gate, int limit);
/* One that was GATE_FULL is in line now, or nowhere. The next that is to go there, which has waited here, over `most`;
 * its memory is the caller's. NULL: none. */
struct job *gate_left(struct gate *gate, size_t most);
/* Any thread. Closes it: nothing has a place any more, but what has one keeps it. */
void gate_close(struct gate *gate);
/* Opens it again; then gate_next(). */
void gate_open(struct gate *gate);
static inline bool gate_is_closed(const struct gate *gate)
{
    return atomic_load_explicit(&gate->is_closed, memory_order_relaxed);
}
/* Any thread. How many runs of the function are queued, or on their way there; as well as it is known here: what other
 * daemons queue is heard of a moment later. */
uint64_t gate_queued(struct gate *gate, int64_t now_ns);
/* Any thread. None is, as far as is known here. */
static inline bool gate_is_empty(const struct gate *gate)
{
    return (atomic_load_explicit(&gate->queued, memory_order_relaxed) | atomic_load_explicit(&gate->arrived, memory_order_relaxed) |
            atomic_load_explicit(&gate->coming, memory_order_relaxed)) == 0;
}
/* Any thread. A message's job that is going to be queued; and that it is, or is no job any more. */
void gate_expect(struct gate *gate);
void gate_arrive(struct gate *gate, bool is_over);
/* The store has so many more in line than it said before, or fewer. */
void gate_see_queued(struct gate *gate, int64_t change, int64_t now_ns);
/* The store has a line of the function's runs. */
void gate_see_line(struct gate *gate, int64_t now_ns);

#endif
