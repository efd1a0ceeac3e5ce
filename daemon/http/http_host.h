/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server, and how many calls of it are under way at once. One that answers at once gets few at a time, over as many
 * connections: more would be no faster, and it may refuse them. Where answers take their time there is more room every
 * moment that calls wait for it. One thread's.
 *
 * libcurl looks through all connections of a multi handle to a server for one that is idle: so calls go out by lanes, each a
 * handle of its own, the first that has not many of the server's.
 */
#ifndef STEPD_HTTP_HTTP_HOST_H
#define STEPD_HTTP_HTTP_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/http_call.h"

#define HTTP_LANES 32
#define HTTP_LANE_CALLS 512                  /* of a host; the last lane has what is more */
#define HTTP_HOST_LOOK_NS INT64_C(250000000) /* a look at how fast it answers, while calls wait */

struct http_host {
    struct http_host *next; /* of its holder's list */
    size_t size;            /* of the beginning of URLs that names it */
    char *name;
    struct http_call_list waiting; /* for room */
    int room;
    int under_way;
    int lanes[HTTP_LANES]; /* of those, by the lane that they went out by */
    int64_t ended_ns;      /* the last that was under way; monotonic, as all times */
    /* Since the last look: */
    int64_t looked_ns;
    int64_t answers;
    int64_t least_ns; /* that one took; what all took: */
    int64_t sum_ns;
};

/* Which of the list's it is, or one more: there are as many as the config names. */
struct http_host *http_host_find(struct http_host **list, const char *url);
void http_hosts_destroy(struct http_host *list);

/* The next call that is to go out, by its lane, which counts as under way from here on; NULL: none waits, or there is no room. */
struct http_call *http_host_next(struct http_host *host, int64_t now_ns);
/* One that went out by that lane, at that time, is over, whatever it came to. */
void http_host_end(struct http_host *host, unsigned lane, int64_t since_ns, int64_t now_ns);

#endif
