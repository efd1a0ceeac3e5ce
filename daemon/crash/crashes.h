/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs that the store does not know and that were in a handler when a daemon died: how often. When
 * their messages come again, what was a crash counts as a failed attempt. Any thread; locks itself.
 */
#ifndef STEPD_CRASH_CRASHES_H
#define STEPD_CRASH_CRASHES_H

#include <stdbool.h>

#include "run/run.h"

/* Unclean stops that count as a crash of the run; a handler that is known to have crashed counts so many. */
#define CRASHES_ENOUGH 3

struct crashes;

struct crashes *crashes_create(void);
void crashes_destroy(struct crashes *crashes);
/* The run was in flight in `stops` unclean stops. */
void crashes_set(struct crashes *crashes, const char *run_id, int stops);
/* Whether the run has crashed; it is forgotten then. NULL is fine: it has not. Free of locks while
 * there is none at all. */
bool crashes_take(struct crashes *crashes, const struct run_id *id);

#endif
