/* SPDX-License-Identifier: Apache-2.0 */
/* A handler of batches: a stepd from before batches has no such module. */
#include "book.h"

static enum stepd_status gathered(struct stepd_ctx *ctx)
{
    for (size_t i = stepd_event_count(ctx); i > 0; i--)
        count(ctx);
    return STEPD_OK;
}

STEPD_MODULE(.name = "bench-batches", WITH_A_BOOK,
             .functions = STEPD_FUNCTIONS(STEPD_FUNCTION(.id = "gathered", .event = "bench/event", .run = gathered)));
