/* SPDX-License-Identifier: Apache-2.0 */
/* How a reader of partitions and the store agree on what all of is matched: docs/inside/waits.md. */
#ifndef STEPD_RUN_CONFIRMATION_H
#define STEPD_RUN_CONFIRMATION_H

#include <stdint.h>

/* A partition, and how far all of it is matched. */
struct matched_place {
    const char *topic;
    int32_t partition;
    int64_t confirmed; /* by its reader; -1: it does not know yet */
    int64_t matched;   /* as the store has it; -1: it has nothing */
};

/* What a reader knows of a shard. */
struct confirmation {
    char process[41]; /* of the server that it is of; "": nothing is known */
    int64_t generation;
    int64_t lowered; /* the generation as of which `matched` was lowered last */
};

/* Who hears of watches. What is forgotten comes before what is new, which may be the same. */
struct watch_listener {
    void (*add)(void *context, int shard, const char *event, const char *later);
    void (*forget)(void *context, int shard, const char *event, const char *later);
    void *context;
};

#endif
