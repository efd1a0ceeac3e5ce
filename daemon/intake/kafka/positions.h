/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the consumer is in each of its partitions, at a moment after it was asked: what it has handed over by then lies
 * below. Another thread asks, the consumer's thread tells in its next round.
 */
#ifndef STEPD_INTAKE_KAFKA_POSITIONS_H
#define STEPD_INTAKE_KAFKA_POSITIONS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lock.h"
#include "base/memory.h"
#include "intake/kafka/partition.h"

struct position {
    char topic[250];
    int32_t partition;
    uint64_t serial; /* of its assignment */
    int64_t start;   /* where its reading began; negative: not known yet, as the next */
    int64_t next;    /* all that was handed over lies below */
    int64_t done;    /* all below is done */
    bool is_framed;
};

struct positions {
    atomic_bool is_asked;
    struct lock lock; /* guards what follows */
    struct condition told;
    struct position *items;
    size_t count;
    size_t room;
    bool is_told;
    bool is_stopping;
};

void positions_init(struct positions *positions);
void positions_done(struct positions *positions);
/* Consumer thread, between two loads. */
void positions_tell(struct positions *positions, struct partition *const *partitions, size_t count);
/* One thread at a time; waits for the consumer's. A copy, the caller frees; false: the daemon stops. */
bool positions_ask(struct positions *positions, struct position **ret_items, size_t *ret_count) MUST_CHECK;
void positions_stop(struct positions *positions);

#endif
