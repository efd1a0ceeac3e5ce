/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a function is started by the clock: the schedules of its `.cron`, and the event that one tick of them is. Made
 * with the function's settings, constant, freed with them.
 */
#ifndef STEPD_RUN_SCHEDULE_H
#define STEPD_RUN_SCHEDULE_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stepd/stepd.h>

#include "base/error.h"
#include "base/memory.h"

#define TICK_EVENT "stepd/cron"

struct schedule;

struct tick {
    int64_t at_ms;
    const char *cron; /* the expression, as it is given */
};

/* 0, or -EINVAL with which of `texts`, and why. *ret_schedule is NULL where there are none. */
int schedule_create(const struct stepd_texts *texts, struct schedule **ret_schedule, struct error *ret_error) MUST_CHECK;
/* NULL is fine. */
void schedule_destroy(struct schedule *schedule);

/* The first tick strictly after `unix_ms`; of several expressions at one instant, the first's. False: there is none. */
bool schedule_next(const struct schedule *schedule, int64_t unix_ms, struct tick *ret_tick);
/* The last one after `after_ms` and no later than `until_ms`. False: there is none between them. */
bool schedule_last(const struct schedule *schedule, int64_t after_ms, int64_t until_ms, struct tick *ret_tick);

/* Appends the event's value, JSON. */
void schedule_write_event(msgpack_sbuffer *value, const char *run_id, const struct tick *tick);

#endif
