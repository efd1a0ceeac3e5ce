/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps that run elsewhere, as data: what a program or an app asks for, or says of a step that it has run. The protocols read that out
 * of their own forms; what it means for the run is decided here, over the calls that modules make.
 */
#ifndef STEPD_RUN_OPS_H
#define STEPD_RUN_OPS_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include <stepd/stepd.h>

#include "run/branches.h"
#include "run/context.h"
#include "run/invoke.h"

struct ops_error {
    const char *name, *message;
    bool is_retriable;
    int64_t retry_after_ms; /* −1: by the schedule */
};

/* The steps of a run while it is on a worker. */
struct ops {
    struct stepd_ctx *ctx;
    struct branches *branches; /* of the run's errand: those that wait for another attempt, or are under way */
    int64_t failed_due_ms;     /* a branch failed, of ctx->step_raised, and is due then; not durable yet. 0: none */
};

/* What an earlier attempt, or call, has left open: into `branches`, which is empty, out of the run's tail. */
void ops_load_branches(const struct stepd_ctx *ctx, struct branches *branches);

/* An error of what runs now, step or function. */
enum stepd_status ops_raise(struct stepd_ctx *ctx, const struct ops_error *error);

/* Whether the step waits for what comes from elsewhere, and nothing has come yet. */
bool ops_is_waiting(const struct stepd_ctx *ctx, const char *id);
/* No other step of the run is under way, fails or sleeps: it may be parked as a whole. */
bool ops_is_alone(const struct ops *ops);

/* `attempt` is the run's counter of errors from the next change on. What a branch failed of becomes durable while others go on. */
enum stepd_status ops_note_failure(struct ops *ops, int attempt);
/* What became of a step that ran beside others: `settle` tells it. *ret_is_later, with OK: it failed, and waits for its next attempt as
 * a branch. Else as a step's call answers. */
enum stepd_status ops_settle_beside(struct ops *ops, int attempt, const char *id, stepd_step_fn settle, const void *arg,
                                    bool *ret_is_later);
/* The function itself raised an error while steps of it are open. OK: it waits for its next attempt as they do, as the branch with no name,
 * and *attempt has one more. FAILED: it has none left, or the error is for good. */
enum stepd_status ops_fail_function(struct ops *ops, int *attempt);
/* Nothing of the run is under way: it waits in the store until due_ms (0: until now), or until what it has invoked has ended. */
enum stepd_status ops_park(struct ops *ops, int attempt, int64_t due_ms);

/* stepd_send_event(), with data as it was read. */
enum stepd_status ops_send(struct stepd_ctx *ctx, const char *id, const char *event, const msgpack_object *data);
/* Calls `ask->function_id` with `data`. With `parks` as invoke_call(), else as invoke_beside(). */
enum stepd_status ops_invoke(struct stepd_ctx *ctx, const char *id, struct invoke_ask ask, const msgpack_object *data, bool parks);

#endif
