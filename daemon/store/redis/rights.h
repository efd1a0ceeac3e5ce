/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Redis's access rules (ACL) must allow stepd's user: commands, and the keys under its prefix. Asked within a
 * transaction that is discarded: Redis says of each command whether it would do it, and does none.
 */
#ifndef STEPD_STORE_REDIS_RIGHTS_H
#define STEPD_STORE_REDIS_RIGHTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/memory.h"
#include "store/redis/link.h"
#include "store/redis/url.h"

/* What is missing, as ACL SETUSER takes it: "~stepd{* +hset +client|kill"; "": nothing, or Redis does not say (it refuses
 * MULTI, or the link fails). The caller frees. The link waits for replies, and its server may be any of a Cluster. */
char *rights_missing(struct link *link, const struct redis_url *url, const char *prefix);
/* 0, or -EACCES with what is missing and the command that gives it, or where Redis takes no script but of keys that are declared. */
int rights_check(struct link *link, const struct redis_url *url, const char *prefix, struct error *ret_error) MUST_CHECK;
/* The same over a link of its own to `place`; 0 where that fails, too. */
int rights_check_at(const struct redis_place *place, const struct redis_url *url, const char *prefix, int64_t timeout_ms,
                    struct error *ret_error) MUST_CHECK;
/* Whether this command (as Lua writes it, "HSET") is among those that are asked for. */
bool rights_know(const char *command);

#endif
