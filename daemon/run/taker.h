/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where work goes: the store hands over runs that are due, intake hands over batches of messages. The engine takes
 * both; to those who give it is a port.
 */
#ifndef STEPD_RUN_TAKER_H
#define STEPD_RUN_TAKER_H

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

#include "base/bytes.h"
#include "run/claimed.h"
#include "run/function.h"
#include "run/message.h"
#include "run/ports.h"

struct run_taker {
    const struct run_taker_ops *ops;
};

/* All called on the store's timer thread; none waits. */
struct run_taker_ops {
    /* How many runs may be handed over now without waiting for a worker. */
    size_t (*free_workers)(struct run_taker *taker);
    /* The run is the taker's. */
    void (*take_run)(struct run_taker *taker, struct claimed *claimed);
    /* Places for runs of the function that are to be claimed out of its line, up to `max`; how many. */
    size_t (*reserve)(struct run_taker *taker, const struct function *function, size_t max);
    /* Reserved places that no run came for. */
    void (*give_back)(struct run_taker *taker, const struct function *function, size_t count);
    /* The store has a line of the function's runs: what comes joins it. */
    void (*see_line)(struct run_taker *taker, const struct function *function);
    /* So many runs of the function more than it said before, or fewer, the store has in line. */
    void (*see_queued)(struct run_taker *taker, const struct function *function, int64_t change);
    /* Breakers that are open in the shard, each a function's id, NUL and a key; `has_more`: these are not all. */
    void (*see_breakers)(struct run_taker *taker, int shard, const struct bytes *names, size_t count, bool has_more);
    /* A person has paused the function. */
    bool (*is_paused)(struct run_taker *taker, const struct function *function);
    /* A run of the function that had waited for later events starts nothing. */
    void (*refused)(struct run_taker *taker, const struct function *function, enum flow_answer why);
    /* Any thread. Owned runs whose ids are given were taken from us (reaped, cancelled): their attempts see
     * stepd_is_cancelled(). NULL: all that the store had given to this incarnation. */
    void (*cancel)(struct run_taker *taker, const char *run_id);
    /* The same of a run that the store does not know: should its first attempt be under way here, its result is dropped. */
    void (*end_first)(struct run_taker *taker, const char *run_id);
    /* Something has come for that run of ours, which waits beside other steps: should it be away, it is to come back. */
    void (*hear)(struct run_taker *taker, const char *run_id);
};

/* What a partition waits for that brings more of a function than may be queued. */
struct room_lack {
    const char *function; /* NULL: all are paused */
    const char *setting;  /* which bound it is; NULL: the store's memory */
    uint64_t most;
};

/* Why what brings more of it stops. */
static inline void room_lack_text(const struct room_lack *lack, char *ret_text, size_t size)
{
    if (lack->function == NULL)
        (void)snprintf(ret_text, size, "all functions are paused");
    else if (lack->setting == NULL)
        (void)snprintf(ret_text, size, "Redis's memory is nearly full, and runs of %s are kept there", lack->function);
    else
        (void)snprintf(ret_text, size, "%s has %" PRIu64 " runs queued, all that %s allows", lack->function, lack->most, lack->setting);
}

struct batch_taker {
    const struct batch_taker_ops *ops;
};

/* All called on the one thread that makes the batches. */
struct batch_taker_ops {
    /* A batch whose messages are QUEUED, in offset order, all of them open. Does not wait for room: the caller keeps
     * the messages of its open batches to about what the taker was made for. */
    void (*take_batch)(struct batch_taker *taker, struct batch *batch);
    /* Now and then while batches are open: wakes a worker where all that are awake seem to be held up. */
    void (*nudge)(struct batch_taker *taker);
    /* An assignment's `lacks`: whether there is room again; *ret_lack: of what, for the one who asks why it waits. */
    bool (*has_room)(struct batch_taker *taker, int lacks, struct room_lack *ret_lack);
    /* Partitions were revoked: what waits here and has not begun of theirs is dropped. */
    void (*drop_revoked)(struct batch_taker *taker);
};

#endif
