/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One attempt of one run, from its module code to its durable outcome: completed, parked, or failed
 * for good with its dead letter, its stepd/function.failed and its on_failure. All that is decided is
 * decided here, over the ports; the daemon's workers and stepd::testing call the same.
 */
#ifndef STEPD_RUN_ATTEMPT_H
#define STEPD_RUN_ATTEMPT_H

#include <stdint.h>

#include "run/context.h"
#include "run/run.h"

enum attempt_end {
    ATTEMPT_COMPLETED,
    ATTEMPT_RETRY,     /* parked until due_ms; `failure` says why */
    ATTEMPT_SLEEPING,  /* parked until due_ms */
    ATTEMPT_WAITING,   /* parked until what it waits for is there, or due_ms */
    ATTEMPT_PASSED_ON, /* failed for good; another attempt, due now, brings the run to its end */
    ATTEMPT_FAILED,    /* the run failed for good; `failure` */
    ATTEMPT_MOVED,     /* another worker has the run, or its record is gone */
    ATTEMPT_CANCELLED, /* a person ended the run */
    ATTEMPT_STOPPED,   /* the daemon stops; nothing is known of the last change */
    ATTEMPT_REFUSED,   /* the store refuses for good what the attempt came to; it has the run as it was before */
    ATTEMPT_AWAY,      /* not over: it waits for run->errand; `failure`: of a part of it, to be tried again */
    ATTEMPT_SETTLING, /* its code is over; ctx->settling, its last change but for a failure's, is to be asked of the store: attempt_settle() */
    ATTEMPT_ABANDONED, /* the watch took the attempt over: nothing of it is the caller's any more */
};

/* "completed", "retry", …: as logs and traces say it. */
const char *attempt_end_word(enum attempt_end end);

struct attempt_report {
    enum attempt_end end;
    enum attempt_end settles_as; /* SETTLING: its end, should the store agree */
    bool is_stored;              /* the store holds, or held, the run: its message is taken, not done */
    int64_t due_ms;              /* the store's time */
    int64_t due_in_ms;           /* from the store's now */
    int64_t started_ns;          /* monotonic */
    int64_t ended_ns;
    bool is_setback;               /* its function, or a step of it, failed of an error that is not said to be for good */
    const struct failure *failure; /* NULL: none; lives until the context's next attempt */
};

/* `ctx` was made ready by context_init() and its ports are set; `started_ns` (monotonic) is now, or so
 * short a while ago that it does not matter. Blocks for module code, store and publisher. run->steps
 * and run->last may be replaced. A run that has an errand goes on with its attempt; whatever the end
 * but ATTEMPT_AWAY, the errand is destroyed. */
void attempt_make(struct stepd_ctx *ctx, struct run *run, int64_t started_ns, struct attempt_report *ret_report);

/* The end of an attempt that was SETTLING: asks for its last change, and waits; then for all that follows from it. */
void attempt_settle(struct stepd_ctx *ctx, struct run *run, const struct transition *change, struct attempt_report *report);
/* The same where the store has agreed already. */
void attempt_settled(struct run *run, const struct transition *change, const struct transition_reply *reply, struct attempt_report *report);

/* Whether `change`, of an attempt that is SETTLING, says that its run fails for good: once the store has agreed to it, what tells of the
 * failure goes out (attempt_send_failure), and once that is out the run is buried (attempt_burial). */
bool attempt_is_failing(const struct transition *change);
/* The store has agreed. `pending` is done once the brokers have answered. */
void attempt_send_failure(struct stepd_ctx *ctx, struct run *run, const struct attempt_report *report, struct pending_delivery *pending);
/* All is out: the run's last change. */
struct transition attempt_burial(const struct run *run);
/* The end of an attempt whose failure was sent, with `status` as its pending_delivery has it, or -EAGAIN: it was not. Waits. */
void attempt_bring_out(struct stepd_ctx *ctx, struct run *run, int status, struct attempt_report *report);

/* A run that was cancelled while nobody executed it: its stepd/function.cancelled goes out, and it counts as ended. False: it
 * is not known to be out, which was said; the store gives the run to another later. */
bool attempt_tell_cancelled(struct stepd_ctx *ctx, struct run *run);

/* A part of the attempt failed, of ctx->step_raised, and is to be tried again by itself at due_ms, while the
 * rest goes on: durable from here on, with ctx->branches; the run's counter is then `attempt`. False: there is a
 * verdict. The second is for callers that have the function off the clock. */
bool attempt_note(struct stepd_ctx *ctx, int attempt, int64_t due_ms);
bool attempt_note_off_clock(struct stepd_ctx *ctx, int attempt, int64_t due_ms);

/* An attempt whose module code does not say how it ended: past its timeout, or it took its process
 * with it. Counted as failed with this error, decided as any other. `ctx` is not the one the code
 * still runs on; `step` says what it ran, NULL: the function. */
void attempt_fail(struct stepd_ctx *ctx, struct run *run, const struct step_call *step, const char *name, const char *message,
                  struct attempt_report *ret_report);

/* A message that no function can be given: its dead letter. 0 once it is out, else as publisher_ops. */
int attempt_reject(struct publisher *publisher, const char *dead_letter_topic, const struct event *event, const char *name,
                   const char *message, int64_t now_ms) MUST_CHECK;

#endif
