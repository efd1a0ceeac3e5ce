/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An event that was read ends the waits that it matches: its values are looked up in the store, one for each way in
 * which runs wait for its name. Any thread.
 */
#ifndef STEPD_RUN_MATCHING_H
#define STEPD_RUN_MATCHING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "event/event.h"
#include "run/ports.h"
#include "run/watches.h"

struct matching {
    struct store *store;
    struct watches *watches;
    _Atomic(uint64_t) ended;
    _Atomic(uint64_t) late;
    _Atomic(uint64_t) expression_errors;
    atomic_bool has_told_late;
    atomic_bool has_told_error;
};

/* The event's name was found. 0, or as the store's calls; *ret_ended: how many waits it ended. */
int matching_match(struct matching *matching, struct event *event, size_t *ret_ended) MUST_CHECK;

/* The same without waiting. False: nothing was asked, and that is to be asked instead. `done`, by any thread: with status 0 and `is_whole` that is all, else the
 * rest is to be asked by that; it must not call the store. The event lives until then. */
bool matching_match_later(struct matching *matching, struct event *event,
                          void (*done)(void *context, int status, bool is_whole, size_t ended), void *context);

#endif
