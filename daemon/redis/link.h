/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to one Redis server: where to (the URL), how it is opened, who answers. Used by one
 * thread at a time.
 */
#ifndef STEPD_REDIS_LINK_H
#define STEPD_REDIS_LINK_H

#include <hiredis/hiredis.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"

static inline void link_free_reply(redisReply **reply)
{
    if (*reply != NULL)
        freeReplyObject(*reply);
}
#define AUTO_REPLY __attribute__((cleanup(link_free_reply))) redisReply *

struct link_address {
    char *host;      /* NULL: `path` is a Unix socket */
    int port;
    char *path;
    char *user;      /* NULL: Redis's default user */
    char *password;  /* NULL: none */
    int database;
};

/* 0, or -EINVAL with what is wrong, or -ENOTSUP with what to do instead. */
int link_address_parse(const char *url, struct link_address *ret_address, struct error *ret_error) MUST_CHECK;
void link_address_done(struct link_address *address);

struct link {
    redisContext *redis;
    char run_id[48];   /* of the server's process: another one may have lost the last second */
    int64_t client_id; /* of this connection, on that process */
};

/* Connects, authenticates, selects the database, asks who answers. Fails with -EACCES when Redis
 * refuses our credentials or database, -EAGAIN when it can't be reached or isn't ready (the reason in
 * both). timeout_ms is for connecting and, afterwards, for each reply. */
int link_open(struct link *link, const struct link_address *address, int64_t timeout_ms, struct error *ret_error) MUST_CHECK;
void link_close(struct link *link);
/* What was sent over an earlier connection to the same server and has not run by now never will. */
void link_cut_off(struct link *link, const struct link *earlier);

#endif
