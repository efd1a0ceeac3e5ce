/* SPDX-License-Identifier: Apache-2.0 */
/* One line that a program asks, understood. */
#ifndef HANDLERS_EXEC_REQUEST_H
#define HANDLERS_EXEC_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stepd/stepd.h>

#define NAME_SIZE 208     /* of an error; 200 bytes are its longest */
#define MESSAGE_SIZE 1024 /* of an error: what is longer is cut there */

enum request_kind {
    REQUEST_STEP,    /* {"step": id}: may it run? */
    REQUEST_RESULT,  /* {"step": id, "result": value} */
    REQUEST_ERROR,   /* {"step": id, "error": {name, message, retriable, retry_after_ms}} */
    REQUEST_SLEEP,   /* {"sleep": id, "ms": delay_ms} */
    REQUEST_SEND,    /* {"send": id, "name": name, "data": value} */
    REQUEST_WAIT,    /* {"wait": id, "event": name, "when": condition, "timeout_ms": time_ms}; the last two may be left out */
    REQUEST_INVOKE,  /* {"invoke": id, "function": id, "data": value, "timeout_ms": time_ms}; the last two may be left out */
    REQUEST_OUTPUT,  /* {"output": value} */
    REQUEST_STEPS,   /* {"steps": [request, …]}: several beside each other, each of a kind that has an id and is no report */
    REQUEST_SUSPEND, /* {"suspend": true}: nothing can go on now */
};

struct request {
    enum request_kind kind;
    const char *id;
    const msgpack_object *value; /* of a result, an output, an event's data, the list of several; NULL: none was given */
    const char *name;            /* of an event, of a function that is invoked */
    const char *when;            /* of a wait; NULL: each event */
    char error_name[NAME_SIZE];
    char message[MESSAGE_SIZE];
    bool is_retriable;
    int64_t retry_after_ms; /* -1: the schedule says */
    int64_t delay_ms;       /* of a wait or an invoke 0: without end */
};

/* What is understood lives until the attempt ends. NULL, or what is wrong with the line. */
const char *request_read(struct stepd_ctx *ctx, const char *line, size_t size, struct request *ret_request);
/* Of REQUEST_STEPS: how many, and one of them, which was found to be right. */
size_t request_count(const struct request *steps);
void request_at(struct stepd_ctx *ctx, const struct request *steps, size_t index, struct request *ret_request);

#endif
