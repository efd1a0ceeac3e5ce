/* SPDX-License-Identifier: Apache-2.0 */
/* Small things that all daemons share, by name: one hash, `PREFIX{0}:<shelf>`. Calls wait, as the store's do. */
#ifndef STEPD_STORE_SHELF_H
#define STEPD_STORE_SHELF_H

#include "store/store.h"

/* 0, -ESHUTDOWN or -EIO. */
int shelf_save(struct redis_store *store, const char *shelf, const char *name, struct bytes thing) MUST_CHECK;
/* The one of that name, which the caller frees; none: data NULL. As shelf_save(). */
int shelf_find(struct redis_store *store, const char *shelf, const char *name, struct bytes *ret_thing) MUST_CHECK;
/* *ret_was_there: it is gone now by this very call. As shelf_save(). */
int shelf_remove(struct redis_store *store, const char *shelf, const char *name, bool *ret_was_there) MUST_CHECK;
/* Calls `each` for all that is there; what it is given lives until it returns. As shelf_save(). */
int shelf_load(struct redis_store *store, const char *shelf, void (*each)(void *context, const char *name, struct bytes thing),
               void *context) MUST_CHECK;

#endif
