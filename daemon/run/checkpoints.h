/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checkpoints of one run, in the order in which they were made; found by id and phase. Owned by
 * the run's holder; not shared between threads.
 */
#ifndef STEPD_RUN_CHECKPOINTS_H
#define STEPD_RUN_CHECKPOINTS_H

#include <msgpack.h>
#include <stddef.h>

#include "base/error.h"
#include "base/memory.h"
#include "run/run.h"

struct checkpoints;

struct checkpoints *checkpoints_create(void);
void checkpoints_destroy(struct checkpoints *steps);
/* Adds one read from the store, at `position`; copies. -EBADMSG with the reason when it is no
 * checkpoint: hostile input, bounded. */
int checkpoints_load(struct checkpoints *steps, size_t position, struct bytes member, struct error *ret_error) MUST_CHECK;
/* Adds (or replaces at its position) one just recorded; copies. */
void checkpoints_add(struct checkpoints *steps, size_t position, const struct checkpoint *checkpoint);
/* A copy of the record's tail as it was written last, until the next one; lives as long as the steps. */
struct bytes steps_keep_tail(struct checkpoints *steps, struct bytes tail);
size_t checkpoints_count(const struct checkpoints *steps);
/* NULL past the end. Lives until checkpoints_destroy or its replacement. */
const struct checkpoint *checkpoints_at(const struct checkpoints *steps, size_t position);
/* NULL: none. *ret_position is set when found. Of one that was begun several times, its end, or its latest begin. */
const struct checkpoint *checkpoints_find(const struct checkpoints *steps, enum run_phase phase, const char *id, size_t *ret_position);

/* How many finished steps of before this attempt nobody has looked for since, and the first one's id. */
size_t checkpoints_unasked(const struct checkpoints *steps, enum run_phase phase, const char **ret_id);

void checkpoint_pack(msgpack_sbuffer *buffer, const struct checkpoint *checkpoint);
/* For those who write the end of a step that waits without knowing more of it: the kind, one byte, stands between the two, and
 * behind them when it ended, and its value or checkpoint_pack_failure(). */
void checkpoint_pack_around(msgpack_sbuffer *head, msgpack_sbuffer *middle, const struct checkpoint *checkpoint);
void checkpoint_pack_failure(msgpack_sbuffer *buffer, const struct failure *failure);
/* Views into `member` and `zone`. */
int checkpoint_decode(struct bytes member, msgpack_zone *zone, struct checkpoint *ret_checkpoint, struct error *ret_error) MUST_CHECK;

#endif
