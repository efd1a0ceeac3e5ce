/* SPDX-License-Identifier: Apache-2.0 */
/* One request over HTTP as the http_pool sees it, or a time that is waited for. And lists of them, each its holder's alone. */
#ifndef STEPD_HTTP_HTTP_CALL_H
#define STEPD_HTTP_HTTP_CALL_H

#include <stdbool.h>
#include <stdint.h>

struct http_call;
struct http_host; /* http/http_host.h */

/* All called on the http_pool's thread. `curl` is a handle of libcurl's. */
struct http_call_ops {
    /* It goes out: sets what the request is. The handle is reset before, and has what all requests have in common. */
    void (*prepare)(struct http_call *call, void *curl);
    /* It is over, with a code of libcurl's: reads what came. */
    void (*finish)(struct http_call *call, void *curl, int code);
    /* It is its sender's again. Without finish() before it was broken off, or was a time. */
    void (*done)(struct http_call *call);
};

/* What may be under way at once is counted by who asks. */
enum http_share { HTTP_OF_APPS, HTTP_OF_FUNCTIONS, HTTP_SHARES };

struct http_call {
    /* The sender's, until it sends it. */
    const struct http_call_ops *ops;
    enum http_share share;
    const char *url; /* of a server that is to get no more at once than it needs; NULL: as many as there are */
    bool is_time;    /* nothing goes out, it comes back once it is due */
    int64_t due_ns;  /* of a time; monotonic */

    /* The http_pool's. */
    struct http_call *next;        /* of its list */
    struct http_host *host;        /* NULL: none */
    int64_t out_ns;                /* monotonic; when it went out */
    unsigned lane;                 /* that it went out by */
    struct http_call *broken_next; /* http_pool's lock */
    bool is_broken_off;            /* http_pool's lock */
    bool is_done;                  /* http_pool's lock */
    void *curl;                    /* NULL: it is not under way */
};

struct http_call_list {
    struct http_call *first;
    struct http_call *last;
};

void http_call_list_add(struct http_call_list *list, struct http_call *call);
/* By due_ns: the soonest is the first. */
void http_call_list_add_due(struct http_call_list *list, struct http_call *call);
/* The first; NULL: there is none. */
struct http_call *http_call_list_take(struct http_call_list *list);
/* One that is not in there is fine. */
void http_call_list_remove(struct http_call_list *list, struct http_call *call);

#endif
