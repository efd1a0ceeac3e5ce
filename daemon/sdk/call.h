/* SPDX-License-Identifier: Apache-2.0 */
/* One call of an app: what goes out, and what it came to. */
#ifndef STEPD_SDK_CALL_H
#define STEPD_SDK_CALL_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"
#include "http/http_call.h"

struct curl_slist;

/* What is asked of replies' headers. */
enum call_header { CALL_NO_RETRY, CALL_RETRY_AFTER, CALL_VERSION, CALL_HEADERS };

struct call {
    struct http_call base; /* first */
    /* The sender's, until it sends it. */
    char *url;                  /* owned; NULL: nothing goes out, it comes back once it is due */
    char *method;               /* owned; NULL: POST */
    struct curl_slist *headers; /* owned */
    msgpack_sbuffer body;
    int64_t timeout_ms;              /* from when it goes out */
    void (*done)(struct call *call); /* http_pool's thread */
    void *context;

    /* The sender's again, once it is done. */
    int status;         /* HTTP; 0: `error` says why there is none */
    struct error error; /* ETIMEDOUT, ECANCELED (broken off), EIO */
    msgpack_sbuffer reply;
    char *values[CALL_HEADERS]; /* owned; NULL: not given */
    msgpack_sbuffer told;       /* where there is a method, all headers of the reply: name, NUL, value, NUL, … */
};

struct call *call_create(void (*done)(struct call *call), void *context);
/* NULL is fine. */
void call_destroy(struct call *call);

#endif
