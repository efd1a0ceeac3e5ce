/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of every kind, which book what they do: one line in one write,
 *   MS PID WHAT FUNCTION NUMBER PARTITION OFFSET RUN ATTEMPT STEP VALUE
 * where WHAT is `began`, `failed`, `done`; `ran` (a step's code), `saw` (a step's result, as the function got it).
 * MS is monotonic. NUMBER is the event's. A step's VALUE is like no other's, so that a second one of the same step shows.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stepd/stepd.h>
#include <time.h>
#include <unistd.h>

#define HANG_SECONDS 5
#define HANG_TIMEOUT_MS 1500

struct options {
    const char *file;
};

static int book;

static int open_book(const void *options, void **ret_shared)
{
    book = open(((const struct options *)options)->file, O_WRONLY | O_CREAT | O_APPEND, 0600);
    *ret_shared = &book;
    return book < 0;
}

static int64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000 + now.tv_nsec;
}

static void pause_ms(int64_t ms)
{
    const struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

    (void)nanosleep(&pause, NULL);
}

static int64_t number_of(struct stepd_ctx *ctx)
{
    return stepd_get_int(ctx, stepd_event(ctx)->data, "n", -1);
}

static void enter(struct stepd_ctx *ctx, const char *what, const char *step, int64_t value)
{
    const struct stepd_event *event = stepd_event(ctx);
    char line[256];
    int length = snprintf(line, sizeof(line), "%" PRId64 " %d %s %s %" PRId64 " %d %" PRId64 " %s %d %s %" PRId64 "\n", now_ns() / 1000000,
                          (int)getpid(), what, stepd_function_id(ctx), number_of(ctx), (int)event->partition, event->offset,
                          stepd_run_id(ctx), stepd_attempt(ctx), step, value);

    if (write(book, line, (size_t)length) != length)
        stepd_log(ctx, STEPD_LOG_ERROR, "the book is lost");
}

static enum stepd_status done(struct stepd_ctx *ctx)
{
    enter(ctx, "done", "-", 0);
    return STEPD_OK;
}

static enum stepd_status fail(struct stepd_ctx *ctx)
{
    enter(ctx, "failed", "-", 0);
    return stepd_error(ctx, "Meant", "number %" PRId64 " fails on attempt %d", number_of(ctx), stepd_attempt(ctx));
}

static enum stepd_status plain(struct stepd_ctx *ctx)
{
    pause_ms(number_of(ctx) % 5);
    return done(ctx);
}

static enum stepd_status slow(struct stepd_ctx *ctx)
{
    pause_ms(100);
    return done(ctx);
}

static enum stepd_status flaky(struct stepd_ctx *ctx)
{
    return stepd_attempt(ctx) == 0 ? fail(ctx) : done(ctx);
}

static enum stepd_status doomed(struct stepd_ctx *ctx)
{
    return fail(ctx);
}

/* Its arguments: whether the first attempt of the step fails, and its id for the book. */
struct work {
    const char *step;
    bool is_flaky;
};

static enum stepd_status work(struct stepd_ctx *ctx, const void *argument)
{
    const struct work *this = argument;

    if (this->is_flaky && stepd_attempt(ctx) == 0)
        return fail(ctx);
    int64_t value = now_ns();
    enter(ctx, "ran", this->step, value);
    msgpack_pack_int64(stepd_output(ctx), value);
    return STEPD_OK;
}

static enum stepd_status do_step(struct stepd_ctx *ctx, const char *step, bool is_flaky)
{
    const struct work this = { step, is_flaky };
    const msgpack_object *result;

    STEPD_TRY(stepd_step_run(ctx, step, work, &this, &result));
    enter(ctx, "saw", step, (int64_t)result->via.u64);
    return STEPD_OK;
}

static enum stepd_status steps(struct stepd_ctx *ctx)
{
    STEPD_TRY(do_step(ctx, "one", false));
    STEPD_TRY(do_step(ctx, "two", number_of(ctx) % 4 == 0));
    STEPD_TRY(do_step(ctx, "three", false));
    pause_ms(5);
    STEPD_TRY(do_step(ctx, "four", number_of(ctx) % 8 == 0));
    return done(ctx);
}

static enum stepd_status sleepy(struct stepd_ctx *ctx)
{
    STEPD_TRY(do_step(ctx, "before", false));
    STEPD_TRY(stepd_sleep(ctx, "nap", 100 + number_of(ctx) % 1000));
    STEPD_TRY(do_step(ctx, "after", false));
    return done(ctx);
}

/* Every seventh of a key's runs is parked, every fiftieth fails for good. */
static enum stepd_status ordered(struct stepd_ctx *ctx)
{
    int64_t offset = stepd_event(ctx)->offset;

    enter(ctx, "began", "-", 0);
    if (offset % 50 == 0 || (offset % 7 == 0 && stepd_attempt(ctx) == 0))
        return fail(ctx);
    return done(ctx);
}

static enum stepd_status relay(struct stepd_ctx *ctx)
{
    msgpack_sbuffer data;
    msgpack_packer packer;

    msgpack_sbuffer_init(&data);
    msgpack_packer_init(&packer, &data, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 1);
    msgpack_pack_str_with_body(&packer, "n", 1);
    msgpack_pack_int64(&packer, number_of(ctx));
    enum stepd_status status = stepd_send_event(ctx, "tell", "torture/child", &data);
    msgpack_sbuffer_destroy(&data);
    return status == STEPD_OK ? done(ctx) : status;
}

static enum stepd_status crash(struct stepd_ctx *ctx)
{
    if (stepd_attempt(ctx) == 0) {
        enter(ctx, "failed", "-", 0);
        (void)raise(SIGSEGV);
    }
    return done(ctx);
}

static enum stepd_status hang(struct stepd_ctx *ctx)
{
    if (stepd_attempt(ctx) > 0)
        return done(ctx);
    enter(ctx, "failed", "-", 0);
    pause_ms(HANG_SECONDS * 1000);
    return STEPD_OK;
}

#define SOON STEPD_BACKOFF(100, 300, 1000)

STEPD_MODULE(.name = "books", .init = open_book,
             .options = STEPD_OPTIONS(STEPD_OPTION(.name = "file", .type = STEPD_STRING, .offset = offsetof(struct options, file),
                                                   .help = "the book")),
             .options_size = sizeof(struct options),
             .functions =
                 STEPD_FUNCTIONS(STEPD_FUNCTION(.id = "plain", .event = "torture/plain", .run = plain),
                                 STEPD_FUNCTION(.id = "slow", .event = "torture/slow", .run = slow),
                                 STEPD_FUNCTION(.id = "left", .event = "torture/both", .run = plain),
                                 STEPD_FUNCTION(.id = "right", .event = "torture/both", .run = flaky, .backoff = SOON, .jitter_ms = 200),
                                 STEPD_FUNCTION(.id = "flaky", .event = "torture/flaky", .run = flaky, .backoff = SOON, .jitter_ms = 200),
                                 STEPD_FUNCTION(.id = "doomed", .event = "torture/doomed", .run = doomed, .on_failure = done, .retries = 2,
                                                .backoff = SOON, .jitter_ms = 0),
                                 STEPD_FUNCTION(.id = "steps", .event = "torture/steps", .run = steps, .backoff = SOON, .jitter_ms = 200),
                                 STEPD_FUNCTION(.id = "sleepy", .event = "torture/sleepy", .run = sleepy, .backoff = SOON, .jitter_ms = 0),
                                 STEPD_FUNCTION(.id = "ordered", .event = "torture/ordered", .run = ordered, .ordering = STEPD_BY_KEY,
                                                .retries = 2, .backoff = SOON, .jitter_ms = 0),
                                 STEPD_FUNCTION(.id = "relay", .event = "torture/relay", .run = relay, .backoff = SOON, .jitter_ms = 0),
                                 STEPD_FUNCTION(.id = "child", .event = "torture/child", .run = plain, .backoff = SOON, .jitter_ms = 0),
                                 STEPD_FUNCTION(.id = "crash", .event = "torture/crash", .run = crash, .backoff = SOON, .jitter_ms = 0),
                                 STEPD_FUNCTION(.id = "hang", .event = "torture/hang", .run = hang, .backoff = SOON, .jitter_ms = 0,
                                                .timeout_ms = HANG_TIMEOUT_MS)));
