/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread that starts all programs of a daemon and holds their pipes, so that no worker does: a run whose program works
 * is away (run/errand.h), and comes back once that has asked something, complained or ended. A hosted program belongs to
 * its run's holder while the run is at home, and to the host's thread while it is away.
 */
#ifndef HANDLERS_EXEC_HOST_H
#define HANDLERS_EXEC_HOST_H

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/environment.h"
#include "program.h"
#include "run/errand.h"

struct conversation;

struct complaint {
    struct complaint *next;
    char line[]; /* of its standard error */
};

/* An attempt's program, from its order to its end. */
struct hosted {
    struct errand errand; /* first */
    struct host *host;
    /* Who has it now: */
    struct environment environment; /* of `spec`, with its input: until it was started */
    void *input;
    char run_id[64];
    int64_t timeout_ms;  /* INT64_MAX: none */
    int64_t begun_at_ms; /* monotonic */
    struct program_spec spec;
    struct program *program; /* NULL: not started */
    int problem;             /* a negative errno: it can't be */
    struct complaint *complaints, **complaints_end;
    int complaint_count, logged_lines;
    struct conversation *conversation; /* its run's; NULL: not begun */
    void (*end)(struct conversation *conversation);
    const char *farewell; /* constant: what it is told whatever it asks, now that it has to go; NULL: it is asked to end */

    atomic_bool is_wanted; /* somebody wants the run back; whoever looks at that clears it */
    /* Host's lock: */
    bool has_place;
    bool is_away, is_over; /* over: there is no run any more */
    void (*come_back)(void *home);
    void *home; /* NULL: the run is at home */
    /* Host's thread, while it is away: */
    bool is_ahead;     /* its run had begun before: it is not behind those that have not */
    bool has_had_turn; /* it came to a place while it was away, which its run does not know */
    struct hosted *next;
};

static_assert(offsetof(struct hosted, errand) == 0, "of() is given the errand");

/* `most`: programs at once. Never NULL; its thread starts with the first program. */
struct host *host_create(int most);
/* Ends what still runs, and waits for that. NULL is fine. */
void host_destroy(struct host *host);
/* Its order, `spec` but for what it complains to, is filled by the caller before the run leaves for it. Never NULL; goes with its errand. */
struct hosted *host_order(struct host *host, bool is_ahead);
/* Before its errand goes: the program has that long to end of its own. */
void hosted_dismiss(struct hosted *hosted, const char *farewell, int64_t patience_ms);
/* The run's holder, once the run is back. True: it came to a place meanwhile, for which it had to wait. */
bool hosted_has_come(struct hosted *hosted);
/* The run's holder: the oldest complaint that nobody has taken, to be freed; NULL: none. */
struct complaint *hosted_take_complaint(struct hosted *hosted);

#endif
