/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs that a run calls. The call and what its caller waits for are one durable change, a checkpoint of kind WAITING
 * whose value is ["invoke", run, function]; the run that is called is made from there, in whatever shard and daemon, and
 * what becomes of it comes back as another checkpoint of the step.
 */
#ifndef STEPD_RUN_INVOKE_H
#define STEPD_RUN_INVOKE_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include <stepd/stepd.h>

#include "base/bytes.h"
#include "event/event.h"
#include "run/ports.h"
#include "run/run.h"

#define INVOKE_DEPTH_MOST 100 /* invokes inside each other */
#define INVOKE_EVENT "stepd/function.invoked"
/* What the event of a called run has as headers. */
#define INVOKE_CALLER_HEADER "stepd-invoked-by"
#define INVOKE_STEP_HEADER "stepd-invoked-step"
#define INVOKE_DEPTH_HEADER "stepd-invoke-depth"

struct invoke_ask {
    const char *function_id;
    struct bytes data;      /* msgpack; size 0: nil */
    int64_t timeout_ms;     /* 0: none */
    const char *event_name; /* NULL: INVOKE_EVENT */
};

/* As a step's call answers; parks the run until there is an outcome. */
enum stepd_status invoke_call(struct stepd_ctx *ctx, const char *id, const struct invoke_ask *ask, const msgpack_object **ret_result);
/* Calls, and goes on: SUSPENDED with no verdict while the outcome is not there. */
enum stepd_status invoke_beside(struct stepd_ctx *ctx, const char *id, const struct invoke_ask *ask);

/* Those that it waits for whose time is over fail; the function is off the clock. False: there is a verdict. */
bool invoke_settle_overdue(struct stepd_ctx *ctx);

/* What a waiting checkpoint's value says of a call: views into it. False: it waits for something else. */
struct invoke_view {
    struct bytes run_id;
    struct bytes function_id;
};
bool invoke_read(struct bytes value, struct invoke_view *ret_view);

/* A run that is called from outside, by no run: filled and all its parts, until called_done(). */
struct called {
    struct run run;
    struct function function; /* stands for the one of that id */
    struct event event;
    msgpack_sbuffer value, head, middle;
    struct event_header headers[1];
};
void called_init(struct called *called, const char *function_id, const struct run_id *id, const char *topic, struct bytes data,
                 int64_t now_ms, struct callee *ret_callee);
void called_done(struct called *called);

#endif
