/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An event that was read ends the waits that it matches: its values are looked up in the store, one for each way in
 * which runs wait for its name. Any thread.
 */
#ifndef STEPD_RUN_MATCHING_H
#define STEPD_RUN_MATCHING_H

#include <stdatomic.h>
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

#endif
