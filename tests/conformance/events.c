/* SPDX-License-Identifier: Apache-2.0 */
/* What starts functions, what starts none, and events that functions send. */
#include "scenario.h"

static enum stepd_status sees_an_event(struct stepd_ctx *ctx)
{
    const struct stepd_event *event = stepd_event(ctx);

    trace(ctx, "function", "%s n=%d", event->name, (int)stepd_get_int(ctx, event->data, "n", -1));
    return STEPD_OK;
}

/* In a lane of its own: which of two functions comes first is not promised. */
static enum stepd_status sees_it_too(struct stepd_ctx *ctx)
{
    trace_as(ctx, "an-event-starts-several-functions", "other|function", "%s", stepd_event(ctx)->name);
    return STEPD_OK;
}

static enum stepd_status sees_bytes(struct stepd_ctx *ctx)
{
    const struct stepd_event *event = stepd_event(ctx);

    trace(ctx, "function", "%.*s, %s", (int)event->raw_len, (const char *)event->raw,
          event->data->type == MSGPACK_OBJECT_NIL ? "no data" : "data");
    return STEPD_OK;
}

static enum stepd_status is_never_run(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    return STEPD_OK;
}

/* ---- sending --------------------------------------------------------------------------------------- */

static enum stepd_status send_text(struct stepd_ctx *ctx, const char *id, const char *name, const char *text)
{
    msgpack_sbuffer data;
    msgpack_packer packer;

    msgpack_sbuffer_init(&data);
    msgpack_packer_init(&packer, &data, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 2);
    msgpack_pack_str_with_body(&packer, "scenario", strlen("scenario"));
    msgpack_pack_str_with_body(&packer, stepd_function_id(ctx), strlen(stepd_function_id(ctx)));
    msgpack_pack_str_with_body(&packer, "text", strlen("text"));
    msgpack_pack_str_with_body(&packer, text, strlen(text));
    enum stepd_status status = stepd_send_event(ctx, id, name, &data);
    msgpack_sbuffer_destroy(&data);
    return status;
}

static enum stepd_status hears(struct stepd_ctx *ctx)
{
    const struct stepd_event *event = stepd_event(ctx);

    trace_as(ctx, stepd_get_str(ctx, event->data, "scenario", "?"), "listener|heard", "%s", stepd_get_str(ctx, event->data, "text", "?"));
    return STEPD_OK;
}

static enum stepd_status sends(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    STEPD_TRY(send_text(ctx, "tell", "conformance/told", "once"));
    if (stepd_attempt(ctx) == 0)
        return stepd_error(ctx, "Boom", "behind what it sent");
    return STEPD_OK;
}

static enum stepd_status sends_nothing(struct stepd_ctx *ctx)
{
    trace(ctx, "function", "%s", "");
    return send_text(ctx, "tell", "", "never");
}

static enum stepd_status sends_its_id(struct stepd_ctx *ctx)
{
    return send_text(ctx, "tell", "conformance/identified", stepd_run_id(ctx));
}

static enum stepd_status hears_an_id(struct stepd_ctx *ctx)
{
    const struct stepd_event *event = stepd_event(ctx);
    char expected[100];

    (void)snprintf(expected, sizeof(expected), "%s-tell", stepd_get_str(ctx, event->data, "text", "?"));
    trace_as(ctx, stepd_get_str(ctx, event->data, "scenario", "?"), "listener|heard", "%s",
             strcmp(event->id, expected) == 0 ? "the id of its run and step" : event->id);
    return STEPD_OK;
}

STEPD_MODULE(.name = "events",
             .functions = STEPD_FUNCTIONS(
                 FUNCTION("an-events-name-starts-a-function", .run = sees_an_event),
                 STEPD_FUNCTION(.id = "a-prefix-starts-a-function", .event = "conformance/prefix.*", .run = sees_an_event),
                 STEPD_FUNCTION(.id = "an-event-starts-several-functions", .event = "conformance/several", .run = sees_an_event),
                 STEPD_FUNCTION(.id = "another-function", .event = "conformance/sever*", .run = sees_it_too),
                 STEPD_FUNCTION(.id = "a-topic-is-taken-whole", .topic = "raw", .run = sees_bytes),
                 FUNCTION("an-event-nobody-handles-is-skipped", .run = is_never_run),
                 FUNCTION("what-cannot-be-decoded-is-a-dead-letter", .run = is_never_run),
                 FUNCTION("what-is-too-large-is-a-dead-letter", .run = is_never_run),
                 FUNCTION("a-second-event-with-the-same-id-starts-nothing", .run = sees_an_event, .dedupe_ms = 600000),
                 FUNCTION("a-sent-event-is-sent-once", .run = sends), FUNCTION("an-event-without-a-name-is-not-sent", .run = sends_nothing),
                 STEPD_FUNCTION(.id = "listener", .event = "conformance/told", .run = hears),
                 FUNCTION("a-repeat-of-a-sent-event-can-be-told", .run = sends_its_id),
                 STEPD_FUNCTION(.id = "listener-for-ids", .event = "conformance/identified", .run = hears_an_id)));

#define TEN(text) text text text text text text text text text text
#define A_HUNDRED_THOUSAND_BYTES TEN(TEN(TEN(TEN(TEN("x")))))

const struct scenario scenarios[] = {
    { .name = "an-events-name-starts-a-function",
      .events = EVENTS({ .data = "{\"n\": 1}" }),
      .trace = LINES("function 0/5 conformance/an-events-name-starts-a-function n=1"),
      .status = "completed" },
    { .name = "a-prefix-starts-a-function",
      .events = EVENTS({ .name = "conformance/prefix.a", .key = "a" }, { .name = "conformance/prefix.", .key = "b" },
                       { .name = "conformance/prefix", .key = "c" }),
      .trace = LINES("a|function 0/5 conformance/prefix.a n=-1", "b|function 0/5 conformance/prefix. n=-1"),
      .status = "completed" },
    { .name = "an-event-starts-several-functions",
      .events = EVENTS({ .name = "conformance/several" }),
      .trace = LINES("function 0/5 conformance/several n=-1", "other|function 0/5 conformance/several"),
      .status = "completed" },
    { .name = "a-topic-is-taken-whole",
      .events = EVENTS({ .topic = "raw", .raw = "{no event" }),
      .trace = LINES("function 0/5 {no event, no data"),
      .status = "completed",
      .letters = LINES(NULL) },
    { .name = "an-event-nobody-handles-is-skipped",
      .events = EVENTS({ .name = "nobody/handles" }),
      .trace = LINES(NULL),
      .letters = LINES(NULL) },
    { .name = "what-cannot-be-decoded-is-a-dead-letter",
      .events = EVENTS({ .raw = "{\"name\": \"conformance/what-cannot-be-decoded-is-a-dead-letter\"" }),
      .trace = LINES(NULL),
      .letters = LINES("MalformedEvent 0") },
    { .name = "what-is-too-large-is-a-dead-letter",
      .events =
          EVENTS({ .raw = "{\"name\": \"conformance/what-is-too-large-is-a-dead-letter\", \"data\": \"" A_HUNDRED_THOUSAND_BYTES "\"}" }),
      .trace = LINES(NULL),
      .letters = LINES("EventTooLarge 0") },
    { .name = "a-second-event-with-the-same-id-starts-nothing",
      .events = EVENTS({ .id = "e1", .data = "{\"n\": 1}" }, { .id = "e1", .data = "{\"n\": 1}" }),
      .trace = LINES("function 0/5 conformance/a-second-event-with-the-same-id-starts-nothing n=1"),
      .status = "completed" },
    { .name = "a-sent-event-is-sent-once",
      .trace = LINES("function 0/5", "function 1/5", "listener|heard 0/5 once"),
      .status = "completed" },
    { .name = "an-event-without-a-name-is-not-sent",
      .trace = LINES("function 0/5"),
      .status = "failed",
      .error = "InvalidEvent: an event's name has 1 to 1000 bytes" },
    { .name = "a-repeat-of-a-sent-event-can-be-told",
      .trace = LINES("listener|heard 0/5 the id of its run and step"),
      .status = "completed" },
    { .name = NULL },
};
