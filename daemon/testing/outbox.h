/* SPDX-License-Identifier: Apache-2.0 */
/* The publisher port (run/ports.h) in memory: what was sent out, in order. One thread. */
#ifndef STEPD_TESTING_OUTBOX_H
#define STEPD_TESTING_OUTBOX_H

#include <assert.h>
#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>

#include <stepd/testing.h>

#include "run/ports.h"

struct outbox {
    struct publisher port;             /* first: what a run calls */
    const bool *is_out_of_reach;       /* the daemon that sends is dead */
    msgpack_zone *zone;                /* what the messages are made of */
    struct stepd_test_event **letters; /* dead letters */
    size_t letter_count;
    struct stepd_test_event **events; /* all else */
    size_t event_count;
};

static_assert(offsetof(struct outbox, port) == 0, "publish() is given the port");

/* `is_out_of_reach` is borrowed and looked at whenever something is sent. */
void outbox_init(struct outbox *outbox, const bool *is_out_of_reach);
void outbox_done(struct outbox *outbox);

#endif
