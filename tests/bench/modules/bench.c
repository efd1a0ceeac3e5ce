/* SPDX-License-Identifier: Apache-2.0 */
/* The handlers that are measured, of what stepd has had since its first version. */
#include "book.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS 10
#define RESULT_SIZE 100
#define HOUR_MS 3600000
#define LATE_MS 1000
#define RETRY_MS 200
#define TURN_KEYS 10000
#define SECOND_US 1000000

static enum stepd_status noop(struct stepd_ctx *ctx)
{
    count(ctx);
    return STEPD_OK;
}

static enum stepd_status burn(struct stepd_ctx *ctx)
{
    int64_t end_ns = now_ns(CLOCK_MONOTONIC) + 1000;

    while (now_ns(CLOCK_MONOTONIC) < end_ns)
        ;
    count(ctx);
    return STEPD_OK;
}

static enum stepd_status nap(struct stepd_ctx *ctx)
{
    const struct timespec millisecond = { .tv_nsec = 1000000 };

    (void)nanosleep(&millisecond, NULL);
    count(ctx);
    return STEPD_OK;
}

static enum stepd_status one_step(struct stepd_ctx *ctx, const void *unused)
{
    static const char text[RESULT_SIZE];

    (void)unused;
    msgpack_pack_bin(stepd_output(ctx), sizeof(text));
    msgpack_pack_bin_body(stepd_output(ctx), text, sizeof(text));
    count(ctx);
    return STEPD_OK;
}

static enum stepd_status run_steps(struct stepd_ctx *ctx, int count)
{
    for (int i = 0; i < count; i++)
        STEPD_TRY(stepd_step_run(ctx, "step", one_step, NULL, NULL));
    return STEPD_OK;
}

static enum stepd_status steps(struct stepd_ctx *ctx)
{
    return run_steps(ctx, STEPS);
}

static enum stepd_status steps_100(struct stepd_ctx *ctx)
{
    return run_steps(ctx, 100);
}

static enum stepd_status steps_1000(struct stepd_ctx *ctx)
{
    return run_steps(ctx, 1000);
}

static enum stepd_status retries(struct stepd_ctx *ctx)
{
    if (stepd_attempt(ctx) == 0)
        return stepd_retry_after(ctx, RETRY_MS, "Again", "in a moment");
    count(ctx);
    return STEPD_OK;
}

static enum stepd_status latency(struct stepd_ctx *ctx)
{
    sample(ctx, (now_ns(CLOCK_REALTIME) - stepd_get_int(ctx, stepd_event(ctx)->data, "sent", 0)) / 1000);
    count(ctx);
    return STEPD_OK;
}

/* Of a release that is bad for a while. */
static enum stepd_status charge(struct stepd_ctx *ctx)
{
    const struct book *book = stepd_shared(ctx);

    if (atomic_load_explicit(&book->is_broken, memory_order_relaxed) != 0)
        return stepd_error(ctx, "BadRelease", "the new release can't read its settings");
    count(ctx);
    return STEPD_OK;
}

static enum stepd_status fails(struct stepd_ctx *ctx)
{
    count(ctx);
    return stepd_error(ctx, "Broken", "each run of it fails for good");
}

/* How long it is until the result of a step is kept. The run's first change is more than that: it is not counted. */
static enum stepd_status checkpoint(struct stepd_ctx *ctx)
{
    STEPD_TRY(stepd_step_run(ctx, "first", one_step, NULL, NULL));
    int64_t begun_us = now_ns(CLOCK_MONOTONIC) / 1000;
    STEPD_TRY(stepd_step_run(ctx, "second", one_step, NULL, NULL));
    sample(ctx, now_ns(CLOCK_MONOTONIC) / 1000 - begun_us);
    return STEPD_OK;
}

static enum stepd_status waits(struct stepd_ctx *ctx)
{
    count(ctx);
    return stepd_retry_after(ctx, HOUR_MS, "Waiting", "an hour");
}

/* Its error says when it is due. */
static enum stepd_status late(struct stepd_ctx *ctx)
{
    const struct stepd_error *last = stepd_last_error(ctx);
    int64_t now_us = now_ns(CLOCK_REALTIME) / 1000;
    int64_t due_ms = now_us / 1000 + LATE_MS;

    if (last == NULL)
        return stepd_retry_at(ctx, due_ms, "Late", "%lld", (long long)due_ms);
    sample(ctx, now_us - strtoll(last->message, NULL, 10) * 1000);
    count(ctx);
    return STEPD_OK;
}

/* How much later than `period_us` after its key's turn before it is. */
static enum stepd_status take_turn(struct stepd_ctx *ctx, int64_t period_us)
{
    static _Atomic(int64_t) begun_us[TURN_KEYS];
    int64_t now_us = now_ns(CLOCK_REALTIME) / 1000;
    int64_t key = stepd_get_int(ctx, stepd_event(ctx)->data, "number", 0) % TURN_KEYS;
    int64_t before_us = atomic_exchange(&begun_us[key], now_us);

    if (before_us != 0)
        sample(ctx, now_us - before_us - period_us);
    count(ctx);
    return STEPD_OK;
}

static enum stepd_status turn(struct stepd_ctx *ctx)
{
    return take_turn(ctx, SECOND_US);
}

static enum stepd_status turn_2s(struct stepd_ctx *ctx)
{
    return take_turn(ctx, 2 * SECOND_US);
}

static enum stepd_status turn_10s(struct stepd_ctx *ctx)
{
    return take_turn(ctx, 10 * SECOND_US);
}

STEPD_MODULE(.name = "bench", WITH_A_BOOK,
             .functions = STEPD_FUNCTIONS(STEPD_FUNCTION(.id = "noop", .event = "bench/event", .run = noop),
                                          STEPD_FUNCTION(.id = "by-key", .event = "bench/event", .run = noop, .ordering = STEPD_BY_KEY),
                                          STEPD_FUNCTION(.id = "burn", .event = "bench/event", .run = burn),
                                          STEPD_FUNCTION(.id = "nap", .event = "bench/event", .run = nap),
                                          STEPD_FUNCTION(.id = "steps", .event = "bench/event", .run = steps),
                                          STEPD_FUNCTION(.id = "steps-100", .event = "bench/event", .run = steps_100),
                                          STEPD_FUNCTION(.id = "steps-1000", .event = "bench/event", .run = steps_1000),
                                          STEPD_FUNCTION(.id = "retries", .event = "bench/event", .run = retries),
                                          STEPD_FUNCTION(.id = "latency", .event = "bench/timed", .run = latency),
                                          STEPD_FUNCTION(.id = "charge", .event = "bench/timed", .retries = 0, .run = charge),
                                          STEPD_FUNCTION(.id = "fails", .event = "bench/event", .retries = 0, .run = fails),
                                          STEPD_FUNCTION(.id = "checkpoint", .event = "bench/timed", .run = checkpoint),
                                          STEPD_FUNCTION(.id = "waits", .event = "bench/event", .run = waits),
                                          STEPD_FUNCTION(.id = "answered", .event = "bench/answer", .run = noop),
                                          STEPD_FUNCTION(.id = "unasked", .event = "bench/unasked", .run = noop),
                                          STEPD_FUNCTION(.id = "turn", .event = "bench/event", .run = turn),
                                          STEPD_FUNCTION(.id = "turn-2s", .event = "bench/event", .run = turn_2s),
                                          STEPD_FUNCTION(.id = "turn-10s", .event = "bench/event", .run = turn_10s),
                                          STEPD_FUNCTION(.id = "late", .event = "bench/timed", .run = late)));
