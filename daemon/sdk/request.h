/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON and msgpack that goes to apps and into events: what is known of a run, in the SDKs' words. */
#ifndef STEPD_SDK_REQUEST_H
#define STEPD_SDK_REQUEST_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include <stepd/stepd.h>

#include "run/run.h"

/* What a call is for. */
struct request {
    int attempt;
    bool plans_alone;  /* what is found is to be told, not run: it runs beside others, or by a call of its own */
    bool leaves_state; /* events and steps are not sent: the app asks for them */
    const char *token; /* of the call, where the app may report steps before its reply; NULL: it may not */
    int version;       /* of the protocol; 0: the app's newest */
    int64_t now_ms;    /* the store's: sleeps that are over by then are told */
};

/* Appends a call's body. */
void request_write(struct stepd_ctx *ctx, const struct request *request, msgpack_sbuffer *body);
/* The parts that an app may ask for by themselves. */
void request_write_events(const struct stepd_event *const *events, size_t count, msgpack_sbuffer *body);
void request_write_steps(const struct checkpoints *steps, enum run_phase phase, int64_t now_ms, msgpack_sbuffer *body);
/* Appends the data (msgpack) of an event of a run's end: what it failed of, or its result. */
void request_write_end(struct stepd_ctx *ctx, const char *function, const struct stepd_error *error, const msgpack_sbuffer *result,
                       msgpack_sbuffer *data);

#endif
