/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request of HTTP and what it is answered, apart from any server: who answers knows these, who
 * serves them is service/http.
 */
#ifndef STEPD_BASE_WEB_H
#define STEPD_BASE_WEB_H

#include <stddef.h>

#include "base/bytes.h"

#define WEB_ADDRESS_SIZE 64

struct web_request {
    const char *method;
    const char *path;  /* decoded, without the query */
    struct bytes body; /* ends with a NUL that `size` does not count */
    void *connection;  /* the server's */
    /* NULL: there is none. */
    const char *(*header)(const struct web_request *request, const char *name);
    const char *(*query)(const struct web_request *request, const char *name);
    /* Whose it is: the other end's address as text. NULL: nobody knows. */
    void (*address)(const struct web_request *request, char text[static WEB_ADDRESS_SIZE]);
};

/* An answer that goes on. Both are called on the connection's thread. */
struct web_stream {
    /* Fills `out`, and waits for that as long as it likes, within reason; returns the bytes, 0 at the end. */
    size_t (*read)(struct web_stream *stream, char *out, size_t size);
    void (*close)(struct web_stream *stream); /* frees it */
};

struct web_header {
    const char *name;
    const char *value;
};

struct web_reply {
    unsigned status;  /* 200 unless set */
    const char *type; /* JSON unless set */
    char *body;       /* malloc()ed, taken by the server; NULL: empty */
    size_t size;
    struct web_stream *stream;        /* instead of a body; taken */
    const struct web_header *headers; /* more of them, ended by a NULL name; outlive the answer. NULL: none */
};

struct web_route {
    const char *method;
    const char *path; /* a trailing * matches a prefix */
    size_t body_max;  /* bytes; a larger body is refused with 413 */
    /* The connection's thread, several at once; may wait. */
    void (*answer)(void *context, const struct web_request *request, struct web_reply *reply);
    void *context;
};

#endif
