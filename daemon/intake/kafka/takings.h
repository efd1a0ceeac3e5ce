/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages that the store has taken, until it is known to have kept them: only then are they done, and
 * may be committed. Each holds its partition. The consumer's thread's, as intake.c asserts.
 */
#ifndef STEPD_INTAKE_KAFKA_TAKINGS_H
#define STEPD_INTAKE_KAFKA_TAKINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "intake/kafka/partition.h"

struct takings {
    struct taking *items; /* a ring, oldest first */
    size_t first;
    size_t count;
    size_t room; /* a power of two */
};

/* `seen_ms`, monotonic and never less than before: when the message was seen to be taken. */
void takings_add(struct takings *takings, struct partition *partition, int64_t offset, int64_t seen_ms);
/* The store has kept all that was seen by then. */
void takings_finish(struct takings *takings, int64_t kept_ms);
/* Whether some of the partition are not known to be kept. */
bool takings_have(const struct takings *takings, const struct partition *partition);
/* None of them is done. */
void takings_drop(struct takings *takings);
/* Once none is left. */
void takings_done(struct takings *takings);

#endif
