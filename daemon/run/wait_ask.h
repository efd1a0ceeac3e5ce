/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run asks of the store that waits for an event, and what a reader asks that has read one.
 * docs/inside/waits.md says how the two find each other.
 */
#ifndef STEPD_RUN_WAIT_ASK_H
#define STEPD_RUN_WAIT_ASK_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "event/event.h"

struct wait_ask {
    const char *event;
    struct bytes later;    /* how the later side of its equality is written; size 0: it has no index */
    struct bytes value;    /* what that has to be */
    struct bytes when;     /* of each event that is found so; size 0: that says it all */
    struct bytes boundary; /* msgpack, topic -> [offset, …] by partition: no event below counts; size 0: all do */
    struct bytes head;     /* of the outcome's checkpoint: all that stands before the time at which it ended */
    bool is_of_row;        /* `event` in its condition is what a function by topic sees */
    struct bytes
        given; /* waited_pack_given(): none of these counts, where it may have been recorded before, in what the store has lost since */
    int64_t slept_ms;  /* waited_slept_ms(): nothing of what was lost before then */
    const char *takes; /* the name of an event that is kept for the run, which it takes; NULL: none, it waits */
    size_t kept;       /* so many of that name were, when it looked */
    int64_t until_ms;  /* the store's time; WAIT_FOREVER_MS */
    size_t most;       /* without an index, of this name */
};

/* A wait of a run that we hold, of which no outcome is known here. */
struct wait_open {
    size_t position; /* of the checkpoint with which it began */
    int64_t until_ms;
    struct bytes head; /* as wait_ask.head */
};

/* A run that such a run has called. */
struct call_made {
    struct bytes run_id;
    struct bytes head, middle; /* of what its answer becomes: checkpoint_pack_around(); size 0: that has come, or nobody waits for it */
};

/* What is asked for the waits of such a run: what has come for it while it was held. */
struct wait_look {
    const struct wait_open *waits; /* those whose time is over: they end with nothing; or all, of a run that ends */
    size_t count;
    size_t known;                  /* of its checkpoints: what has come stands behind them */
    size_t called;                 /* so many runs it has called in all */
    const struct call_made *calls; /* these, where the store has lost some; else there are none */
    size_t call_count;
    void (*add)(void *context, size_t position, struct bytes checkpoint);
    void (*lack)(void *context); /* the store knows fewer of its calls than `called` */
    void *context;
};

/* An event that was read, and one value by which waits are found. */
struct wait_match {
    int shard;
    const char *event;
    struct bytes later;
    struct bytes value;
    const char *topic;
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms;
    struct bytes outcome; /* what the waits are given: msgpack */
    /* Whether `when` is true of it, for a run whose own event is given. */
    bool (*holds)(void *context, struct event *own, bool is_of_row, struct bytes when);
    void *context;
};

struct wait_counts {
    size_t ended;   /* cancelled runs, and events that were kept for one, too */
    size_t kept;    /* … of these the latter: a wait of such a run may take it at once */
    size_t dropped; /* that were kept for a run, and had to go for later ones */
    size_t late;    /* that it would have ended, had it been read before their time was over */
};

/* Where all partitions end: asked of the brokers, after the call. */
struct boundary_port {
    /* Appends what wait_ask.boundary is. 0, or -ESHUTDOWN. Any thread; waits until they have answered. */
    int (*ask)(struct boundary_port *port, msgpack_sbuffer *ret_boundary);
};

#endif
