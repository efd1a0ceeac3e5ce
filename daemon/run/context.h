/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of `struct stepd_ctx`: one attempt of one run, as module code sees it. A worker keeps
 * one and uses it again for each attempt; nothing here is shared but the slot and the hold.
 */
#ifndef STEPD_RUN_CONTEXT_H
#define STEPD_RUN_CONTEXT_H

#include <msgpack.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include <stepd/stepd.h>

#include "base/histogram.h"
#include "pool/slot.h"
#include "run/caller.h"
#include "run/crew.h"
#include "run/hold.h"
#include "run/ports.h"
#include "run/routes.h"
#include "run/run.h"
#include "run/step_call.h"
#include "run/step_ids.h"
#include "run/unwanted.h"

struct tracer; /* run/trace.h */

/* What all attempts of a daemon share. Constant. */
struct attempt_settings {
    int steps;                     /* limits: of a run, */
    size_t result_bytes;           /* of one step or function; a run's state is the store's to limit */
    bool keeps_all;                /* history of runs that never needed the store, too */
    const char *dead_letter_topic; /* "%t.dead" */
    const char *const *topics;     /* configured; NULL-ended, one at least: where emitted events may go */
    const struct routes *routes;   /* NULL: no topic is taken whole */
    /* Any worker: the function of that id which this daemon has, or can learn of. NULL: there are none. */
    const struct function *(*find_function)(void *context, const char *id);
    void *context;
    struct unwanted *unwanted;      /* runs that a person has cancelled while the store did not know them; NULL: none */
    struct tracer *tracer;          /* run/trace.h; NULL: nothing is traced */
    struct crew *crew;              /* threads for branches; NULL: there are none, a run tries them one after the other */
    struct caller caller;           /* sends requests over HTTP */
    struct boundary_port *boundary; /* where the partitions end now; NULL: nobody reads any */
    size_t waits;                   /* that may stand without an index, for events of one name */
    const atomic_bool *is_draining; /* the daemon stops: nothing new begins; NULL: never does */
};

struct journal_slot; /* run/journal.h */

enum raised_kind {
    RAISED_NOTHING,
    RAISED_RETRIABLE,
    RAISED_NON_RETRIABLE,
    RAISED_BY_STEP, /* a step failed for good, of ctx->last, and the function raised nothing since */
};

/* An error as module code raised it, before anything is decided. */
struct raised {
    enum raised_kind kind;
    bool has_due;   /* a retry-after form: the next attempt is due at due_ms */
    int64_t due_ms; /* store's time */
    struct failure failure;
};

enum verdict_kind {
    VERDICT_OPEN,      /* none yet: what the function returns says how it ended */
    VERDICT_PARK,      /* its run waits in the store, as `park` says */
    VERDICT_LIMIT,     /* the run fails, non-retriable, of ctx->raised */
    VERDICT_AWAY,      /* it waits for run->errand */
    VERDICT_MOVED,     /* another worker has the run, or its record is gone */
    VERDICT_CANCELLED, /* a person ended the run */
    VERDICT_STOPPED,   /* the daemon stops: nothing is known of the last change */
    VERDICT_REFUSED,   /* the store refuses the change for good */
};

/* How the attempt ends, once that is known before its function has returned: the function must return then, and
 * nothing is raised any more. Set by context.c alone. */
struct verdict {
    enum verdict_kind kind;
    struct transition park;        /* PARK */
    const struct failure *failure; /* PARK, AWAY: of a step or a part of the attempt, which is tried again; NULL: it waits */
    int64_t due_ms;                /* AWAY: when that part is due */
};

struct stepd_ctx {
    struct run *run;
    struct slot *slot;
    struct hold hold; /* of the store's runs */
    struct store *store;
    struct publisher *publisher;
    const struct attempt_settings *settings;
    void *const *locals;              /* by module index; NULL: none */
    struct journal_slot *journal;     /* NULL: crashes are not noted */
    struct histogram *step_durations; /* µs; NULL: nobody counts */
    uint64_t random_state;

    int64_t started_ns;          /* monotonic; of the attempt */
    int64_t entered_ns;          /* … and when it was entered last, having been away: its timeout counts from here */
    struct errand *entered_with; /* what the run had come back from then; NULL: nothing */
    int64_t deadline_ns;         /* of the module code that runs; 0: none */
    struct raised raised;        /* by the function */
    struct raised step_raised;   /* by the step that runs, or ran last */
    bool was_nested;             /* the step that runs called a step of its own: refused */
    struct step_call step;
    struct verdict verdict;
    bool may_settle;            /* the attempt's last change may be left to the store: ATTEMPT_SETTLING */
    struct transition settling; /* then: which; what it points to lives until the next attempt */
    int64_t noted_due_ms;       /* a part of the attempt failed (step_raised) and is due then; 0: none */
    struct failure last;        /* what stepd_last_error() tells */
    struct stepd_error last_view;
    bool has_last;
    msgpack_zone *zone; /* results and strings of this attempt */
    bool zone_is_used;
    msgpack_sbuffer output;
    msgpack_packer output_packer;
    msgpack_sbuffer step_output;
    msgpack_packer step_packer;
    msgpack_sbuffer scratch; /* a checkpoint on its way to the store */
    msgpack_sbuffer tail;    /* of the record, on its way to the store */
    struct bytes branches;   /* kept in the tail, until the run has none; run/attempt_log.h */
    struct step_ids ids;
};

/* After an error was raised: its next attempt is due at due_ms (the store's time). */
void context_due_at(struct stepd_ctx *ctx, int64_t due_ms);
/* After an error was raised: its next attempt is due when a Retry-After of HTTP says, but no later than
 * `retry.max_after` from now, which is said. */
void context_due_by_header(struct stepd_ctx *ctx, int64_t due_ms);

void context_init(struct stepd_ctx *ctx);
void context_done(struct stepd_ctx *ctx);
/* Ready for an attempt of `run`, which begins, or goes on after it was away, at started_ns (monotonic). */
void context_begin(struct stepd_ctx *ctx, struct run *run, int64_t started_ns);
/* Nothing of the attempt's run is held any more. */
void context_end(struct stepd_ctx *ctx);
/* Module code is about to run, at most timeout_ms from now_ns on (monotonic; 0: no limit); is over:
 * false when abandoned. */
void context_enter(struct stepd_ctx *ctx, int64_t now_ns, int64_t timeout_ms);
bool context_leave(struct stepd_ctx *ctx);
/* Between two pieces of one function's code: the clock of its timeout stands still. False: abandoned.
 * `ret_left_ns` is for context_resume(). */
bool context_pause(struct stepd_ctx *ctx, int64_t *ret_left_ns);
void context_resume(struct stepd_ctx *ctx, int64_t left_ns);
/* An allocation that lives until the attempt ends. */
void *context_alloc(struct stepd_ctx *ctx, size_t size);
char *context_strdup(struct stepd_ctx *ctx, const void *text, size_t size);
/* An error of what is running now. Once there is a verdict nothing is raised any more. */
void context_raise(struct stepd_ctx *ctx, enum raised_kind kind, const char *name, const char *format, ...) PRINTF_LIKE(4, 5);
void context_vraise(struct stepd_ctx *ctx, enum raised_kind kind, const char *name, const char *format, va_list arguments)
    PRINTF_LIKE(4, 0);
void context_set_last(struct stepd_ctx *ctx, const struct failure *failure);
/* What the function raised is a failure of a part of it, which a call of its own tries again while the rest goes on. */
struct raised context_take_raised(struct stepd_ctx *ctx);
void context_set_part_raised(struct stepd_ctx *ctx, const struct raised *raised);
/* A step failed for good, of ctx->last: the function's error, unless it raises one. */
void context_raise_step_error(struct stepd_ctx *ctx);
/* A person has cancelled the run in its first attempt: nobody wants what becomes of it. */
bool context_is_unwanted(const struct stepd_ctx *ctx);
/* One durable change of ctx->run, whose epoch and owner follow it. False: there is a verdict, of the store's
 * or by a limit; with none, a wait beside others is to look once more at what is kept for the run. Module code must not be on
 * the clock. */
bool context_advance(struct stepd_ctx *ctx, const struct transition *transition);
/* The daemon stops: nothing new begins. */
bool context_is_draining(const struct stepd_ctx *ctx);
/* Nothing is known of what became of the attempt, and that is no failure: it is made again elsewhere. */
enum stepd_status context_give_up(struct stepd_ctx *ctx);
/* After it was told to end. By a daemon that stops: then nothing more is known of the run. Else the store has
 * given the run to others, or a person has cancelled it: that is for the store to say. False: it has said so. */
bool context_may_go_on(struct stepd_ctx *ctx);
/* The run waits in the store: asleep, or delayed by what the step or part that ran last raised. */
enum stepd_status context_park(struct stepd_ctx *ctx, const struct transition *park);
/* The run fails of what was raised last, by the step or the function; no attempt would change that. */
enum stepd_status context_fail_by_limit(struct stepd_ctx *ctx, const struct raised *raised);
/* There is no verdict any more: what comes of the attempt is decided anew. */
void context_reopen(struct stepd_ctx *ctx);
static inline bool context_is_decided(const struct stepd_ctx *ctx)
{
    return ctx->verdict.kind != VERDICT_OPEN;
}
/* The function suspends for `errand`, which is the run's from here on. */
enum stepd_status context_leave_for(struct stepd_ctx *ctx, struct errand *errand);
/* For run->first_epoch. */
uint32_t context_new_epoch(struct stepd_ctx *ctx);
/* Before the next attempt of what fails now, as the schedule has it; jitter in it. */
/* The function's delay before an attempt that an error of that name makes necessary: its on_error counts first. */
int64_t context_retry_delay_ms(struct stepd_ctx *ctx, const char *error);
int64_t context_backoff_ms(struct stepd_ctx *ctx, const struct backoff *backoff);
/* When the error itself says that the next attempt is due; 0: it doesn't. */
int64_t raised_due_ms(const struct raised *raised);
/* Whether `output` is one whole object within the limits. Otherwise an error was raised;
 * *ret_is_limit: it is for the run to fail of. */
bool context_check_output(struct stepd_ctx *ctx, const msgpack_sbuffer *output, bool *ret_is_limit);
/* The store's time. */
int64_t context_now_ms(const struct stepd_ctx *ctx);
/* What an author says of the future: a delay, at most a hundred years and not less than nothing; or a time, at
 * most the end of the year 9999. The store orders by doubles, and sums must stay in range. */
int64_t context_from_now_ms(const struct stepd_ctx *ctx, int64_t delay_ms);
int64_t context_until_ms(int64_t unix_ms);

#endif
