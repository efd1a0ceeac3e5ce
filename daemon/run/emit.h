/* SPDX-License-Identifier: Apache-2.0 */
/* What a run sends out: events of its own, stepd/function.failed, its dead letter. */
#ifndef STEPD_RUN_EMIT_H
#define STEPD_RUN_EMIT_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/memory.h"
#include "run/context.h"
#include "run/trace.h"

/* The event of step ctx->step, whose id is made of run and step, so that a repeat can be told. 0 once
 * the brokers have it; -EINVAL when it is none, -EIO, -ESHUTDOWN as publisher's. `data`: msgpack. */
int emit_event(struct stepd_ctx *ctx, const char *name, struct bytes data, struct error *ret_error) MUST_CHECK;
/* What is to be out before a failed run ends: a dead letter of each of its events, then stepd/function.failed. It lives as long as the
 * attempt and `failure`. */
struct outgoing *emit_of_failure(struct stepd_ctx *ctx, const struct failure *failure, size_t *ret_letters, size_t *ret_count);
/* A publisher's answer to that, put in words. */
int emit_explain_failure(int status, struct error *ret_error);
/* All of it, at once; or the letters first, and the event once they are out. As emit_event(). */
int emit_failure(struct stepd_ctx *ctx, const struct failure *failure, struct error *ret_error) MUST_CHECK;
int emit_failure_in_order(struct stepd_ctx *ctx, const struct failure *failure, struct error *ret_error) MUST_CHECK;

/* What is to be out before a cancelled run counts as ended. */
int emit_cancelled_event(struct stepd_ctx *ctx, struct error *ret_error) MUST_CHECK;
/* An event's value, appended: JSON, or msgpack where its data (msgpack, checked) holds what JSON can't. Its content type. */
const char *emit_envelope(const char *id, const char *name, int64_t ts_ms, struct bytes data, msgpack_sbuffer *ret_value);
/* 0, or -EINVAL: it is no msgpack, more than one object, or nested too deep for an event. */
int emit_check_data(struct bytes data, struct error *ret_error) MUST_CHECK;
#define EMIT_TRACE_HEADERS 3
/* What belongs to the trace that the run is part of; how many. `room` lives as long as they. */
size_t emit_trace_headers(const struct stepd_ctx *ctx, char room[static TRACE_PARENT_SIZE],
                          struct event_header headers[static EMIT_TRACE_HEADERS]);

/* The dead letter of a message; `function` and `run_id` NULL where no run was made of it. */
struct dead_letter {
    const char *topic; /* "%t.dead": %t is the message's */
    const struct event *event;
    const char *function;
    const char *run_id;
    const char *error_name;
    const char *error_message;
    int attempts;
    int64_t failed_at_ms;
};
/* `pattern` with the topic for each %t. The caller frees. */
char *emit_letter_topic(const char *pattern, const char *topic);
int emit_letter(struct publisher *publisher, const struct dead_letter *letter) MUST_CHECK;

#endif
