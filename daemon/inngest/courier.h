/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holds all calls to apps that are under way: one thread, whatever their number, over connections that
 * are kept. A call belongs to who sends it, and comes back exactly once, through its `done`.
 */
#ifndef STEPD_INNGEST_COURIER_H
#define STEPD_INNGEST_COURIER_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"

struct courier;
struct curl_slist;

/* What is asked of replies' headers. */
enum call_header { CALL_NO_RETRY, CALL_RETRY_AFTER, CALL_VERSION, CALL_HEADERS };

struct call {
    /* The sender's, until it sends it. */
    char *url;                    /* owned; NULL: nothing goes out, it comes back once it is due */
    struct curl_slist *headers;   /* owned */
    msgpack_sbuffer body;
    int64_t timeout_ms;           /* from when it goes out */
    int64_t due_ns;               /* of one without an URL; monotonic */
    void (*done)(struct call *call); /* courier's thread */
    void *context;

    /* The sender's again, once it is done. */
    int status;                   /* HTTP; 0: `error` says why there is none */
    struct error error;           /* ETIMEDOUT, ECANCELED (broken off), EIO */
    msgpack_sbuffer reply;
    char *values[CALL_HEADERS];   /* owned; NULL: not given */

    /* The courier's. */
    struct call *next;
    struct call *broken_next;     /* courier's lock */
    bool is_broken_off;           /* courier's lock */
    bool is_done;                 /* courier's lock */
    void *curl;                   /* NULL: it is not under way */
};

struct call *call_create(void (*done)(struct call *call), void *context);
/* NULL is fine. */
void call_destroy(struct call *call);

/* At most `limit` calls at once; others wait for those. */
struct courier *courier_create(int limit);
/* 0, or negative errno with the reason. */
int courier_start(struct courier *courier, struct error *ret_error) MUST_CHECK;
/* All its calls are done, or broken off: those are done by then. NULL is fine. */
void courier_destroy(struct courier *courier);

/* Any thread. */
void courier_send(struct courier *courier, struct call *call);
/* Any thread: it is to be done soon, broken off where it is not done by then. Once it is done its sender
 * must not ask this any more. */
void courier_break_off(struct courier *courier, struct call *call);

#endif
