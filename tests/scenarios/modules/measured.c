/* SPDX-License-Identifier: Apache-2.0 */
/* One function for each thing that is counted. */
#define _POSIX_C_SOURCE 200809L
#include <time.h>

#include <stepd/stepd.h>

static void pause_ms(long ms)
{
    const struct timespec pause = { .tv_nsec = ms * 1000000 };

    nanosleep(&pause, NULL);
}

static enum stepd_status work(struct stepd_ctx *ctx, const void *arg)
{
    (void)arg;
    pause_ms(100);
    msgpack_pack_true(stepd_output(ctx));
    return STEPD_OK;
}

static enum stepd_status steady(struct stepd_ctx *ctx)
{
    STEPD_TRY(stepd_step_run(ctx, "first", work, NULL, NULL));
    STEPD_TRY(stepd_sleep(ctx, "nap", 200));
    return stepd_step_run(ctx, "second", work, NULL, NULL);
}

static enum stepd_status flaky(struct stepd_ctx *ctx)
{
    return stepd_attempt(ctx) == 0 ? stepd_error(ctx, "Flaky", "the first time it fails") : STEPD_OK;
}

static enum stepd_status doomed(struct stepd_ctx *ctx)
{
    return stepd_non_retriable(ctx, "Doomed", "it always fails");
}

static enum stepd_status stuck(struct stepd_ctx *ctx)
{
    (void)ctx;
    pause_ms(900);
    return STEPD_OK;
}

STEPD_MODULE(.name = "measured", .functions = STEPD_FUNCTIONS(STEPD_FUNCTION(.id = "steady", .event = "measured/steady", .run = steady),
                                                              STEPD_FUNCTION(.id = "flaky", .event = "measured/flaky", .run = flaky,
                                                                             .backoff = STEPD_BACKOFF(100), .jitter_ms = 0),
                                                              STEPD_FUNCTION(.id = "doomed", .event = "measured/doomed", .run = doomed),
                                                              STEPD_FUNCTION(.id = "stuck", .event = "measured/stuck", .run = stuck,
                                                                             .timeout_ms = 300, .retries = 0)));
