/* SPDX-License-Identifier: Apache-2.0 */
/* `concurrency`: so many runs at once in one daemon; the others wait, and lose nothing by it. */
#include <stdatomic.h>

#include "scenario.h"

/* Says whether no other run of the function was under way. */
static void stay_a_while(struct stepd_ctx *ctx, atomic_int *under_way)
{
    bool is_alone = atomic_fetch_add(under_way, 1) == 0;

    (void)usleep(20000);
    trace(ctx, "function", "%s", is_alone ? "alone" : "with others");
    atomic_fetch_sub(under_way, 1);
}

static enum stepd_status stay(struct stepd_ctx *ctx)
{
    static atomic_int under_way;

    stay_a_while(ctx, &under_way);
    return STEPD_OK;
}

static enum stepd_status fail_once(struct stepd_ctx *ctx)
{
    static atomic_int under_way;

    stay_a_while(ctx, &under_way);
    return stepd_attempt(ctx) == 0 ? stepd_error(ctx, "Flaky", "once") : STEPD_OK;
}

static enum stepd_status nap(struct stepd_ctx *ctx)
{
    static atomic_int under_way;

    stay_a_while(ctx, &under_way);
    return stepd_sleep(ctx, "nap", 100);
}

#define EVENT(key_) \
    { \
        .key = key_ \
    }
#define CROWD EVENTS(EVENT("a"), EVENT("b"), EVENT("c"), EVENT("d"))
#define LIMITED(id_, ...) FUNCTION(id_, .concurrency = 1, __VA_ARGS__)

STEPD_MODULE(.name = "concurrency", .functions = STEPD_FUNCTIONS(LIMITED("runs-over-concurrency-wait-and-that-is-no-attempt", .run = stay),
                                                                 LIMITED("a-retry-waits-for-room-as-well", .run = fail_once),
                                                                 LIMITED("a-run-that-sleeps-leaves-its-room-to-others", .run = nap)));

#define ALONE(key_, attempt_) key_ "|function " attempt_ "/5 alone"

const struct scenario scenarios[] = {
    { .name = "runs-over-concurrency-wait-and-that-is-no-attempt",
      .events = CROWD,
      .trace = LINES(ALONE("a", "0"), ALONE("b", "0"), ALONE("c", "0"), ALONE("d", "0")),
      .status = "completed" },
    { .name = "a-retry-waits-for-room-as-well",
      .events = CROWD,
      .trace = LINES(ALONE("a", "0"), ALONE("a", "1"), ALONE("b", "0"), ALONE("b", "1"), ALONE("c", "0"), ALONE("c", "1"), ALONE("d", "0"),
                     ALONE("d", "1")),
      .status = "completed" },
    { .name = "a-run-that-sleeps-leaves-its-room-to-others",
      .events = CROWD,
      .trace = LINES(ALONE("a", "0"), ALONE("a", "0"), ALONE("b", "0"), ALONE("b", "0"), ALONE("c", "0"), ALONE("c", "0"), ALONE("d", "0"),
                     ALONE("d", "0")),
      .status = "completed" },
    { .name = NULL },
};
