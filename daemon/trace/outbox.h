/* SPDX-License-Identifier: Apache-2.0 */
/* Spans on their way to the sender, at most so many: one that finds no room is dropped, and counted. Locks itself, for moments. */
#ifndef STEPD_TRACE_OUTBOX_H
#define STEPD_TRACE_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/lock.h"

/* A span as it is sent. */
struct sealed_span {
    struct sealed_span *next; /* whose it is */
    size_t size;
    char bytes[];
};

struct outbox {
    struct lock lock;
    struct condition news;        /* there is much, or it is closed */
    struct sealed_span *first;    /* lock, as all below */
    struct sealed_span **last;    /* where the next one goes */
    size_t count, most;           /* spans */
    size_t size, size_most;       /* bytes of them */
    size_t fetched, fetched_size; /* of those that the sender has, until it says so: they count, too */
    uint64_t dropped;
    bool is_closed;
};

void outbox_init(struct outbox *outbox, size_t most, size_t size_most);
void outbox_done(struct outbox *outbox);
/* Any thread; copies. */
void outbox_put(struct outbox *outbox, struct bytes span);
/* The sender: waits until there are `many`, the time is over or it is closed; takes all. NULL: there are none. */
struct sealed_span *outbox_fetch(struct outbox *outbox, size_t many, int64_t timeout_ms);
/* The sender: frees what it had fetched; `is_sent` false: that was dropped. */
void outbox_settle(struct outbox *outbox, struct sealed_span *spans, bool is_sent);
/* Any thread: what is fetched from here on is the rest. */
void outbox_close(struct outbox *outbox);
bool outbox_is_closed(struct outbox *outbox);
uint64_t outbox_dropped(struct outbox *outbox);

#endif
