/* SPDX-License-Identifier: Apache-2.0 */
/* A run that needs the store for all that it is for: two steps, one of which fails once, and a sleep between
 * them. Each step is booked in one write when it is done: "NUMBER STEP". */
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stepd/stepd.h>
#include <string.h>
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

static enum stepd_status enter(struct stepd_ctx *ctx, const char *step)
{
    char line[64];
    int length = snprintf(line, sizeof(line), "%lld %s\n", (long long)stepd_get_int(ctx, stepd_event(ctx)->data, "n", -1), step);

    if (write(book, line, (size_t)length) != length)
        return stepd_error(ctx, "Lost", "the book is lost");
    msgpack_pack_str_with_body(stepd_output(ctx), step, strlen(step));
    return STEPD_OK;
}

static enum stepd_status out(struct stepd_ctx *ctx, const void *arg)
{
    (void)arg;
    return enter(ctx, "out");
}

static enum stepd_status back(struct stepd_ctx *ctx, const void *arg)
{
    (void)arg;
    if (stepd_attempt(ctx) == 0)
        return stepd_error(ctx, "Delayed", "the way back is found the second time");
    return enter(ctx, "back");
}

static enum stepd_status trip(struct stepd_ctx *ctx)
{
    STEPD_TRY(stepd_step_run(ctx, "out", out, NULL, NULL));
    STEPD_TRY(stepd_sleep(ctx, "rest", 200));
    STEPD_TRY(stepd_step_run(ctx, "back", back, NULL, NULL));
    msgpack_pack_true(stepd_output(ctx));
    return STEPD_OK;
}

STEPD_MODULE(.name = "trip", .init = open_book,
             .options = STEPD_OPTIONS(STEPD_OPTION(.name = "file", .type = STEPD_STRING, .offset = offsetof(struct options, file),
                                                   .help = "where steps are booked")),
             .options_size = sizeof(struct options),
             .functions = STEPD_FUNCTIONS(STEPD_FUNCTION(.id = "trip", .event = "trip/begin", .run = trip, .backoff = STEPD_BACKOFF(200),
                                                         .jitter_ms = 0),
                                          STEPD_FUNCTION(.id = "trip-in-order", .event = "trip/begin-in-order", .run = trip,
                                                         .ordering = STEPD_BY_KEY, .backoff = STEPD_BACKOFF(200), .jitter_ms = 0)));
