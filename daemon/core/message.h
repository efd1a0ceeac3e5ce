/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message on its way: consumer -> dispatch -> worker -> done list -> consumer. One owner at a time;
 * with several functions on one event, `pending` counts the runs that still hold it.
 */
#ifndef STEPD_CORE_MESSAGE_H
#define STEPD_CORE_MESSAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/event.h"
#include "core/run.h"

/* One partition from its assignment to its revocation; an entry of any in-flight table names its
 * assignment, so a partition that goes A->B->A is never taken for itself. Made and destroyed by the
 * consumer, once no message names it. */
struct assignment {
    char *topic;
    int32_t partition;
    atomic_bool is_revoked;     /* consumer sets; workers then drop what has not started */
    struct run_id *taken;       /* sorted; runs that the store had taken over at assignment */
    size_t taken_count;
    struct key_set *parked_keys; /* core/key_set.h: ordered keys with a run in the store; locks itself */
    void *offsets;              /* consumer's own */
};

enum message_outcome {
    MESSAGE_DONE,     /* finished: nothing of it is left to do */
    MESSAGE_TAKEN,    /* the store holds at least one of its runs: committed after redis.durability_lag */
    MESSAGE_DROPPED,  /* not done; its partition was revoked, or the daemon stops: comes again */
};

struct message {
    struct message *next;
    struct event event;
    struct assignment *assignment;
    void *origin;               /* rd_kafka_message_t, the consumer's to destroy */
    atomic_int pending;
    _Atomic(enum message_outcome) outcome;  /* the greatest of its runs' */
    int64_t done_ms;            /* monotonic, when pending became 0 */
};

#endif
