/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two functions that book each run in one write, "FUNCTION NUMBER PID AT-ONCE". An event whose data has `at` makes its
 * first attempt fail, to be tried again then; one that has `ms` takes so long.
 */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stepd/stepd.h>
#include <time.h>
#include <unistd.h>

struct options {
    const char *file;
};

static int book;
static atomic_int under_way;

static int open_book(const void *options, void **ret_shared)
{
    book = open(((const struct options *)options)->file, O_WRONLY | O_CREAT | O_APPEND, 0600);
    *ret_shared = &book;
    return book < 0;
}

static void enter(struct stepd_ctx *ctx, int at_once)
{
    char line[100];
    int length = snprintf(line, sizeof(line), "%s %lld %d %d\n", stepd_function_id(ctx),
                          (long long)stepd_get_int(ctx, stepd_event(ctx)->data, "n", -1), (int)getpid(), at_once);

    if (write(book, line, (size_t)length) != length)
        stepd_log(ctx, STEPD_LOG_ERROR, "the book is lost");
}

static enum stepd_status take_time(struct stepd_ctx *ctx)
{
    int64_t at = stepd_get_int(ctx, stepd_event(ctx)->data, "at", 0);
    int64_t ms = stepd_get_int(ctx, stepd_event(ctx)->data, "ms", 0);
    const struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

    if (at > 0 && stepd_attempt(ctx) == 0)
        return stepd_retry_at(ctx, at, "Later", "it is tried again at its time");
    int at_once = atomic_fetch_add(&under_way, 1) + 1;
    (void)nanosleep(&pause, NULL);
    enter(ctx, at_once);
    atomic_fetch_sub(&under_way, 1);
    return STEPD_OK;
}

static enum stepd_status be_quick(struct stepd_ctx *ctx)
{
    enter(ctx, 1);
    return STEPD_OK;
}

STEPD_MODULE(.name = "limited", .init = open_book,
             .options = STEPD_OPTIONS(STEPD_OPTION(.name = "file", .type = STEPD_STRING, .offset = offsetof(struct options, file),
                                                   .help = "where runs are booked")),
             .options_size = sizeof(struct options),
             .functions = STEPD_FUNCTIONS(STEPD_FUNCTION(.id = "limited", .event = "limited/go", .run = take_time),
                                          STEPD_FUNCTION(.id = "ordered", .event = "ordered/go", .run = take_time,
                                                         .ordering = STEPD_BY_KEY),
                                          STEPD_FUNCTION(.id = "free", .event = "free/go", .run = be_quick)));
