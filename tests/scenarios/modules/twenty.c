/* SPDX-License-Identifier: Apache-2.0 */
/* Twenty steps a run, each booked in one write when it runs: "RUN STEP". Their results add up. */
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

static enum stepd_status work(struct stepd_ctx *ctx, const void *arg)
{
    const struct timespec pause = { .tv_nsec = 5000000 };
    char line[80];
    int length = snprintf(line, sizeof(line), "%s %d\n", stepd_run_id(ctx), *(const int *)arg);

    nanosleep(&pause, NULL);
    if (write(book, line, (size_t)length) != length)
        return stepd_error(ctx, "Lost", "the book is lost");
    msgpack_pack_int(stepd_output(ctx), *(const int *)arg);
    return STEPD_OK;
}

static enum stepd_status twenty(struct stepd_ctx *ctx)
{
    int64_t sum = 0;

    for (int i = 0; i < 20; i++) {
        const msgpack_object *result;
        char id[24];
        snprintf(id, sizeof(id), "step-%d", i);
        STEPD_TRY(stepd_step_run(ctx, id, work, &i, &result));
        sum += result->via.i64;
    }
    msgpack_pack_int64(stepd_output(ctx), sum);
    return STEPD_OK;
}

STEPD_MODULE(.name = "twenty", .init = open_book,
             .options = STEPD_OPTIONS(STEPD_OPTION(.name = "file", .type = STEPD_STRING, .offset = offsetof(struct options, file),
                                                   .help = "where steps are booked")),
             .options_size = sizeof(struct options),
             .functions = STEPD_FUNCTIONS(STEPD_FUNCTION(.id = "twenty", .event = "twenty/go", .run = twenty)));
