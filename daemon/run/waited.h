/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run has behind it when it waits: of some use where the store may have lost that it waited before (docs/inside/waits.md), and
 * looks back for it.
 */
#ifndef STEPD_RUN_WAITED_H
#define STEPD_RUN_WAITED_H

#include <msgpack.h>
#include <stdint.h>

#include "run/run.h"

/* Appends the events that its latest waits were given, as a msgpack map of "TOPIC:PARTITION:OFFSET". `wish`, as wait.c packs it, without `more`: of
 * those alone that waited for the same, and were not asked for together with the one that is about to; size 0: of all, none of which can have been
 * beside this one. */
void waited_pack_given(const struct run *run, struct bytes wish, msgpack_sbuffer *buffer);
/* When its last long sleep ended, the store's time; 0: it had none. What it does since was in no second that was lost before. */
int64_t waited_slept_ms(const struct run *run, int64_t now_ms);

#endif
