/* SPDX-License-Identifier: Apache-2.0 */
/* One call of an app: what goes out, and what it came to. And lists of them, each its holder's alone. */
#ifndef STEPD_SDK_CALL_H
#define STEPD_SDK_CALL_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"

struct curl_slist;

/* What is asked of replies' headers. */
enum call_header { CALL_NO_RETRY, CALL_RETRY_AFTER, CALL_VERSION, CALL_HEADERS };

struct call {
    /* The sender's, until it sends it. */
    char *url;                  /* owned; NULL: nothing goes out, it comes back once it is due */
    struct curl_slist *headers; /* owned */
    msgpack_sbuffer body;
    int64_t timeout_ms;              /* from when it goes out */
    int64_t due_ns;                  /* of one without an URL; monotonic */
    void (*done)(struct call *call); /* http_pool's thread */
    void *context;

    /* The sender's again, once it is done. */
    int status;         /* HTTP; 0: `error` says why there is none */
    struct error error; /* ETIMEDOUT, ECANCELED (broken off), EIO */
    msgpack_sbuffer reply;
    char *values[CALL_HEADERS]; /* owned; NULL: not given */

    /* The http_pool's. */
    struct call *next;        /* of its list */
    struct call *broken_next; /* http_pool's lock */
    bool is_broken_off;       /* http_pool's lock */
    bool is_done;             /* http_pool's lock */
    void *curl;               /* NULL: it is not under way */
};

struct call *call_create(void (*done)(struct call *call), void *context);
/* NULL is fine. */
void call_destroy(struct call *call);

struct call_list {
    struct call *first;
    struct call *last;
};

void call_list_add(struct call_list *list, struct call *call);
/* By due_ns: the soonest is the first. */
void call_list_add_due(struct call_list *list, struct call *call);
/* The first; NULL: there is none. */
struct call *call_list_take(struct call_list *list);
/* One that is not in there is fine. */
void call_list_remove(struct call_list *list, struct call *call);

#endif
