/* SPDX-License-Identifier: Apache-2.0 */
/* One function with all that a trace can show: steps, one that is tried again, branches, a sleep, an event that starts another. */
#define _POSIX_C_SOURCE 200809L
#include <stepd/stepd.h>
#include <time.h>

static enum stepd_status good(struct stepd_ctx *ctx, const void *arg)
{
    const struct timespec a_while = { .tv_nsec = 2000000 };

    (void)ctx;
    (void)arg;
    (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &a_while, NULL);
    return STEPD_OK;
}

static enum stepd_status late(struct stepd_ctx *ctx, const void *arg)
{
    (void)arg;
    return stepd_attempt(ctx) == 0 ? stepd_error(ctx, "NotYet", "come again") : STEPD_OK;
}

static enum stepd_status trip(struct stepd_ctx *ctx)
{
    const struct stepd_branch branches[] = { { .id = "left", .fn = good }, { .id = "right", .fn = good } };

    STEPD_TRY(stepd_step_run(ctx, "first", good, NULL, NULL));
    STEPD_TRY(stepd_step_run(ctx, "second", late, NULL, NULL));
    STEPD_TRY(stepd_sleep(ctx, "nap", 300));
    STEPD_TRY(stepd_parallel(ctx, branches, 2, NULL));
    return stepd_send_event(ctx, "tell", "trip/over", NULL);
}

static enum stepd_status over(struct stepd_ctx *ctx)
{
    (void)ctx;
    return STEPD_OK;
}

static enum stepd_status doomed(struct stepd_ctx *ctx)
{
    return stepd_non_retriable(ctx, "Doomed", "no way");
}

STEPD_MODULE(.name = "traced", .functions = STEPD_FUNCTIONS(STEPD_FUNCTION(.id = "trip", .event = "trip/begun", .run = trip, .retries = 2),
                                                            STEPD_FUNCTION(.id = "over", .event = "trip/over", .run = over),
                                                            STEPD_FUNCTION(.id = "doomed", .event = "trip/doomed", .run = doomed)));
