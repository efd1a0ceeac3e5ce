/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP requests to apps, over connections that are kept: each thread has one of these for itself. */
#ifndef STEPD_SDK_CLIENT_H
#define STEPD_SDK_CLIENT_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/memory.h"

struct client_request {
    const char *method;
    const char *url;
    struct bytes body;
    const char *const *headers; /* "Name: value"; ended by NULL */
    int64_t timeout_ms;
    bool (*is_cancelled)(void *context); /* NULL: never is; asked about once a second */
    void *context;
};

/* Until the thread's next request. */
struct client_reply {
    int status;
    struct bytes body;
};

/* 0 with whatever status; -ETIMEDOUT, -ECANCELED, or -EIO with the reason. */
int client_send(const struct client_request *request, struct client_reply *ret_reply, struct error *ret_error) MUST_CHECK;

#endif
