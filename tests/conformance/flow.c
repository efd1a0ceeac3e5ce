/* SPDX-License-Identifier: Apache-2.0 */
/* Flow control: each setting by what its function sees. docs/flow.md says the whole of it. */
#include <stdatomic.h>

#include "scenario.h"

static int number_of(const struct stepd_event *event, struct stepd_ctx *ctx)
{
    return (int)stepd_get_int(ctx, event->data, "n", -1);
}

static enum stepd_status see(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "n=%d", number_of(stepd_event(ctx), ctx));
    return STEPD_OK;
}

static enum stepd_status see_all(struct stepd_ctx *ctx)
{
    char text[64] = "";

    for (size_t i = 0; i < stepd_event_count(ctx); i++)
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), " %d", number_of(stepd_event_at(ctx, i), ctx));
    trace(ctx, "function", "n=%s", text);
    return stepd_get_int(ctx, stepd_event(ctx)->data, "fails", 0) != 0 ? stepd_error(ctx, "Boom", "the batch") : STEPD_OK;
}

static enum stepd_status fail(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    return stepd_error(ctx, "Busy", "as ever");
}

static enum stepd_status fail_once(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    return stepd_attempt(ctx) == 0 ? stepd_error(ctx, "Down", "once") : STEPD_OK;
}

static enum stepd_status nap(struct stepd_ctx *ctx)
{
    if (stepd_step_count(ctx) == 0)
        trace(ctx, "function", "n=%d", number_of(stepd_event(ctx), ctx));
    return stepd_sleep(ctx, "nap", stepd_get_int(ctx, stepd_event(ctx)->data, "ms", 0));
}

/* Says whether no other run was under way. */
static enum stepd_status stay(struct stepd_ctx *ctx)
{
    static atomic_int under_way;
    bool is_alone = atomic_fetch_add(&under_way, 1) == 0;

    (void)usleep(20000);
    trace(ctx, "function", "%s", is_alone ? "alone" : "with others");
    atomic_fetch_sub(&under_way, 1);
    return STEPD_OK;
}

#define HOUR_MS 3600000
#define EVENT(...) \
    { \
        .key = "k", .data = "{" #__VA_ARGS__ "}" \
    }

STEPD_MODULE(.name = "flow",
             .functions = STEPD_FUNCTIONS(
                 FUNCTION("what-when-is-not-true-of-starts-nothing", .run = see, .when = "event.data.n > 1"),
                 FUNCTION("a-dedupe-key-tells-events-apart", .run = see, .dedupe_ms = HOUR_MS, .dedupe_key = "event.data.cart"),
                 FUNCTION("a-rate-limit-drops-what-is-over-it", .run = see, .rate_limit = { .limit = 2, .period_ms = HOUR_MS }),
                 FUNCTION("an-event-without-the-key-is-not-dropped", .run = see,
                          .rate_limit = { .limit = 1, .period_ms = HOUR_MS, .key = "event.data.user" }),
                 FUNCTION("a-throttled-run-waits-for-its-turn-and-loses-nothing", .run = see, .throttle = { .limit = 1, .period_ms = 200 }),
                 FUNCTION("of-debounced-events-the-latest-runs", .run = see, .debounce = { .period_ms = 6000 }),
                 FUNCTION("a-full-batch-is-one-run", .run = see_all, .batch = { .size = 3, .timeout_ms = HOUR_MS }),
                 FUNCTION("a-batch-begins-when-its-time-is-over", .run = see_all, .batch = { .size = 100, .timeout_ms = 300 }),
                 FUNCTION("a-batch-is-retried-with-its-events", .run = see_all, .batch = { .size = 2, .timeout_ms = HOUR_MS },
                          .retries = 1),
                 FUNCTION("a-place-is-one-attempts", .run = stay, .concurrency_limits = STEPD_LIMITS({ .limit = 1 })),
                 FUNCTION("a-singleton-starts-nothing-while-its-run-lives", .run = nap, .singleton = { .mode = STEPD_SINGLETON_SKIP }),
                 FUNCTION("what-has-not-ended-in-time-is-cancelled", .run = nap, .finish_timeout_ms = 500),
                 FUNCTION("an-error-has-retries-of-its-own", .run = fail,
                          .on_error = STEPD_ON_ERROR({ .error = "Bu*", .retries = 2, .backoff = STEPD_BACKOFF(10) })),
                 FUNCTION("what-a-breaker-holds-goes-on-after-its-pause", .run = fail_once, .backoff = STEPD_BACKOFF(3000),
                          .breaker = { .failures = 1, .window_ms = 60000, .pause_ms = 6000 })));

const struct scenario scenarios[] = {
    { .name = "what-when-is-not-true-of-starts-nothing",
      .events = EVENTS(EVENT("n" : 1), EVENT("n" : 2), EVENT()),
      .trace = LINES("k|function 0/5 n=2"),
      .status = "completed" },
    { .name = "a-dedupe-key-tells-events-apart",
      .events = EVENTS(EVENT("n" : 1, "cart"
                             : "a"),
                       EVENT("n" : 2, "cart"
                             : "a"),
                       EVENT("n" : 3, "cart"
                             : "b")),
      .trace = LINES("k|function 0/5 n=1", "k|function 0/5 n=3"),
      .status = "completed" },
    { .name = "a-rate-limit-drops-what-is-over-it",
      .events = EVENTS(EVENT("n" : 1), EVENT("n" : 2), EVENT("n" : 3)),
      .trace = LINES("k|function 0/5 n=1", "k|function 0/5 n=2"),
      .status = "completed" },
    { .name = "an-event-without-the-key-is-not-dropped",
      .events = EVENTS(EVENT("n" : 1), EVENT("n" : 2)),
      .trace = LINES("k|function 0/5 n=1", "k|function 0/5 n=2"),
      .status = "completed" },
    { .name = "a-throttled-run-waits-for-its-turn-and-loses-nothing",
      .events = EVENTS(EVENT("n" : 1), EVENT("n" : 2), EVENT("n" : 3)),
      .trace = LINES("k|function 0/5 n=1", "k|function 0/5 n=2", "k|function 0/5 n=3"),
      .status = "completed" },
    { .name = "of-debounced-events-the-latest-runs",
      .events = EVENTS(EVENT("n" : 1), EVENT("n" : 2), EVENT("n" : 3)),
      .trace = LINES("k|function 0/5 n=3"),
      .status = "completed" },
    { .name = "a-full-batch-is-one-run",
      .events = EVENTS(EVENT("n" : 1), EVENT("n" : 2), EVENT("n" : 3)),
      .trace = LINES("k|function 0/5 n= 1 2 3"),
      .status = "completed" },
    { .name = "a-batch-begins-when-its-time-is-over",
      .events = EVENTS(EVENT("n" : 1)),
      .trace = LINES("k|function 0/5 n= 1"),
      .status = "completed" },
    { .name = "a-batch-is-retried-with-its-events",
      .events = EVENTS(EVENT("n" : 1, "fails" : 1), EVENT("n" : 2)),
      .trace = LINES("k|function 0/2 n= 1 2", "k|function 1/2 n= 1 2"),
      .status = "failed",
      .error = "Boom: the batch",
      .letters = LINES("Boom 2", "Boom 2") },
    { .name = "a-place-is-one-attempts",
      .events = EVENTS(EVENT(), EVENT(), EVENT()),
      .trace = LINES("k|function 0/5 alone", "k|function 0/5 alone", "k|function 0/5 alone"),
      .status = "completed" },
    { .name = "a-singleton-starts-nothing-while-its-run-lives",
      .events = EVENTS(EVENT("n" : 1, "ms" : 6000), EVENT("n" : 2)),
      .trace = LINES("k|function 0/5 n=1"),
      .status = "completed" },
    { .name = "what-has-not-ended-in-time-is-cancelled",
      .events = EVENTS(EVENT("n" : 1, "ms" : 3600000)),
      .trace = LINES("k|function 0/5 n=1"),
      .status = "cancelled" },
    { .name = "an-error-has-retries-of-its-own",
      .events = EVENTS(EVENT()),
      .trace = LINES("k|function 0/5", "k|function 1/5", "k|function 2/5"),
      .status = "failed",
      .error = "Busy: as ever" },
    { .name = "what-a-breaker-holds-goes-on-after-its-pause",
      .events = EVENTS(EVENT()),
      .trace = LINES("k|function 0/5", "k|function 1/5"),
      .status = "completed",
      .times = LINES("0", "6000") },
    { .name = NULL },
};
