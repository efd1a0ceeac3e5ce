/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers that wait for an event: a stepd from before waits has no such module. */
#include "book.h"

static enum stepd_status wait_for_answer(struct stepd_ctx *ctx, const char *when)
{
    const struct stepd_wait wait = { .event = "bench/answer", .when = when };

    count(ctx);
    return stepd_wait_for_event(ctx, "answer", &wait, NULL);
}

/* Each is answered by the event of its number, and counted twice: as it begins to wait, and then. */
static enum stepd_status holds(struct stepd_ctx *ctx)
{
    return wait_for_answer(ctx, "async.data.number == event.data.number");
}

/* For numbers that do not come. */
static enum stepd_status holds_on(struct stepd_ctx *ctx)
{
    return wait_for_answer(ctx, "async.data.number == event.data.number + 1000000000");
}

STEPD_MODULE(.name = "bench-waits", WITH_A_BOOK,
             .functions = STEPD_FUNCTIONS(STEPD_FUNCTION(.id = "holds", .event = "bench/event", .run = holds),
                                          STEPD_FUNCTION(.id = "holds-on", .event = "bench/event", .run = holds_on)));
