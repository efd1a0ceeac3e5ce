/* SPDX-License-Identifier: Apache-2.0 */
/* Runs that wait for events and for each other, and events that end runs. */
#include "scenario.h"

static enum stepd_status end_with(struct stepd_ctx *ctx, const struct stepd_event *event)
{
    trace(ctx, "behind", "%s", event != NULL ? "an event" : "nothing");
    if (event != NULL)
        msgpack_pack_int64(stepd_output(ctx), stepd_get_int(ctx, event->data, "n", -1));
    else
        output_text(ctx, "nothing");
    return STEPD_OK;
}

static enum stepd_status wait_for(struct stepd_ctx *ctx, const char *event_name, const char *when, int64_t timeout_ms)
{
    const struct stepd_wait wait = { .event = event_name, .when = when, .timeout_ms = timeout_ms };
    const struct stepd_event *event = NULL;

    STEPD_TRY(stepd_wait_for_event(ctx, "paid", &wait, &event));
    return end_with(ctx, event);
}

#define SAME_ID "async.data.id == event.data.id"

static enum stepd_status waits(struct stepd_ctx *ctx)
{
    return wait_for(ctx, "conformance/waits-paid", SAME_ID, 0);
}

static enum stepd_status waits_in_vain(struct stepd_ctx *ctx)
{
    return wait_for(ctx, "conformance/never", NULL, 300);
}

static enum stepd_status waits_by_nonsense(struct stepd_ctx *ctx)
{
    return wait_for(ctx, "conformance/never", "async.data.id ==", 0);
}

static enum stepd_status asks_before_it_waits(struct stepd_ctx *ctx)
{
    STEPD_TRY(stepd_sleep(ctx, "ask", 1500));
    return wait_for(ctx, "conformance/expects-paid", SAME_ID, 0);
}

/* ---- invokes -------------------------------------------------------------------------------------- */

static enum stepd_status double_it(struct stepd_ctx *ctx)
{
    if (stepd_attempt(ctx) == 0)
        return stepd_error(ctx, "Busy", "not yet");
    msgpack_pack_int64(stepd_output(ctx), 2 * stepd_get_int(ctx, stepd_event(ctx)->data, "", 0));
    return STEPD_OK;
}

static enum stepd_status decline(struct stepd_ctx *ctx)
{
    return stepd_non_retriable(ctx, "Declined", "not today");
}

static enum stepd_status take_long(struct stepd_ctx *ctx)
{
    return stepd_sleep(ctx, "long", 3600000);
}

static enum stepd_status invoke(struct stepd_ctx *ctx, const char *function_id, int64_t timeout_ms)
{
    const msgpack_object *result = NULL;
    msgpack_sbuffer data;
    msgpack_packer packer;

    msgpack_sbuffer_init(&data);
    msgpack_packer_init(&packer, &data, msgpack_sbuffer_write);
    msgpack_pack_int(&packer, 21);
    enum stepd_status status = stepd_invoke(ctx, "ask", function_id, &data, timeout_ms, &result);
    msgpack_sbuffer_destroy(&data);
    if (status == STEPD_OK) {
        trace(ctx, "behind", "%s", "its result");
        stepd_pack(ctx, stepd_output(ctx), result);
    }
    if (status == STEPD_FAILED)
        trace(ctx, "behind", "%s", stepd_last_error(ctx)->name);
    return status;
}

static enum stepd_status invokes(struct stepd_ctx *ctx)
{
    return invoke(ctx, "waits-double-it", 0);
}

static enum stepd_status invokes_one_that_declines(struct stepd_ctx *ctx)
{
    return invoke(ctx, "waits-decline", 0);
}

static enum stepd_status invokes_one_that_takes_long(struct stepd_ctx *ctx)
{
    return invoke(ctx, "waits-take-long", 300);
}

static enum stepd_status invokes_nobody(struct stepd_ctx *ctx)
{
    return invoke(ctx, "waits-nobody", 0);
}

/* ---- what a later event ends ------------------------------------------------------------------------ */

static enum stepd_status sleeps_long(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    STEPD_TRY(stepd_sleep(ctx, "long", 3600000));
    trace(ctx, "behind", "%s", "");
    return STEPD_OK;
}

STEPD_MODULE(.name = "waits", .functions = STEPD_FUNCTIONS(
                                  FUNCTION("an-event-ends-the-wait-that-it-matches", .run = waits),
                                  FUNCTION("a-wait-ends-with-nothing-once-its-time-is-over", .run = waits_in_vain),
                                  FUNCTION("a-condition-that-is-none-fails-the-run", .run = waits_by_nonsense),
                                  FUNCTION("an-expected-event-may-come-before-its-wait", .run = asks_before_it_waits,
                                           .expects = STEPD_EXPECTS({ .event = "conformance/expects-paid", .when = SAME_ID })),
                                  FUNCTION("an-invoked-functions-result-comes-back", .run = invokes),
                                  FUNCTION("an-invoked-functions-error-comes-back", .run = invokes_one_that_declines),
                                  FUNCTION("an-invoke-past-its-time-fails", .run = invokes_one_that_takes_long),
                                  FUNCTION("an-invoke-of-no-function-fails", .run = invokes_nobody),
                                  FUNCTION("a-later-event-cancels-the-run-that-it-matches", .run = sleeps_long,
                                           .cancel_on = STEPD_CANCEL_ON({ .event = "conformance/cancels-cancelled", .when = SAME_ID })),
                                  STEPD_FUNCTION(.id = "waits-double-it", .event = "conformance/by-nobody", .run = double_it),
                                  STEPD_FUNCTION(.id = "waits-decline", .event = "conformance/by-nobody", .run = decline),
                                  STEPD_FUNCTION(.id = "waits-take-long", .event = "conformance/by-nobody", .run = take_long)));

const struct scenario scenarios[] = {
    { .name = "an-event-ends-the-wait-that-it-matches",
      .events = EVENTS({ .data = "{\"id\":1}" }),
      .later = EVENTS({ .name = "conformance/waits-paid", .data = "{\"id\":2,\"n\":8}" },
                      { .name = "conformance/waits-paid", .data = "{\"id\":1,\"n\":9}" }),
      .trace = LINES("behind 0/5 an event"),
      .status = "completed",
      .output = "9" },
    { .name = "a-wait-ends-with-nothing-once-its-time-is-over",
      .trace = LINES("behind 0/5 nothing"),
      .status = "completed",
      .output = "\"nothing\"" },
    { .name = "a-condition-that-is-none-fails-the-run", .trace = LINES(NULL), .status = "failed", .error = "InvalidExpression" },
    { .name = "an-expected-event-may-come-before-its-wait",
      .events = EVENTS({ .data = "{\"id\":3}" }),
      .later = EVENTS({ .name = "conformance/expects-paid", .data = "{\"id\":4,\"n\":1}" },
                      { .name = "conformance/expects-paid", .data = "{\"id\":3,\"n\":2}" }),
      .later_when = "sleeping",
      .trace = LINES("behind 0/5 an event"),
      .status = "completed",
      .output = "2" },
    { .name = "an-invoked-functions-result-comes-back", .trace = LINES("behind 0/5 its result"), .status = "completed", .output = "42" },
    { .name = "an-invoked-functions-error-comes-back",
      .trace = LINES("behind 0/5 Declined"),
      .status = "failed",
      .error = "Declined: not today" },
    { .name = "an-invoke-past-its-time-fails", .trace = LINES("behind 0/5 InvokeTimeout"), .status = "failed", .error = "InvokeTimeout" },
    { .name = "an-invoke-of-no-function-fails",
      .trace = LINES("behind 0/5 NoSuchFunction"),
      .status = "failed",
      .error = "NoSuchFunction" },
    { .name = "a-later-event-cancels-the-run-that-it-matches",
      .events = EVENTS({ .data = "{\"id\":5}" }),
      .later = EVENTS({ .name = "conformance/cancels-cancelled", .data = "{\"id\":5}" }),
      .later_when = "sleeping",
      .trace = LINES("function 0/5"),
      .status = "cancelled" },
    { .name = NULL },
};
