/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request of HTTP and what it is answered, apart from any server: who answers knows these, who
 * serves them is service/http.
 */
#ifndef STEPD_BASE_WEB_H
#define STEPD_BASE_WEB_H

#include <stddef.h>

#include "base/bytes.h"

struct web_request {
    const char *method;
    const char *path;   /* decoded, without the query */
    struct bytes body;  /* ends with a NUL that `size` does not count */
    void *connection;   /* the server's */
    /* NULL: there is none. */
    const char *(*header)(const struct web_request *request, const char *name);
    const char *(*query)(const struct web_request *request, const char *name);
};

struct web_reply {
    unsigned status;    /* 200 unless set */
    const char *type;   /* JSON unless set */
    char *body;         /* malloc()ed, taken by the server; NULL: empty */
    size_t size;
};

struct web_route {
    const char *method;
    const char *path;   /* a trailing * matches a prefix */
    size_t body_max;    /* bytes; a larger body is refused with 413 */
    /* HTTP threads, several at once; may wait. */
    void (*answer)(void *context, const struct web_request *request, struct web_reply *reply);
    void *context;
};

#endif
