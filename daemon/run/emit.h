/* SPDX-License-Identifier: Apache-2.0 */
/* What a run sends out: events of its own, stepd/function.failed, its dead letter. */
#ifndef STEPD_RUN_EMIT_H
#define STEPD_RUN_EMIT_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/memory.h"
#include "run/context.h"

/* The event of step ctx->step, whose id is made of run and step, so that a repeat can be told. 0 once
 * the brokers have it; -EINVAL when it is none, -EIO, -ESHUTDOWN as publisher's. `data`: msgpack. */
int emit_event(struct stepd_ctx *ctx, const char *name, struct bytes data, struct error *ret_error) MUST_CHECK;
/* What is to be out before a failed run ends. As emit_event(). */
int emit_dead_letter(struct stepd_ctx *ctx, const struct failure *failure, struct error *ret_error) MUST_CHECK;
int emit_failed_event(struct stepd_ctx *ctx, const struct failure *failure, struct error *ret_error) MUST_CHECK;

/* What is to be out before a cancelled run counts as ended. */
int emit_cancelled_event(struct stepd_ctx *ctx, struct error *ret_error) MUST_CHECK;

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
/* `pattern` with the topic for its %t. The caller frees. */
char *emit_letter_topic(const char *pattern, const char *topic);
int emit_letter(struct publisher *publisher, const struct dead_letter *letter) MUST_CHECK;

#endif
