/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handlers that are measured. What they have seen goes into a file in shared memory, a cache line a
 * thread, which the driver reads: counting costs one addition.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <stepd/stepd.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define SLOTS 256
#define SAMPLES 1000000
#define STEPS 10
#define RESULT_SIZE 100
#define HOUR_MS 3600000
#define LATE_MS 1000
#define RETRY_MS 200
#define TURN_KEYS 10000
#define TURN_US 1000000

struct slot {
    _Alignas(64) _Atomic(uint64_t) count;
};

struct book {
    struct slot slots[SLOTS];
    _Alignas(64) _Atomic(uint64_t) samples;
    _Atomic(uint64_t) used_slots;
    _Alignas(64) int32_t sample_us[SAMPLES];
};

struct options {
    const char *file;
};

static int open_book(const void *options, void **ret_shared)
{
    int file = open(((const struct options *)options)->file, O_RDWR | O_CREAT, 0600);

    if (file < 0 || ftruncate(file, sizeof(struct book)) != 0)
        return 1;
    *ret_shared = mmap(NULL, sizeof(struct book), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    (void)close(file);
    return *ret_shared == MAP_FAILED;
}

static int take_slot(void *shared, void **ret_local)
{
    struct book *book = shared;

    *ret_local = &book->slots[atomic_fetch_add(&book->used_slots, 1) % SLOTS];
    return 0;
}

static int64_t now_ns(clockid_t clock)
{
    struct timespec now;

    (void)clock_gettime(clock, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void count(struct stepd_ctx *ctx)
{
    struct slot *slot = stepd_local(ctx);

    atomic_store_explicit(&slot->count, atomic_load_explicit(&slot->count, memory_order_relaxed) + 1, memory_order_relaxed);
}

static void sample(struct stepd_ctx *ctx, int64_t taken_us)
{
    struct book *book = stepd_shared(ctx);

    book->sample_us[atomic_fetch_add(&book->samples, 1) % SAMPLES] = (int32_t)taken_us;
}

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

static enum stepd_status wait_for_answer(struct stepd_ctx *ctx, const char *when)
{
    const struct stepd_wait wait = { .event = "bench/answer", .when = when };

    count(ctx);
    return stepd_wait_for_event(ctx, "answer", &wait, NULL);
}

/* Each is answered by the event of its number, and counted twice: as it begins to wait, and then. */
static enum stepd_status holds(struct stepd_ctx *ctx)
{
    return wait_for_answer(ctx, "async.data.number == event.data.number");
}

/* For numbers that do not come. */
static enum stepd_status holds_on(struct stepd_ctx *ctx)
{
    return wait_for_answer(ctx, "async.data.number == event.data.number + 1000000000");
}

static enum stepd_status gathered(struct stepd_ctx *ctx)
{
    for (size_t i = stepd_event_count(ctx); i > 0; i--)
        count(ctx);
    return STEPD_OK;
}

/* A key has a turn each second: how much later than a second after the one before it is. */
static enum stepd_status turn(struct stepd_ctx *ctx)
{
    static _Atomic(int64_t) begun_us[TURN_KEYS];
    int64_t now_us = now_ns(CLOCK_REALTIME) / 1000;
    int64_t key = stepd_get_int(ctx, stepd_event(ctx)->data, "number", 0) % TURN_KEYS;
    int64_t before_us = atomic_exchange(&begun_us[key], now_us);

    if (before_us != 0)
        sample(ctx, now_us - before_us - TURN_US);
    count(ctx);
    return STEPD_OK;
}

STEPD_MODULE(.name = "bench", .init = open_book, .thread_init = take_slot,
             .options = STEPD_OPTIONS(STEPD_OPTION(.name = "file", .type = STEPD_STRING, .offset = offsetof(struct options, file),
                                                   .help = "where what was seen is counted")),
             .options_size = sizeof(struct options),
             .functions = STEPD_FUNCTIONS(STEPD_FUNCTION(.id = "noop", .event = "bench/event", .run = noop),
                                          STEPD_FUNCTION(.id = "by-key", .event = "bench/event", .run = noop, .ordering = STEPD_BY_KEY),
                                          STEPD_FUNCTION(.id = "burn", .event = "bench/event", .run = burn),
                                          STEPD_FUNCTION(.id = "nap", .event = "bench/event", .run = nap),
                                          STEPD_FUNCTION(.id = "steps", .event = "bench/event", .run = steps),
                                          STEPD_FUNCTION(.id = "steps-100", .event = "bench/event", .run = steps_100),
                                          STEPD_FUNCTION(.id = "steps-1000", .event = "bench/event", .run = steps_1000),
                                          STEPD_FUNCTION(.id = "retries", .event = "bench/event", .run = retries),
                                          STEPD_FUNCTION(.id = "latency", .event = "bench/timed", .run = latency),
                                          STEPD_FUNCTION(.id = "waits", .event = "bench/event", .run = waits),
                                          STEPD_FUNCTION(.id = "holds", .event = "bench/event", .run = holds),
                                          STEPD_FUNCTION(.id = "holds-on", .event = "bench/event", .run = holds_on),
                                          STEPD_FUNCTION(.id = "answered", .event = "bench/answer", .run = noop),
                                          STEPD_FUNCTION(.id = "unasked", .event = "bench/unasked", .run = noop),
                                          STEPD_FUNCTION(.id = "gathered", .event = "bench/event", .run = gathered),
                                          STEPD_FUNCTION(.id = "turn", .event = "bench/event", .run = turn),
                                          STEPD_FUNCTION(.id = "late", .event = "bench/timed", .run = late)));
