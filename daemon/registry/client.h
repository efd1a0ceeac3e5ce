/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to a schema registry. One thread's. */
#ifndef STEPD_REGISTRY_CLIENT_H
#define STEPD_REGISTRY_CLIENT_H

#include <msgpack.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/memory.h"

/* Borrowed. */
struct registry_address {
    const char *url;         /* without a slash at its end */
    const char *user;        /* NULL: asked without one */
    const char *password;    /* NULL: none */
    const char *ca_file;     /* PEM, and so are the next two; NULL: the system's */
    const char *certificate; /* NULL: none */
    const char *private_key; /* NULL: none */
    bool trusts_anybody;
};

struct config;
/* Of a config that names one. */
struct registry_address registry_address_of(const struct config *config);

struct registry_reply {
    long status;
    struct bytes body; /* until the next request */
};

struct registry_client;

/* What is under way is broken off once `must_stop` is set; NULL: never. */
struct registry_client *registry_client_create(const struct registry_address *address, const atomic_bool *must_stop);
/* NULL is fine. */
void registry_client_destroy(struct registry_client *client);
/* GET of `path`, which begins with a slash. 0 with whatever status, or -EIO with the reason. */
int registry_client_get(struct registry_client *client, const char *path, struct registry_reply *ret_reply,
                        struct error *ret_error) MUST_CHECK;
/* `text` as a part of a path; free() it. */
char *registry_client_escape(const char *text);

#endif
