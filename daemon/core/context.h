/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of `struct stepd_ctx`: one attempt of one run, as module code sees it. A worker keeps
 * one and uses it again for each attempt; nothing here is shared but the slot.
 */
#ifndef STEPD_CORE_CONTEXT_H
#define STEPD_CORE_CONTEXT_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include <stepd/stepd.h>

#include "core/ports.h"
#include "core/run.h"
#include "core/slot.h"

/* What all attempts of a daemon share. Constant. */
struct attempt_limits {
    int steps;            /* a run */
    size_t result_bytes;  /* of one step or function */
    size_t state_bytes;   /* of a run's checkpoints together */
};

enum raised_kind { RAISED_NOTHING, RAISED_RETRIABLE, RAISED_NON_RETRIABLE };

/* An error as module code raised it, before anything is decided. */
struct raised {
    enum raised_kind kind;
    bool has_due;            /* a retry-after form: the next attempt is due at due_ms */
    int64_t due_ms;          /* store's time */
    struct failure failure;
};

/* Why the function must return: what its run waits for. */
enum suspension {
    NOT_SUSPENDED,
    SUSPENDED_TO_PARK,       /* `park` says until when */
    SUSPENDED_BY_LIMIT,      /* the run fails, non-retriable, with ctx->raised */
    SUSPENDED_BY_STORE,      /* another worker has the run, it was cancelled, or the daemon stops */
};

/* The step that runs, or whose failure parks the run. */
struct step_call {
    bool is_running;
    bool was_nested;         /* it called a step of its own: refused */
    char id[STEP_ID_SIZE];
    int retries;
    struct backoff backoff;
    int64_t timeout_ms;
    bool is_at_most_once;
    int executions;          /* this one included */
    int64_t started_ms;
};

struct stepd_ctx {
    struct run *run;
    struct slot *slot;
    struct store *store;
    struct publisher *publisher;
    const struct attempt_limits *limits;
    const char *emit_topic;              /* where stepd_send_event() goes */
    void *const *locals;                 /* by module index */
    uint64_t random_state;

    bool is_on_failure;
    int64_t started_ms;                  /* store's time */
    int64_t deadline_ns;                 /* of the attempt, while module code runs; 0: none */
    int64_t left_ns;                     /* of the deadline, while it does not */
    struct raised raised;                /* by the function, or by the step that runs */
    bool is_step_error;                  /* a step failed for good and the function raised nothing since */
    struct step_call step;
    enum suspension suspension;
    struct transition park;              /* SUSPENDED_TO_PARK */
    struct failure last;                 /* what stepd_last_error() tells */
    struct stepd_error last_view;
    bool has_last;
    msgpack_zone *zone;                  /* results and strings of this attempt */
    bool zone_is_used;
    msgpack_sbuffer output;
    msgpack_packer output_packer;
    msgpack_sbuffer step_output;
    msgpack_packer step_packer;
    msgpack_sbuffer scratch;             /* a checkpoint on its way to the store */
    struct id_count *ids;                /* step ids used in this attempt */
    size_t id_count, id_capacity;
    int store_error;                     /* of the call that failed; 0 */
    enum store_answer store_answer;      /* SUSPENDED_BY_STORE: why */
};

void context_init(struct stepd_ctx *ctx);
void context_done(struct stepd_ctx *ctx);
/* Ready for an attempt of `run`. */
void context_begin(struct stepd_ctx *ctx, struct run *run);
/* Module code is about to run, at most timeout_ms (0: no limit); is over: false when abandoned. */
void context_enter(struct stepd_ctx *ctx, int64_t timeout_ms);
bool context_leave(struct stepd_ctx *ctx);
/* Between two pieces of module code in one attempt: the clock of its timeout stands still. */
bool context_pause(struct stepd_ctx *ctx);
void context_resume(struct stepd_ctx *ctx);
/* An allocation that lives until the attempt ends. */
void *context_alloc(struct stepd_ctx *ctx, size_t size);
char *context_strdup(struct stepd_ctx *ctx, const void *text, size_t size);
void context_raise(struct stepd_ctx *ctx, enum raised_kind kind, const char *name, const char *format, va_list arguments);
void context_set_last(struct stepd_ctx *ctx, const struct failure *failure);
/* One durable change of ctx->run, whose epoch, owner follow it. STORE_OK, or another answer after
 * which the attempt is suspended by the store. Module code must not be on the clock. */
bool context_advance(struct stepd_ctx *ctx, const struct transition *transition);
/* The settings of what is retried now: the step, or the function. */
int64_t context_retry_delay_ms(struct stepd_ctx *ctx, const struct backoff *backoff);
/* A step failed (in module code, or by timeout): parks the run, or makes the failure a checkpoint. */
enum stepd_status step_settle_failure(struct stepd_ctx *ctx);

#endif
