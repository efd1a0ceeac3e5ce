/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Books every attempt of every event: one line, "ID ATTEMPT OUTCOME", in one write. Every hundredth
 * event fails for good; of the others, every tenth fails once.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stepd/stepd.h>
#include <unistd.h>

struct options {
    const char *file;
};

struct book {
    int file;
};

static int open_book(const void *options, void **ret_shared)
{
    static struct book book;

    book.file = open(((const struct options *)options)->file, O_WRONLY | O_CREAT | O_APPEND, 0600);
    *ret_shared = &book;
    return book.file < 0;
}

static void close_book(void *shared)
{
    close(((struct book *)shared)->file);
}

static void enter(struct stepd_ctx *ctx, int64_t number, const char *outcome)
{
    const struct book *book = stepd_shared(ctx);
    char line[64];
    int length = snprintf(line, sizeof(line), "%lld %d %s\n", (long long)number, stepd_attempt(ctx), outcome);

    if (write(book->file, line, (size_t)length) != length)
        stepd_log(ctx, STEPD_LOG_ERROR, "the book is lost");
}

static enum stepd_status post(struct stepd_ctx *ctx)
{
    int64_t number = stepd_get_int(ctx, stepd_event(ctx)->data, "number", -1);

    if (number % 100 == 0) {
        enter(ctx, number, "refused");
        return stepd_error(ctx, "Refused", "number %lld is never booked", (long long)number);
    }
    if (number % 10 == 0 && stepd_attempt(ctx) == 0) {
        enter(ctx, number, "failed");
        return stepd_error(ctx, "Flaky", "number %lld is booked the second time", (long long)number);
    }
    enter(ctx, number, "booked");
    return STEPD_OK;
}

STEPD_MODULE(.name = "ledger", .init = open_book, .exit = close_book,
             .options = STEPD_OPTIONS(STEPD_OPTION(.name = "file", .type = STEPD_STRING, .offset = offsetof(struct options, file),
                                                   .help = "where attempts are booked")),
             .options_size = sizeof(struct options),
             .functions = STEPD_FUNCTIONS(STEPD_FUNCTION(.id = "ledger", .event = "ledger/post", .run = post, .retries = 2,
                                                         .backoff = STEPD_BACKOFF(100, 300), .jitter_ms = 0)));
