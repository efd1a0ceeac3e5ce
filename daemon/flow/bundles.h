/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events that wait to be one run, by function and key: until there are as many as the function's batch takes, or its time
 * is over. What is open here may be no more than a part of what may be in flight; beyond it the oldest begins early. A
 * thread of its own begins what is due. Locks itself.
 */
#ifndef STEPD_FLOW_BUNDLES_H
#define STEPD_FLOW_BUNDLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "run/gathered.h"

struct bundles;

struct bundles_settings {
    size_t events_most; /* open at a time */
    size_t bytes_most;
    /* Any thread: it is full, due, or early, and no longer open; the callee's. */
    void (*begin)(void *context, struct gathered *gathered);
    void *context;
    void (*fatal)(const char *why); /* its thread can't be started */
};

/* What became of an event. */
enum bundles_answer {
    BUNDLES_TAKEN,
    BUNDLES_TAKEN_EARLY, /* and another bundle began early for it */
    BUNDLES_REFUSED,     /* its partition is revoked, or the daemon stops: it is still the caller's */
};

struct bundles *bundles_create(const struct bundles_settings *settings);
/* Nothing is open. NULL is fine. */
void bundles_destroy(struct bundles *bundles);
/* The message's event, in the bundle of its key. A function that takes bundles of one: begin() at once. */
enum bundles_answer bundles_add(struct bundles *bundles, const struct function *function, struct bytes key, struct message *message,
                                struct event *event);
/* One that is a bundle of its own: begin() at once. */
void bundles_begin_alone(struct bundles *bundles, const struct function *function, struct message *message, struct event *event);
/* Messages of partitions that were revoked are dropped. */
void bundles_drop_revoked(struct bundles *bundles);
/* All that is open is dropped, and nothing taken any more. */
void bundles_close(struct bundles *bundles);

#endif
