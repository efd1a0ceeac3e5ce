/* SPDX-License-Identifier: Apache-2.0 */
/* Spans on their way to the sender, at most so many: one that finds no room is dropped, and counted. Locks itself, for moments. */
#ifndef STEPD_TRACE_OUTBOX_H
#define STEPD_TRACE_OUTBOX_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lock.h"

struct outbox {
    struct lock lock;
    struct condition news;        /* there is much, or it is closed */
    msgpack_sbuffer spans;        /* lock, as all below; as they are sent, one behind the other */
    size_t begun;                 /* where the one begins that is being written */
    size_t count, most;           /* spans */
    size_t size_most;             /* bytes of them */
    size_t fetched, fetched_size; /* of those that the sender has, until it says so: they count, too */
    uint64_t dropped;
    bool is_closed;
};

void outbox_init(struct outbox *outbox, size_t most, size_t size_most);
void outbox_done(struct outbox *outbox);
/* Any thread: a span is to be written behind what stands there, by outbox_end(); until then nobody else has the outbox. NULL: it is full, and the span counts
 * as dropped; there is nothing to end. */
msgpack_sbuffer *outbox_begin(struct outbox *outbox);
void outbox_end(struct outbox *outbox);
/* The sender: waits until there are `many`, the time is over or it is closed; takes all, and leaves *spans, which is empty, in their place.
 * How many they are. */
size_t outbox_fetch(struct outbox *outbox, size_t many, int64_t timeout_ms, msgpack_sbuffer *spans);
/* The sender: what it had fetched is sent, or it is dropped. */
void outbox_settle(struct outbox *outbox, bool is_sent);
/* Any thread: what is fetched from here on is the rest. */
void outbox_close(struct outbox *outbox);
bool outbox_is_closed(struct outbox *outbox);
uint64_t outbox_dropped(struct outbox *outbox);

#endif
