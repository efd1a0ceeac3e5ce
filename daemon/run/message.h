/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages on their way: consumer -> dispatch -> worker, in batches of one allocation. The consumer
 * makes a batch, hands it over once, and looks at its messages' states; when nobody works on any of
 * them any more the batch is its own again. There is no way back to queue up for.
 */
#ifndef STEPD_RUN_MESSAGE_H
#define STEPD_RUN_MESSAGE_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event/event.h"
#include "pool/task.h"
#include "run/known_runs.h"

struct job; /* run/job.h */

#define LACKS_ALL (-1) /* all functions are paused */

/* One partition from its assignment to its revocation; an entry of any in-flight table names its
 * assignment, so a partition that goes A->B->A is never taken for itself. Made and destroyed by the
 * consumer, once no message names it. */
struct assignment {
    char *topic;
    int32_t partition;
    atomic_bool is_revoked;      /* consumer sets; what has not started is then dropped */
    atomic_int lacks;            /* index of a function without room for more runs, plus 1, or LACKS_ALL: likewise; 0: none */
    struct known_runs known;     /* to the store, at assignment */
    struct key_set *parked_keys; /* flow/key_set.h: ordered keys with a run in the store; locks itself */
    /* The consumer's: the store came back without its last writes, and all assignments are about to be revoked. Set before the store
     * answers again. NULL: it has no consumer. */
    const atomic_bool *must_rewind;
};

/* A message's state, in the order in which it gets there. Workers write it, the consumer reads it. */
enum message_state {
    MESSAGE_QUEUED, /* nobody has begun with it */
    MESSAGE_RUNNING,
    MESSAGE_DONE,    /* finished: nothing of it is left to do */
    MESSAGE_KNOWN,   /* the store had at least one of its runs when the partition was assigned: committed redis.durability_lag after that */
    MESSAGE_TAKEN,   /* the store holds at least one of its runs: committed after redis.durability_lag */
    MESSAGE_DROPPED, /* not done; its partition was revoked, or the daemon stops: comes again */
};

struct message {
    struct task task; /* first */
    struct assignment *assignment;
    struct batch *batch;
    _Atomic(uint64_t) runs; /* of it that have not ended, and RUN_IS_AWAY for each of them that is away; dispatch's own */
    atomic_uint ends;       /* their states, a bit each, where there are several */
    _Atomic(enum message_state) state;
    bool is_settled; /* the consumer's own: it has seen how this one ended */
    struct event event;
};

static_assert(offsetof(struct message, task) == 0, "message_run() is given the task");

#define RUN_IS_AWAY (UINT64_C(1) << 32)

/* `open` counts messages that are not yet done, taken or dropped, and handlers that were given up on
 * but may still read theirs. At 0 (acquire) the batch is the consumer's again. */
struct batch {
    struct batch *next; /* of whoever holds it */
    atomic_uint open;
    atomic_int away;      /* of those that are open: all their runs are away, in places of their own */
    atomic_bool is_mixed; /* some ended as taken or dropped */
    unsigned count;
    unsigned room;    /* for messages */
    struct job *jobs; /* dispatch's: a place for a job of each message; NULL: none was needed yet. Freed with the batch */
    struct message messages[];
};

/* Consumer, for all but the event: a message's place is used again and again. */
static inline void message_init(struct message *message, struct assignment *assignment, struct batch *batch)
{
    message->assignment = assignment;
    message->batch = batch;
    message->is_settled = false;
    atomic_init(&message->state, MESSAGE_QUEUED);
    atomic_init(&message->runs, 0);
    atomic_init(&message->ends, 0);
}

/* Worker. False: the partition was revoked, and it must be dropped. The consumer sets is_revoked
 * before it looks for RUNNING; sequential consistency makes one of both see the other. */
static inline bool message_begin(struct message *message)
{
    atomic_store_explicit(&message->state, MESSAGE_RUNNING, memory_order_seq_cst);
    return !atomic_load_explicit(&message->assignment->is_revoked, memory_order_seq_cst);
}

/* Worker, once: the last thing it does with a message. */
static inline void message_end(struct message *message, enum message_state state)
{
    struct batch *batch = message->batch;

    if (state != MESSAGE_DONE)
        atomic_store_explicit(&batch->is_mixed, true, memory_order_relaxed);
    atomic_store_explicit(&message->state, state, memory_order_release);
    atomic_fetch_sub_explicit(&batch->open, 1, memory_order_release);
}

/* Consumer. Whoever sees an end sees what was written before it. */
static inline enum message_state message_state(const struct message *message)
{
    return atomic_load_explicit(&message->state, memory_order_acquire);
}

/* Worker. The store may have lost runs of this assignment: what it says now of those that came before is not to be relied on. The
 * consumer revokes its assignments before it takes back must_rewind, so that a worker sees one or the other. */
static inline bool assignment_is_doubtful(const struct assignment *assignment)
{
    return (assignment->must_rewind != NULL && atomic_load_explicit(assignment->must_rewind, memory_order_seq_cst)) ||
           atomic_load_explicit(&assignment->is_revoked, memory_order_seq_cst);
}

/* Consumer: of its messages none begins any more; those that had begun go on. */
static inline void assignment_revoke(struct assignment *assignment)
{
    atomic_store_explicit(&assignment->is_revoked, true, memory_order_seq_cst);
}

/* Consumer, after assignment_revoke(): whether a worker is at it; the other half of message_begin(). */
static inline bool message_is_running(const struct message *message)
{
    return atomic_load_explicit(&message->state, memory_order_seq_cst) == MESSAGE_RUNNING;
}

/* Consumer, before it hands the batch over. */
static inline void batch_begin(struct batch *batch)
{
    atomic_store_explicit(&batch->open, batch->count, memory_order_relaxed);
    atomic_store_explicit(&batch->away, 0, memory_order_relaxed);
}

/* Consumer. At 0 the batch is its own again. */
static inline unsigned batch_open_count(const struct batch *batch)
{
    return atomic_load_explicit(&batch->open, memory_order_acquire);
}

/* Consumer: of those that are open, how many take no place among what is in flight. A count, and nothing hangs on it. */
static inline unsigned batch_away_count(const struct batch *batch)
{
    int away = atomic_load_explicit(&batch->away, memory_order_relaxed);

    return away > 0 ? (unsigned)away : 0; /* one may be back before it is counted as gone */
}

/* Consumer, once none is open. */
static inline bool batch_is_mixed(const struct batch *batch)
{
    return atomic_load_explicit(&batch->is_mixed, memory_order_relaxed);
}

static inline bool message_all_are_away(uint64_t runs)
{
    return runs != 0 && runs / RUN_IS_AWAY == runs % RUN_IS_AWAY;
}

/* One of its runs is away from here on, in a place of its own. The run is the caller's still. */
static inline void message_run_leaves(struct message *message)
{
    uint64_t before = atomic_fetch_add(&message->runs, RUN_IS_AWAY);

    if (message_all_are_away(before + RUN_IS_AWAY))
        (void)atomic_fetch_add(&message->batch->away, 1);
}

/* It is the caller's again. */
static inline void message_run_returns(struct message *message)
{
    if (message_all_are_away(atomic_fetch_sub(&message->runs, RUN_IS_AWAY)))
        (void)atomic_fetch_sub(&message->batch->away, 1);
}

/* One of its runs has ended; whether it was the last. Where the others are all away the batch knows that before: once this
 * one is taken off they may come back, end, and give the batch to the consumer. */
static inline bool message_take_run_off(struct message *message)
{
    uint64_t runs = atomic_load(&message->runs);

    for (;;) {
        bool are_away = message_all_are_away(runs - 1);
        if (are_away)
            (void)atomic_fetch_add(&message->batch->away, 1);
        if (atomic_compare_exchange_strong(&message->runs, &runs, runs - 1))
            return runs == 1;
        if (are_away)
            (void)atomic_fetch_sub(&message->batch->away, 1);
    }
}

/* Of runs that ended so, a bit each: as what most is left to do for. */
static inline enum message_state message_state_of(unsigned ends)
{
    if (ends & 1U << MESSAGE_DROPPED)
        return MESSAGE_DROPPED;
    if (ends & 1U << MESSAGE_TAKEN)
        return MESSAGE_TAKEN;
    return ends & 1U << MESSAGE_KNOWN ? MESSAGE_KNOWN : MESSAGE_DONE;
}

/* Worker, once for each of the message's runs: the last of them ends it. */
static inline void message_end_run(struct message *message, enum message_state state)
{
    if (message->runs == 1 && message->ends == 0) {
        message_end(message, state);
        return;
    }
    unsigned ends = atomic_fetch_or(&message->ends, 1U << state) | 1U << state;
    if (!message_take_run_off(message))
        return;
    ends |= atomic_load(&message->ends);
    message_end(message, message_state_of(ends));
}

/* Memory that messages in flight may take, where `queue` of them may be. */
static inline size_t message_memory_most(int queue)
{
    const size_t least = (size_t)64 << 20;
    size_t most = (size_t)queue * 4 * sizeof(struct message);

    return most > least ? most : least;
}

#endif
