/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A function with batches, that books each attempt in one write: "RUN ATTEMPT PID MS NUMBER,NUMBER …", the numbers being
 * `n` of its events' data. Of the first event's data: `ms` how long an attempt takes, `fails` how many attempts fail,
 * `for_good` with an error that is no use to try again, `sleep_ms` a sleep at the end.
 */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
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

static void note(struct stepd_ctx *ctx)
{
    size_t count = stepd_event_count(ctx), room = 100 + 24 * count;
    char *line = malloc(room);
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    int length = snprintf(line, room, "%s %d %d %lld ", stepd_run_id(ctx), stepd_attempt(ctx), (int)getpid(),
                          (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000);
    for (size_t i = 0; i < count; i++)
        length += snprintf(line + length, room - (size_t)length, "%s%lld", i > 0 ? "," : "",
                           (long long)stepd_get_int(ctx, stepd_event_at(ctx, i)->data, "n", -1));
    line[length++] = '\n';
    if (stepd_event_at(ctx, count) != NULL || write(book, line, (size_t)length) != length)
        abort();
    free(line);
}

static enum stepd_status gather(struct stepd_ctx *ctx)
{
    const msgpack_object *data = stepd_event(ctx)->data;
    int64_t ms = stepd_get_int(ctx, data, "ms", 0);
    const struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

    note(ctx);
    (void)nanosleep(&pause, NULL);
    if (stepd_get_int(ctx, data, "for_good", 0) != 0)
        return stepd_non_retriable(ctx, "Refused", "for good");
    if (stepd_attempt(ctx) < stepd_get_int(ctx, data, "fails", 0))
        return stepd_error(ctx, "Failed", "as it was told");
    if (stepd_get_int(ctx, data, "sleep_ms", 0) > 0)
        STEPD_TRY(stepd_sleep(ctx, "rest", stepd_get_int(ctx, data, "sleep_ms", 0)));
    return STEPD_OK;
}

STEPD_MODULE(.name = "batch", .init = open_book,
             .options = STEPD_OPTIONS(STEPD_OPTION(.name = "file", .type = STEPD_STRING, .offset = offsetof(struct options, file),
                                                   .help = "where attempts are booked")),
             .options_size = sizeof(struct options),
             .functions = STEPD_FUNCTIONS(STEPD_FUNCTION(.id = "gather", .event = "work/go", .run = gather,
                                                         .batch = { .size = 3, .timeout_ms = 2000 })));
