/* SPDX-License-Identifier: Apache-2.0 */
/* STEPD_BY_KEY: a key's runs one at a time, in order, across retries and sleeps. */
#include "scenario.h"

static enum stepd_status fails_once(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "n=%d", (int)stepd_get_int(ctx, stepd_event(ctx)->data, "n", -1));
    return stepd_attempt(ctx) == 0 ? stepd_error(ctx, "Flaky", "once") : STEPD_OK;
}

static enum stepd_status sleeps_once(struct stepd_ctx *ctx)
{
    int64_t number = stepd_get_int(ctx, stepd_event(ctx)->data, "n", -1);

    trace(ctx, "function", "n=%d", (int)number);
    return stepd_sleep(ctx, "nap", number == 1 ? 300 : 0);
}

static enum stepd_status fails_for_good(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "n=%d", (int)stepd_get_int(ctx, stepd_event(ctx)->data, "n", -1));
    return stepd_non_retriable(ctx, "Hopeless", "as the others");
}

#define EVENT(key_, n_) \
    { \
        .key = key_, .data = "{\"n\": " #n_ "}" \
    }

STEPD_MODULE(.name = "order",
             .functions = STEPD_FUNCTIONS(
                 FUNCTION("a-keys-runs-go-one-at-a-time-across-retries", .run = fails_once, .ordering = STEPD_BY_KEY),
                 FUNCTION("a-keys-runs-go-one-at-a-time-across-sleeps", .run = sleeps_once, .ordering = STEPD_BY_KEY),
                 FUNCTION("after-a-run-that-failed-for-good-the-next-one-goes", .run = fails_for_good, .ordering = STEPD_BY_KEY)));

const struct scenario scenarios[] = {
    { .name = "a-keys-runs-go-one-at-a-time-across-retries",
      .events = EVENTS(EVENT("a", 1), EVENT("b", 1), EVENT("a", 2), EVENT("b", 2), EVENT("a", 3)),
      .trace = LINES("a|function 0/5 n=1", "a|function 1/5 n=1", "a|function 0/5 n=2", "a|function 1/5 n=2", "a|function 0/5 n=3",
                     "a|function 1/5 n=3", "b|function 0/5 n=1", "b|function 1/5 n=1", "b|function 0/5 n=2", "b|function 1/5 n=2"),
      .status = "completed" },
    { .name = "a-keys-runs-go-one-at-a-time-across-sleeps",
      .events = EVENTS(EVENT("a", 1), EVENT("a", 2), EVENT("b", 2), EVENT("a", 3)),
      .trace = LINES("a|function 0/5 n=1", "a|function 0/5 n=1", "a|function 0/5 n=2", "a|function 0/5 n=3", "b|function 0/5 n=2"),
      .status = "completed" },
    { .name = "after-a-run-that-failed-for-good-the-next-one-goes",
      .events = EVENTS(EVENT("a", 1), EVENT("a", 2), EVENT("a", 3)),
      .trace = LINES("a|function 0/5 n=1", "a|function 0/5 n=2", "a|function 0/5 n=3"),
      .status = "failed",
      .error = "Hopeless: as the others",
      .letters = LINES("Hopeless 1", "Hopeless 1", "Hopeless 1") },
    { .name = NULL },
};
