/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether files changed: the modules of `stepd dev --watch`. Looked at now and then, since builds
 * write over a file, replace it, or make its folder anew, and a look costs nothing. Main thread only.
 */
#ifndef STEPD_DEV_WATCH_H
#define STEPD_DEV_WATCH_H

#include <stdbool.h>

struct watch;

/* `paths`, NULL-ended: files, or folders with the modules in them; they outlive the watch. */
struct watch *watch_create(char *const *paths);
void watch_destroy(struct watch *watch); /* NULL: nothing */

/* Looks. True once after a change, when all of them are there and stayed the same between two looks:
 * before that, a linker may still be writing. */
bool watch_look(struct watch *watch);

#endif
