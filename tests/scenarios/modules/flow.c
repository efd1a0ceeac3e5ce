/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions that book when each of their attempts begins and ends, one write a line: "FUNCTION NUMBER PID begin MS" and
 * "… end MS". What limits them the config says. An event's data: `n` its number, `ms` how long an attempt takes, `error`
 * the name of the error that each attempt but the last `fails` fails with, `sleep_ms` a sleep before the end, `down` a file: while it is there, each attempt fails, where
 * `for_good` is set with an error that is no use to try again.
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

static void note(struct stepd_ctx *ctx, const char *what)
{
    struct timespec now;
    char line[200];

    (void)clock_gettime(CLOCK_REALTIME, &now);
    int length = snprintf(line, sizeof(line), "%s %lld %d %s %lld\n", stepd_function_id(ctx),
                          (long long)stepd_get_int(ctx, stepd_event(ctx)->data, "n", -1), (int)getpid(), what,
                          (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000);
    if (write(book, line, (size_t)length) != length)
        stepd_log(ctx, STEPD_LOG_ERROR, "the book is lost");
}

static enum stepd_status work(struct stepd_ctx *ctx)
{
    const msgpack_object *data = stepd_event(ctx)->data;
    int64_t ms = stepd_get_int(ctx, data, "ms", 0);
    const struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

    note(ctx, "begin");
    (void)nanosleep(&pause, NULL);
    note(ctx, "end");
    const char *down = stepd_get_str(ctx, data, "down", NULL);
    if (down != NULL && access(down, F_OK) == 0) {
        const char *error = stepd_get_str(ctx, data, "error", "Down");
        return stepd_get_int(ctx, data, "for_good", 0) != 0 ? stepd_non_retriable(ctx, error, "it is down")
                                                            : stepd_error(ctx, error, "it is down");
    }
    if (stepd_attempt(ctx) < stepd_get_int(ctx, data, "fails", 0))
        return stepd_error(ctx, stepd_get_str(ctx, data, "error", "Failed"), "as it was told");
    if (stepd_get_int(ctx, data, "sleep_ms", 0) > 0)
        STEPD_TRY(stepd_sleep(ctx, "rest", stepd_get_int(ctx, data, "sleep_ms", 0)));
    return STEPD_OK;
}

STEPD_MODULE(.name = "flow", .init = open_book,
             .options = STEPD_OPTIONS(STEPD_OPTION(.name = "file", .type = STEPD_STRING, .offset = offsetof(struct options, file),
                                                   .help = "where attempts are booked")),
             .options_size = sizeof(struct options),
             .functions = STEPD_FUNCTIONS(STEPD_FUNCTION(.id = "work", .event = "work/go", .run = work),
                                          STEPD_FUNCTION(.id = "other", .event = "other/go", .run = work)));
