/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Books each step of each run: one line, "FUNCTION NUMBER STEP", in one write. Built against the header of the older of
 * two versions that run side by side: both load it.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stepd/stepd.h>
#include <unistd.h>

struct options {
    const char *file;
};

static int book = -1;

static int open_book(const void *options, void **ret_shared)
{
    book = open(((const struct options *)options)->file, O_WRONLY | O_CREAT | O_APPEND, 0600);
    *ret_shared = NULL;
    return book < 0;
}

static int64_t number_of(struct stepd_ctx *ctx)
{
    return stepd_get_int(ctx, stepd_event(ctx)->data, "number", -1);
}

static enum stepd_status enter(struct stepd_ctx *ctx, const void *step)
{
    char line[100];
    int length = snprintf(line, sizeof(line), "%s %lld %s\n", stepd_function_id(ctx), (long long)number_of(ctx), (const char *)step);

    return write(book, line, (size_t)length) == length ? STEPD_OK : stepd_error(ctx, "NoBook", "the book is lost");
}

static enum stepd_status step(struct stepd_ctx *ctx, const char *id)
{
    return stepd_step_run(ctx, id, enter, id, NULL);
}

/* A checkpoint, a failure now and then, a sleep: all that a record may become on its way. */
static enum stepd_status go(struct stepd_ctx *ctx)
{
    STEPD_TRY(step(ctx, "first"));
    if (number_of(ctx) % 3 == 0 && stepd_attempt(ctx) == 0)
        return stepd_error(ctx, "Flaky", "number %lld goes on in its second attempt", (long long)number_of(ctx));
    STEPD_TRY(step(ctx, "second"));
    STEPD_TRY(stepd_sleep(ctx, "nap", 700));
    return step(ctx, "third");
}

static enum stepd_status fail_first(struct stepd_ctx *ctx)
{
    if (stepd_attempt(ctx) == 0)
        return stepd_error(ctx, "Flaky", "number %lld goes on in its second attempt", (long long)number_of(ctx));
    return step(ctx, "only");
}

STEPD_MODULE(.name = "mixed", .init = open_book,
             .options = STEPD_OPTIONS(STEPD_OPTION(.name = "file", .type = STEPD_STRING, .offset = offsetof(struct options, file),
                                                   .help = "where steps are booked")),
             .options_size = sizeof(struct options),
             .functions = STEPD_FUNCTIONS(STEPD_FUNCTION(.id = "steps", .event = "mixed/go", .run = go),
                                          STEPD_FUNCTION(.id = "retried", .event = "mixed/go", .run = fail_first),
                                          STEPD_FUNCTION(.id = "keyed", .event = "mixed/go", .run = go, .ordering = STEPD_BY_KEY),
                                          STEPD_FUNCTION(.id = "once", .event = "mixed/*", .run = go, .dedupe_ms = 3600000)));
