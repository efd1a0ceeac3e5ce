/* SPDX-License-Identifier: Apache-2.0 */
/* Functions without steps: attempts, errors, when the next attempt is due. */
#include "scenario.h"

static enum stepd_status always_fails(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    return stepd_error(ctx, "Boom", "attempt %d", stepd_attempt(ctx));
}

static enum stepd_status recovers(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    if (stepd_attempt(ctx) < 2)
        return stepd_error(ctx, "Flaky", "attempt %d", stepd_attempt(ctx));
    msgpack_pack_int(stepd_output(ctx), stepd_attempt(ctx));
    return STEPD_OK;
}

static enum stepd_status gives_up(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    return stepd_non_retriable(ctx, "Hopeless", "no use");
}

static enum stepd_status says_nothing(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    return STEPD_FAILED;
}

static enum stepd_status packs_and_fails(struct stepd_ctx *ctx)
{
    output_text(ctx, stepd_attempt(ctx) == 0 ? "dropped" : "kept");
    trace(ctx, "function", "%s", "");
    return stepd_attempt(ctx) == 0 ? stepd_error(ctx, "Flaky", "once") : STEPD_OK;
}

static enum stepd_status remembers(struct stepd_ctx *ctx)
{
    const struct stepd_error *last = stepd_last_error(ctx);

    if (last != NULL)
        trace(ctx, "function", "%s: %s, attempt %d", last->name, last->message, last->attempt);
    else
        trace(ctx, "function", "%s", "no error");
    return stepd_attempt(ctx) < 2 ? stepd_error(ctx, "Flaky", "number %d", stepd_attempt(ctx)) : STEPD_OK;
}

/* ---- when ----------------------------------------------------------------------------------------- */

static enum stepd_status waits_100_ms(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    return stepd_attempt(ctx) == 0 ? stepd_retry_after(ctx, 100, "Busy", "later") : STEPD_OK;
}

static enum stepd_status waits_until(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    return stepd_attempt(ctx) == 0 ? stepd_retry_at(ctx, stepd_event(ctx)->ts_ms + 300, "Busy", "later") : STEPD_OK;
}

static enum stepd_status waits_until_yesterday(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    return stepd_attempt(ctx) == 0 ? stepd_retry_at(ctx, stepd_event(ctx)->ts_ms - 86400000, "Busy", "at once") : STEPD_OK;
}

static enum stepd_status waits_as_http_says(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    return stepd_attempt(ctx) == 0 ? stepd_retry_after_http(ctx, "1", "Busy", "HTTP 429") : STEPD_OK;
}

static enum stepd_status waits_until_a_date(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    return stepd_attempt(ctx) == 0 ? stepd_retry_after_http(ctx, "Sun, 06 Nov 1994 08:49:37 GMT", "Busy", "HTTP 503") : STEPD_OK;
}

static enum stepd_status http_says_nonsense(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    return stepd_attempt(ctx) == 0 ? stepd_retry_after_http(ctx, "soon", "Busy", "HTTP 503") : STEPD_OK;
}

static enum stepd_status http_says_epoch_seconds(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    return stepd_attempt(ctx) == 0 ? stepd_retry_after_http(ctx, "1764374400", "Busy", "HTTP 429") : STEPD_OK;
}

static enum stepd_status http_says_a_far_date(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    return stepd_attempt(ctx) == 0 ? stepd_retry_after_http(ctx, "Sun, 06 Nov 2094 08:49:37 GMT", "Busy", "HTTP 503") : STEPD_OK;
}

static enum stepd_status waits_longer_than_http_may(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    return stepd_attempt(ctx) == 0 ? stepd_retry_after(ctx, 1200, "Busy", "later") : STEPD_OK;
}

static enum stepd_status is_always_busy(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    return stepd_retry_after(ctx, 10, "Busy", "attempt %d", stepd_attempt(ctx));
}

STEPD_MODULE(.name = "retries",
             .functions = STEPD_FUNCTIONS(
                 FUNCTION("has-5-attempts-by-default", .run = always_fails),
                 FUNCTION("retries-2-are-3-attempts", .run = always_fails, .retries = 2),
                 FUNCTION("retries-0-are-1-attempt", .run = always_fails, .retries = 0),
                 FUNCTION("a-function-that-recovers-completes", .run = recovers),
                 FUNCTION("non-retriable-from-a-function-fails-the-run-now", .run = gives_up),
                 FUNCTION("a-failure-without-an-error-is-retried", .run = says_nothing, .retries = 1),
                 FUNCTION("output-of-a-failed-attempt-is-dropped", .run = packs_and_fails),
                 FUNCTION("a-retry-knows-the-error-before-it", .run = remembers),
                 FUNCTION("retry-after-is-exact", .run = waits_100_ms, .backoff = STEPD_BACKOFF(3600000), .jitter_ms = 3600000),
                 FUNCTION("retry-at-is-exact", .run = waits_until, .backoff = STEPD_BACKOFF(3600000)),
                 FUNCTION("retry-at-a-time-that-is-over-is-now", .run = waits_until_yesterday, .backoff = STEPD_BACKOFF(3600000)),
                 FUNCTION("retry-after-http-takes-seconds", .run = waits_as_http_says, .backoff = STEPD_BACKOFF(3600000)),
                 FUNCTION("retry-after-http-takes-a-date", .run = waits_until_a_date, .backoff = STEPD_BACKOFF(3600000)),
                 FUNCTION("retry-after-http-with-nonsense-is-an-error-as-any", .run = http_says_nonsense),
                 FUNCTION("retry-after-http-ends-at-max-after", .run = http_says_epoch_seconds),
                 FUNCTION("a-date-of-http-ends-at-max-after", .run = http_says_a_far_date),
                 FUNCTION("a-time-that-code-names-has-no-ceiling", .run = waits_longer_than_http_may),
                 FUNCTION("retry-after-adds-no-attempts", .run = is_always_busy, .retries = 1),
                 FUNCTION("a-function-has-delays-of-its-own", .run = always_fails, .retries = 3, .backoff = STEPD_BACKOFF(50, 200),
                          .jitter_ms = 0)));

const struct scenario scenarios[] = {
    { .name = "has-5-attempts-by-default",
      .trace = LINES("function 0/5", "function 1/5", "function 2/5", "function 3/5", "function 4/5"),
      .status = "failed",
      .error = "Boom: attempt 4",
      .letters = LINES("Boom 5") },
    { .name = "retries-2-are-3-attempts",
      .trace = LINES("function 0/3", "function 1/3", "function 2/3"),
      .status = "failed",
      .error = "Boom: attempt 2",
      .letters = LINES("Boom 3") },
    { .name = "retries-0-are-1-attempt",
      .trace = LINES("function 0/1"),
      .status = "failed",
      .error = "Boom: attempt 0",
      .letters = LINES("Boom 1") },
    { .name = "a-function-that-recovers-completes",
      .trace = LINES("function 0/5", "function 1/5", "function 2/5"),
      .status = "completed",
      .output = "2",
      .letters = LINES(NULL) },
    { .name = "non-retriable-from-a-function-fails-the-run-now",
      .trace = LINES("function 0/5"),
      .status = "failed",
      .error = "Hopeless: no use",
      .letters = LINES("Hopeless 1") },
    { .name = "a-failure-without-an-error-is-retried",
      .trace = LINES("function 0/2", "function 1/2"),
      .status = "failed",
      .error = "Error: the function failed without saying why" },
    { .name = "output-of-a-failed-attempt-is-dropped",
      .trace = LINES("function 0/5", "function 1/5"),
      .status = "completed",
      .output = "\"kept\"" },
    { .name = "a-retry-knows-the-error-before-it",
      .trace = LINES("function 0/5 no error", "function 1/5 Flaky: number 0, attempt 0", "function 2/5 Flaky: number 1, attempt 1"),
      .status = "completed" },
    { .name = "retry-after-is-exact", .trace = LINES("function 0/5", "function 1/5"), .times = LINES("0", "100"), .status = "completed" },
    { .name = "retry-at-is-exact", .trace = LINES("function 0/5", "function 1/5"), .times = LINES("0", "300"), .status = "completed" },
    { .name = "retry-at-a-time-that-is-over-is-now",
      .trace = LINES("function 0/5", "function 1/5"),
      .times = LINES("0", "0"),
      .status = "completed" },
    { .name = "retry-after-http-takes-seconds",
      .trace = LINES("function 0/5", "function 1/5"),
      .times = LINES("0", "1000"),
      .status = "completed" },
    { .name = "retry-after-http-takes-a-date",
      .trace = LINES("function 0/5", "function 1/5"),
      .times = LINES("0", "0"),
      .status = "completed" },
    { .name = "retry-after-http-with-nonsense-is-an-error-as-any",
      .trace = LINES("function 0/5", "function 1/5"),
      .times = LINES("0", "20"),
      .status = "completed" },
    { .name = "retry-after-http-ends-at-max-after",
      .trace = LINES("function 0/5", "function 1/5"),
      .times = LINES("0", "1000"),
      .status = "completed" },
    { .name = "a-date-of-http-ends-at-max-after",
      .trace = LINES("function 0/5", "function 1/5"),
      .times = LINES("0", "1000"),
      .status = "completed" },
    { .name = "a-time-that-code-names-has-no-ceiling",
      .trace = LINES("function 0/5", "function 1/5"),
      .times = LINES("0", "1200"),
      .status = "completed" },
    { .name = "retry-after-adds-no-attempts",
      .trace = LINES("function 0/2", "function 1/2"),
      .times = LINES("0", "10"),
      .status = "failed",
      .error = "Busy: attempt 1",
      .letters = LINES("Busy 2") },
    { .name = "a-function-has-delays-of-its-own",
      .trace = LINES("function 0/4", "function 1/4", "function 2/4", "function 3/4"),
      .times = LINES("0", "50", "250", "450"),
      .status = "failed",
      .error = "Boom: attempt 3" },
    { .name = NULL },
};
