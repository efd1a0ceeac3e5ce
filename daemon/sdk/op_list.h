/* SPDX-License-Identifier: Apache-2.0 */
/* What a call's reply lists: steps that ran, failed, are planned, or sleep. All live until the attempt ends. */
#ifndef STEPD_SDK_OP_LIST_H
#define STEPD_SDK_OP_LIST_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>

#include <stepd/stepd.h>

#include "run/run.h"
#include "sdk/step_name.h"

enum op_kind {
    OP_UNKNOWN,
    OP_RESULT,
    OP_ERROR,
    OP_FAILED,
    OP_PLANNED,
    OP_SLEEP,
    OP_WAIT,
    OP_SIGNAL,
    OP_INVOKE,
    OP_FETCH,
    OP_MODEL,
    OP_COMPLETE
};

struct op_error {
    const char *name;
    const char *message;
    const msgpack_object *data; /* what the step gave beside its error, as Go's functions can; NULL: no word of it */
};

struct op {
    enum op_kind kind;
    char name[STEP_ID_SIZE]; /* ours */
    struct step_hash hash;   /* the SDK's */
    const msgpack_object *data;
    const msgpack_object *options; /* NULL: none */
    struct op_error error;
    const char *duration;    /* OP_SLEEP: a duration or a date; of others what the op is called */
    const char *timeout;     /* OP_WAIT, OP_SIGNAL, OP_INVOKE: the same, "": none */
    const char *event;       /* OP_WAIT, OP_SIGNAL: the name waited for */
    bool replaces;           /* OP_SIGNAL: whoever waits for it, where else it fails */
    bool races;              /* OP_PLANNED: the function is to be told of it as soon as it has ended */
    const char *when;        /* OP_WAIT: the condition; NULL: each */
    bool has_more;           /* OP_WAIT: the reply has another one for the same, which is recorded after this */
    const char *function_id; /* OP_INVOKE; data: of the event */
};

/* What a reply's headers say of the error in it. */
struct retry_advice {
    bool is_retriable;
    const char *after; /* NULL: as the function's backoff says */
};

struct op_list {
    struct op *items;
    size_t count;
    struct retry_advice advice;
};

/* `body` may have any shape: what is no op is left out. */
void op_list_read(struct stepd_ctx *ctx, const msgpack_object *body, struct op_list *ret_ops);
/* Of an error object of any shape, or none; then the HTTP status names it. */
void op_error_read(struct stepd_ctx *ctx, int http_status, const msgpack_object *object, struct op_error *ret_error);

#endif
