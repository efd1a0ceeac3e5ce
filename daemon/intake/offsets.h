/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of one partition is done, and what may so be committed: the lowest offset that is not done,
 * and a compressed bitmap of those above it that are not. What is kept grows with what is in flight,
 * not with how far the slowest message lies behind. Pure; owned by the consumer thread.
 */
#ifndef STEPD_INTAKE_OFFSETS_H
#define STEPD_INTAKE_OFFSETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/memory.h"

struct offsets;

#define OFFSETS_UNKNOWN (-1)

/* `committed`: where reading begins; OFFSETS_UNKNOWN: with the first message that comes. */
struct offsets *offsets_create(int64_t committed);
/* NULL is fine. */
void offsets_destroy(struct offsets *offsets);

/* A message is in flight. False: it was seen in this assignment, or is done already: skip it.
 * Offsets between this one and the one before it that never come (compacted, aborted) count as done. */
bool offsets_start(struct offsets *offsets, int64_t offset);
/* Again, or of one that never started: no harm. */
void offsets_finish(struct offsets *offsets, int64_t offset);
/* From `first` to `last`, both included. */
void offsets_finish_range(struct offsets *offsets, int64_t first, int64_t last);
/* Whatever below `position` has not started never comes (the partition's last records are not for us). */
void offsets_reach(struct offsets *offsets, int64_t position);

/* The lowest offset that is not done: what to commit. OFFSETS_UNKNOWN: nothing came yet. */
int64_t offsets_committable(const struct offsets *offsets);
/* The lowest offset that has not started. */
int64_t offsets_next(const struct offsets *offsets);
size_t offsets_in_flight(const struct offsets *offsets);

/*
 * Commit metadata: printable text, at most `max_size`; what does not fit is left out, the highest
 * offsets first. Returns the size, 0: nothing to tell.
 */
size_t offsets_encode(const struct offsets *offsets, char *text, size_t max_size);
/* What a commit at `committed` told, before anything starts; `end` is the partition's end. Hostile
 * input: 0, or -EBADMSG with the reason and nothing changed. */
int offsets_decode(struct offsets *offsets, struct bytes text, int64_t end, struct error *ret_error) MUST_CHECK;

#endif
