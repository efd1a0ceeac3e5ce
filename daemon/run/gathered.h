/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages whose events are one run: of a function with `batch`. While it is open it is flow/bundles' alone; begun, it goes
 * with its job, and ends all its messages at once.
 */
#ifndef STEPD_RUN_GATHERED_H
#define STEPD_RUN_GATHERED_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "run/message.h"
#include "run/run.h"

struct gathered {
    const struct function *function;
    struct bundle bundle;      /* of one event, too */
    struct message **messages; /* of each event */
    size_t room;
    atomic_int holders; /* the job; a thread that is stuck in it */

    /* flow/bundles' own, while it is open: */
    struct gathered *next_of_chain;
    struct gathered *older, *newer;
    uint64_t hash; /* of function and key */
    char *key;
    size_t key_size;
    int64_t due_ns; /* monotonic */
    size_t bytes;
};

/* Empty, with one holder. */
struct gathered *gathered_create(const struct function *function);
void gathered_add(struct gathered *gathered, struct message *message, struct event *event);
/* Before it begins: messages whose partitions were revoked are dropped. How many are left. */
size_t gathered_drop_revoked(struct gathered *gathered);
/* Once: ends its part of each message, which nothing may read from here on, and lets go of it. */
void gathered_end(struct gathered *gathered, enum message_state state);
/* A second holder, who may read its messages when they have ended. */
void gathered_hold(struct gathered *gathered);
void gathered_let_go(struct gathered *gathered);

#endif
