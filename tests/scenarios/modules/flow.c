/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions that book when each of their attempts begins and ends, one write a line: "FUNCTION NUMBER PID begin MS" and
 * "… end MS". What limits them the config says. An event's data: `n` its number, `ms` how long an attempt takes, `error`
 * the name of the error that each attempt but the last `fails` fails with, `sleep_ms` a sleep before the end, `down` a file: while it is there, each attempt fails, where
 * `for_good` is set with an error that is no use to try again. Of `book` the config makes functions that note each event of a batch,
 * and take, sleep and are down as their own options say: "FUNCTION NUMBER PID …, RUN".
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

struct booked {
    int64_t ms, sleep_ms;
    const char *down;
};

static int book;

static int open_book(const void *options, void **ret_shared)
{
    book = open(((const struct options *)options)->file, O_WRONLY | O_CREAT | O_APPEND, 0600);
    *ret_shared = &book;
    return book < 0;
}

static void note_event(struct stepd_ctx *ctx, const struct stepd_event *event, const char *what, const char *run)
{
    struct timespec now;
    char line[200];

    (void)clock_gettime(CLOCK_REALTIME, &now);
    int length = snprintf(line, sizeof(line), "%s %lld %d %s %lld%s%s\n", stepd_function_id(ctx),
                          (long long)stepd_get_int(ctx, event->data, "n", -1), (int)getpid(), what,
                          (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000, run != NULL ? " " : "", run != NULL ? run : "");
    if (write(book, line, (size_t)length) != length)
        stepd_log(ctx, STEPD_LOG_ERROR, "the book is lost");
}

static void note(struct stepd_ctx *ctx, const char *what)
{
    note_event(ctx, stepd_event(ctx), what, NULL);
}

static void rest(int64_t ms)
{
    const struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

    (void)nanosleep(&pause, NULL);
}

static void note_all(struct stepd_ctx *ctx, const char *what)
{
    for (size_t i = 0; i < stepd_event_count(ctx); i++)
        note_event(ctx, stepd_event_at(ctx, i), what, stepd_run_id(ctx));
}

static enum stepd_status book_all(struct stepd_ctx *ctx)
{
    const struct booked *options = stepd_options(ctx);

    if (stepd_step_count(ctx) > 0) /* it has slept */
        return STEPD_OK;
    note_all(ctx, "begin");
    rest(options->ms);
    if (options->down[0] != '\0' && access(options->down, F_OK) == 0) {
        note_all(ctx, "down");
        return stepd_error(ctx, "Down", "it is down");
    }
    note_all(ctx, "end");
    return options->sleep_ms > 0 ? stepd_sleep(ctx, "rest", options->sleep_ms) : STEPD_OK;
}

static enum stepd_status work(struct stepd_ctx *ctx)
{
    const msgpack_object *data = stepd_event(ctx)->data;

    note(ctx, "begin");
    rest(stepd_get_int(ctx, data, "ms", 0));
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

#define BOOKED \
    STEPD_OPTIONS( \
        STEPD_OPTION(.name = "ms", .type = STEPD_INT, .offset = offsetof(struct booked, ms), .default_text = "0"), \
        STEPD_OPTION(.name = "sleep", .type = STEPD_DURATION, .offset = offsetof(struct booked, sleep_ms), .default_text = "0s"), \
        STEPD_OPTION(.name = "down", .type = STEPD_STRING, .offset = offsetof(struct booked, down), .default_text = ""))

STEPD_MODULE(.name = "flow", .init = open_book,
             .options = STEPD_OPTIONS(STEPD_OPTION(.name = "file", .type = STEPD_STRING, .offset = offsetof(struct options, file),
                                                   .help = "where attempts are booked")),
             .options_size = sizeof(struct options),
             .functions = STEPD_FUNCTIONS(STEPD_FUNCTION(.id = "work", .event = "work/go", .run = work),
                                          STEPD_FUNCTION(.id = "other", .event = "other/go", .run = work),
                                          STEPD_FUNCTION(.id = "book", .template = true, .run = book_all,
                                                         .options_size = sizeof(struct booked), .options = BOOKED)));
