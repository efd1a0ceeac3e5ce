/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens by the clock in one shard: this worker's proof of life, claims of what is due, the runs of
 * workers that died, what is no longer kept, the sweep for runs that a fault lost. One thing is asked at a
 * time, and nothing waits for the answer: a shard that is slow or away holds up no other. The timer thread's, as timers.c asserts.
 */
#ifndef STEPD_STORE_REDIS_ROUNDS_H
#define STEPD_STORE_REDIS_ROUNDS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/histogram.h"
#include "run/taker.h"
#include "store/redis/counters.h"
#include "store/redis/store_internal.h"
#include "store/redis/timers_counts.h"

struct rounds;

#define LINES_DUE_MOST 8

/* Functions whose lines something came into, or that have room again; what more there are a heartbeat finds. */
struct lines_due {
    const struct function *functions[LINES_DUE_MOST];
    size_t count;
    int64_t due_ms; /* the store's time, when count > 0 */
};

/* Whether that was news. */
bool lines_due_add(struct lines_due *lines, const struct function *function, int64_t due_ms);

/* What the shards' rounds have in common. */
struct rounds_common {
    struct redis_store *store;
    struct run_taker *runs;
    const struct function *(*find_function)(void *context, const char *id);
    void (*count)(void *context, struct worker_counts *ret_counts);
    bool (*may_take_over)(void *context);
    /* Calls `each` for the functions that there are now. */
    void (*each_function)(void *context, void (*each)(void *each_context, const struct function *function), void *each_context);
    void *context;          /* of all four */
    const char *tick_topic; /* of the events of their schedules' ticks */
    int64_t durability_lag_ms;
    struct rounds **all; /* by shard */
    /* Any thread: the answer to what was asked is here; rounds_hear() it. */
    void (*answered)(void *context, struct rounds *rounds);
    void *answered_context;
    struct counters counters;
    size_t promised; /* free workers that claims under way may fill, or that are kept for runs whose turn comes … */
    size_t coming;   /* … which are so many */
    bool is_paused;  /* claims nothing more */
    bool is_leaving; /* says the last counters, gives back what is owned, and is over */
    _Atomic(uint64_t) takeovers;
    struct histogram lateness; /* µs; timer thread adds */
};

struct rounds *rounds_create(struct rounds_common *common, int shard);
/* Nothing is under way. NULL is fine. */
void rounds_destroy(struct rounds *rounds);
/* Asks the next thing that is due, unless one is under way. When to come again (monotonic ms) where
 * nothing is heard before. */
int64_t rounds_go(struct rounds *rounds);
void rounds_hear(struct rounds *rounds);
/* It has left, or the store has stopped, or (leaving) its server is away. */
bool rounds_are_over(const struct rounds *rounds);
/* A run is due then (the store's time), which may be earlier than what is known. */
void rounds_expect(struct rounds *rounds, int64_t due_ms);
/* Letters to other shards are to go out. */
void rounds_expect_post(struct rounds *rounds);
void rounds_expect_in_lines(struct rounds *rounds, const struct lines_due *due);
/* What was taken over of offsets below `committed` is to be forgotten. */
void rounds_trim(struct rounds *rounds, const char *topic, int32_t partition, int64_t committed);
/* Any thread, from here on. */
int rounds_shard(const struct rounds *rounds);
/* Adds what waits, is owned, is dead, as of the last heartbeat. */
void rounds_add_counts(const struct rounds *rounds, struct timers_counts *counts);
/* How many runs of the function wait in line, as of the last heartbeat. */
uint64_t rounds_queued(struct rounds *rounds, const struct function *function);
/* Monotonic ms of the last answer. */
int64_t rounds_answered_ms(const struct rounds *rounds);

#endif
