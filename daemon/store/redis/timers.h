/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens in the store by the clock: a thread of its own, which makes the rounds of all shards (rounds.h).
 */
#ifndef STEPD_STORE_REDIS_TIMERS_H
#define STEPD_STORE_REDIS_TIMERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"
#include "run/taker.h"
#include "store/redis/counters.h"
#include "store/redis/store_internal.h"
#include "store/redis/timers_counts.h"

struct timers;

struct timers_settings {
    struct redis_store *store;
    struct run_taker *runs;
    /* Timer thread: the function with this id, or NULL. */
    const struct function *(*find_function)(void *context, const char *id);
    /* Timer thread. */
    void (*count)(void *context, struct worker_counts *ret_counts);
    /* Timer thread: whether runs of workers that died may go on here. NULL: always. */
    bool (*may_take_over)(void *context);
    /* Timer thread, now and then: calls `each` for the functions that there are. NULL: none has a schedule. */
    void (*each_function)(void *context, void (*each)(void *each_context, const struct function *function), void *each_context);
    void *context;
    const char *tick_topic;    /* of the events that schedules' ticks are (run/schedule.h); borrowed */
    int64_t durability_lag_ms; /* what a shard still knows so long after it was told is on its disk */
};

struct timers *timers_create(const struct timers_settings *settings);
/* 0, or negative errno with the reason. */
int timers_start(struct timers *timers, struct error *ret_error) MUST_CHECK;
/* Any thread, waits for nothing: what the store holds of offsets below `committed` can be forgotten. */
void timers_trim(struct timers *timers, const char *topic, int32_t partition, int64_t committed);
/* Claims nothing more: the daemon drains. The heartbeat goes on. */
void timers_pause(struct timers *timers);
/* Monotonic ms: by then, or later, every shard has answered; readiness looks at its age. */
int64_t timers_last_round_ms(const struct timers *timers);
/* Any thread. */
void timers_counts(const struct timers *timers, struct timers_counts *ret_counts);
/* Any thread: how many runs of the function wait in line, in all daemons. */
uint64_t timers_queued(const struct timers *timers, const struct function *function);
/* Gives back what this worker still owns (as long as Redis answers), stops the thread, frees. Call
 * before store_stop(). NULL is fine. */
void timers_destroy(struct timers *timers);

#endif
