/* SPDX-License-Identifier: Apache-2.0 */
/* How the server behind shard 0 is set up, as far as stepd's promises hang on it: what `stepctl doctor` tells. */
#ifndef STEPD_STORE_HEALTH_H
#define STEPD_STORE_HEALTH_H

#include "store/store.h"

#define STORE_HEALTH_TEXT 80

/* A text that the server does not tell is empty. */
struct store_health {
    const char *product; /* "Redis" or "Valkey" */
    char version[STORE_HEALTH_TEXT];
    bool has_append_only_file;
    char append_status[STORE_HEALTH_TEXT]; /* "ok", or why the file can't be written */
    char eviction[STORE_HEALTH_TEXT];      /* "noeviction" */
    long zset_listpack_value;              /* bytes; -1: not told (CONFIG may be forbidden, which is no fault) */
    long hash_listpack_value;
};

/* What a server's INFO tells of it: all but the settings. */
void store_health_read(const char *info, struct store_health *ret_health);
/* Waits. 0, -ESHUTDOWN or -EIO. */
int store_health(struct redis_store *store, struct store_health *ret_health) MUST_CHECK;
/* What Redis's access rules keep from the user of `settings`, as ACL SETUSER takes it; "": nothing, or it can't be asked.
 * Needs no store. The caller frees. */
char *store_rights_missing(const struct store_settings *settings);

#endif
