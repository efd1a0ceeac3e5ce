/* SPDX-License-Identifier: Apache-2.0 */
/* Does a step, waits until it is told that its result is wanted no more, and begins another one all the same. */
#define _POSIX_C_SOURCE 200809L
#include <stepd/stepd.h>
#include <time.h>

static enum stepd_status work(struct stepd_ctx *ctx, const void *arg)
{
    (void)ctx;
    (void)arg;
    return STEPD_OK;
}

static enum stepd_status wait_to_be_cancelled(struct stepd_ctx *ctx)
{
    const struct timespec pause = { .tv_nsec = 10000000 };

    STEPD_TRY(stepd_step_run(ctx, "before", work, NULL, NULL));
    while (!stepd_is_cancelled(ctx))
        (void)nanosleep(&pause, NULL);
    return stepd_step_run(ctx, "behind", work, NULL, NULL);
}

STEPD_MODULE(.name = "patient",
             .functions = STEPD_FUNCTIONS(STEPD_FUNCTION(.id = "patient", .event = "job/patient", .run = wait_to_be_cancelled)));
