/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Books every attempt in one write, "FUNCTION NUMBER KEY ATTEMPT OUTCOME". An event whose data says so fails
 * always (`bad`), or takes its time (`ms`).
 */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stepd/stepd.h>
#include <time.h>
#include <unistd.h>

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

static void enter(struct stepd_ctx *ctx, const char *outcome)
{
    const struct stepd_event *event = stepd_event(ctx);
    char line[200];
    int length =
        snprintf(line, sizeof(line), "%s %lld %.*s %d %s\n", stepd_function_id(ctx), (long long)stepd_get_int(ctx, event->data, "n", -1),
                 (int)event->key_len, (const char *)event->key, stepd_attempt(ctx), outcome);

    if (write(book, line, (size_t)length) != length)
        stepd_log(ctx, STEPD_LOG_ERROR, "the book is lost");
}

static enum stepd_status stand_trial(struct stepd_ctx *ctx)
{
    int64_t ms = stepd_get_int(ctx, stepd_event(ctx)->data, "ms", 0);
    const struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

    (void)nanosleep(&pause, NULL);
    if (stepd_get_bool(ctx, stepd_event(ctx)->data, "bad", false)) {
        enter(ctx, "failed");
        return stepd_error(ctx, "Bad", "it always fails");
    }
    enter(ctx, "done");
    return STEPD_OK;
}

#define TRIAL(...) STEPD_FUNCTION(.run = stand_trial, .backoff = STEPD_BACKOFF(500), .jitter_ms = 0, __VA_ARGS__)

STEPD_MODULE(.name = "trials", .init = open_book,
             .options = STEPD_OPTIONS(STEPD_OPTION(.name = "file", .type = STEPD_STRING, .offset = offsetof(struct options, file),
                                                   .help = "where attempts are booked")),
             .options_size = sizeof(struct options),
             .functions = STEPD_FUNCTIONS(TRIAL(.id = "any-order", .event = "trial/any-order", .retries = 2),
                                          TRIAL(.id = "by-key", .event = "trial/by-key", .retries = 2, .ordering = STEPD_BY_KEY),
                                          TRIAL(.id = "stubborn", .event = "trial/stubborn", .retries = 1000, .ordering = STEPD_BY_KEY),
                                          TRIAL(.id = "patient", .event = "trial/patient", .timeout_ms = 60000)));
