/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lane's requests that are under way: those that went out, in the order in which their replies come, and
 * those that were put off. It decides how many go out together, and knows how long the server is silent.
 * The lane's thread's, as lane.c asserts, but for its counts.
 */
#ifndef STEPD_STORE_REDIS_PIPELINE_H
#define STEPD_STORE_REDIS_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/histogram.h"
#include "store/redis/request.h"

struct pipeline {
    struct request_list sent;
    size_t sent_count, sent_bytes;
    struct request_list put_off;
    size_t troubled;              /* of `sent` and `put_off`: request.h */
    int64_t reply_ns;             /* how long one takes, smoothed */
    int64_t heard_ms;             /* monotonic: of the last byte, or since something is due */
    struct histogram round_trips; /* µs, from going out to the reply; any thread reads */
    struct histogram batches;     /* requests that went out together; any thread reads */
};

void pipeline_init(struct pipeline *pipeline);
/* All that is under way ends with `status`. */
void pipeline_done(struct pipeline *pipeline, int status);

/* Whether `waiting` requests go out now. Where replies are quick it pays to let some gather: a write, and
 * the server's read, cost as much as several requests. */
bool pipeline_wants(const struct pipeline *pipeline, size_t waiting);
/* Moves requests from `waiting` to `taken`, as many as may be out together. How many. */
size_t pipeline_admit(const struct pipeline *pipeline, struct request_list *waiting, struct request_list *taken);

/* A request comes here, … */
void pipeline_enter(struct pipeline *pipeline, const struct request *request);
/* … has gone out (and waits for its reply from now on), … */
void pipeline_send(struct pipeline *pipeline, struct request *request);
/* … waits until `not_before_ms` (monotonic) through no fault of its own, … */
void pipeline_hold(struct pipeline *pipeline, struct request *request, int64_t not_before_ms);
/* … could not be answered, and waits, longer each time, … */
void pipeline_put_off(struct pipeline *pipeline, struct request *request);
/* … and leaves. */
void pipeline_leave(struct pipeline *pipeline, const struct request *request);

/* Bytes came. */
void pipeline_hear(struct pipeline *pipeline);
/* The request that the next reply answers, as it came at now_ns (monotonic); it has not left. NULL: nothing
 * was asked. */
struct request *pipeline_answered(struct pipeline *pipeline, int64_t now_ns);
/* All that was put off, due or not; they have not left. */
void pipeline_take_put_off(struct pipeline *pipeline, struct request_list *ret_taken);
/* All that is under way; likewise. */
void pipeline_take_all(struct pipeline *pipeline, struct request_list *ret_taken);

/* Nothing is under way. */
bool pipeline_is_empty(const struct pipeline *pipeline);
bool pipeline_is_troubled(const struct pipeline *pipeline);
/* Whether a reply is due and no byte came for so long. */
bool pipeline_is_silent(const struct pipeline *pipeline, int64_t timeout_ms);
/* How long there is nothing to do unless something comes; -1: for ever. */
int pipeline_patience_ms(const struct pipeline *pipeline, int64_t timeout_ms);

#endif
