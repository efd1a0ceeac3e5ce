/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of one partition is done, and what may so be committed: the lowest offset that is not done,
 * and a compressed bitmap of those above it that are. Pure; owned by the consumer thread.
 */
#ifndef STEPD_CORE_OFFSETS_H
#define STEPD_CORE_OFFSETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/memory.h"

struct offsets;

/* `committed`: where reading begins. */
struct offsets *offsets_create(int64_t committed);
void offsets_destroy(struct offsets *offsets);

/* A message is in flight. False: it was seen in this assignment, or is done already: skip it.
 * Offsets between this one and the one before it that never come (compacted, aborted) count as done. */
bool offsets_start(struct offsets *offsets, int64_t offset);
void offsets_finish(struct offsets *offsets, int64_t offset);
/* The lowest offset that is not done: what to commit. */
int64_t offsets_committable(const struct offsets *offsets);
size_t offsets_in_flight(const struct offsets *offsets);

/*
 * Commit metadata: text without a zero byte, at most `max_size`; what does not fit is left out, the
 * highest offsets first. Returns the size, 0: nothing to tell.
 */
size_t offsets_encode(const struct offsets *offsets, char *text, size_t max_size);
/* What a commit at `committed` told; `end` is the partition's end. Hostile input: 0, or -EBADMSG with
 * the reason and nothing changed. */
int offsets_decode(struct offsets *offsets, struct bytes text, int64_t end, struct error *ret_error) MUST_CHECK;

#endif
