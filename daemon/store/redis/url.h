/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redis.url taken apart: which servers, how to log in to them.
 *
 *   redis://[user:pass@]host[:port][/db]         one server; rediss:// over TLS
 *   unix://[user:pass@]path[?db=n]
 *   redis+sentinel://[user:pass@]host[:port],host…/master[/db]
 *   redis+cluster://[user:pass@]host[:port],host…
 */
#ifndef STEPD_STORE_REDIS_URL_H
#define STEPD_STORE_REDIS_URL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/memory.h"

#define PLACE_NAME_SIZE 256

/* Where a server listens. */
struct redis_place {
    char name[PLACE_NAME_SIZE]; /* a host; with port 0 the path of a Unix socket; empty: nowhere */
    int port;
};

#define PLACE_TEXT_SIZE (PLACE_NAME_SIZE + 8)
/* "host:port", "[::1]:port" or the path. */
const char *place_text(const struct redis_place *place, char ret_text[PLACE_TEXT_SIZE]);
bool place_is_same(const struct redis_place *a, const struct redis_place *b);
/* "host:port" as MOVED and CLUSTER SLOTS have it; a host of "" is that of `asked`. False: it is none. */
bool place_read(const char *text, size_t size, const struct redis_place *asked, struct redis_place *ret_place);

enum url_kind { URL_SERVER, URL_SENTINEL, URL_CLUSTER };

struct redis_url {
    enum url_kind kind;
    bool has_tls;
    struct redis_place *places; /* the server, the sentinels, some nodes */
    size_t count;
    char *user;     /* NULL: Redis's default user */
    char *password; /* NULL: none */
    char *master;   /* URL_SENTINEL: its name */
    int database;
};

/* 0, or -EINVAL with what is wrong, or -ENOTSUP with what to do instead. */
int url_parse(const char *text, struct redis_url *ret_url, struct error *ret_error) MUST_CHECK;
void url_done(struct redis_url *url);

#endif
