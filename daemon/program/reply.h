/* SPDX-License-Identifier: Apache-2.0 */
/* What a program reports of its call, read. All of it lives as long as the attempt does. */
#ifndef STEPD_PROGRAM_REPLY_H
#define STEPD_PROGRAM_REPLY_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include <stepd/stepd.h>

#include "run/ops.h"

enum reply_kind { REPLY_STEP, REPLY_STEPS, REPLY_SLEEP, REPLY_SEND, REPLY_WAIT, REPLY_INVOKE, REPLY_OUTPUT, REPLY_ERROR, REPLY_SUSPEND };

struct reply_error {
    struct ops_error said;
    const char *step_id; /* NULL: none */
};

/* One step that ran. */
struct reply_step {
    const char *id;
    bool has_failed;
    const msgpack_object *result;
    struct reply_error error;
};

struct reply {
    enum reply_kind kind;
    bool is_beside;           /* others of its call are under way */
    struct reply_step *steps; /* STEP: one; STEPS: several */
    size_t step_count;
    const char *id;             /* SLEEP, SEND, WAIT, INVOKE */
    int64_t ms, until_ms;       /* SLEEP: either, the other is −1; WAIT, INVOKE: ms is the timeout, 0: none */
    const char *name;           /* SEND, WAIT: the event's; INVOKE: the function's */
    const char *when;           /* WAIT; NULL: any */
    const msgpack_object *data; /* OUTPUT, SEND, INVOKE */
    struct reply_error error;   /* ERROR */
};

/* NULL: it is one; else what is wrong with the line, which lives as long. */
const char *reply_read(struct stepd_ctx *ctx, const char *line, size_t size, struct reply *ret_reply);

#endif
