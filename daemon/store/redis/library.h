/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scripts that the server behind a link has: under which digests, and which are being loaded again
 * because it forgot them. One thread's.
 */
#ifndef STEPD_STORE_REDIS_LIBRARY_H
#define STEPD_STORE_REDIS_LIBRARY_H

#include <stdbool.h>

#include "base/error.h"
#include "base/memory.h"
#include "store/redis/link.h"
#include "store/redis/request.h"
#include "store/redis/script.h"

struct library {
    char digests[SCRIPT_COUNT][SCRIPT_SHA_SIZE + 1];
    bool is_loading[SCRIPT_COUNT];
};

/* Loads all of them, over a link that blocks. 0, or as link_ask(). */
int library_fill(struct library *library, struct link *link, struct error *ret_error) MUST_CHECK;
/* The script's digest goes into what calls it. */
void library_sign(const struct library *library, struct request *request);
/* A request that loads the script again, so that what follows on the link finds it; it frees itself when it
 * ends, as long as the library lives. NULL: one is under way. */
struct request *library_reload(struct library *library, int script);
bool library_is_reload(const struct request *request);

#endif
