/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/request.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/array.h"
#include "base/memory.h"
#include "codec/json.h"
#include "codec/number.h"
#include "codec/packed.h"
#include "run/checkpoints.h"
#include "run/context.h"
#include "run/schedule.h"
#include "run/signal_wait.h"
#include "sdk/app.h"
#include "sdk/object.h"
#include "sdk/step_name.h"

#define VALUE_ZONE_SIZE 1024

/* ---- JSON ----------------------------------------------------------------------------------------- */

static void add(msgpack_sbuffer *body, const char *text)
{
    msgpack_sbuffer_write(body, text, strlen(text));
}

static void add_string(msgpack_sbuffer *body, const char *text)
{
    json_write_string(body, (struct bytes){ text, strlen(text) });
}

#define TICK_OF_INNGEST "inngest/scheduled.timer"
#define TIME_FORMAT "%Y-%m-%dT%H:%M:%SZ"

/* A tick of a schedule, as Inngest's server tells it. */
static void add_tick(msgpack_sbuffer *body, const struct stepd_event *event)
{
    AUTO_FREE char *cron = object_find_text(event->data, "cron");
    time_t at = (time_t)(event->ts_ms / 1000);
    struct tm utc;
    char when[32];

    (void)strftime(when, sizeof(when), TIME_FORMAT, gmtime_r(&at, &utc));
    AUTO_FREE char *rest = xasprintf(",\"fireAt\":\"%s\",\"scheduledAt\":\"%s\"},\"id\":\"%s\",\"name\":\"" TICK_OF_INNGEST
                                     "\",\"ts\":%" PRId64 ",\"user\":{}}",
                                     when, when, when, event->ts_ms);
    add(body, "{\"data\":{\"cron\":");
    add_string(body, cron != NULL ? cron : "");
    add(body, rest);
}

static void add_event(msgpack_sbuffer *body, const struct stepd_event *event)
{
    if (event->offset < 0 && strcmp(event->name, TICK_EVENT) == 0) {
        add_tick(body, event);
        return;
    }
    AUTO_FREE char *ts = xasprintf(",\"ts\":%" PRId64 ",\"user\":", event->ts_ms);

    add(body, "{\"data\":");
    if (object_is_given(event->data))
        json_write(body, event->data);
    else
        add(body, "{}");
    add(body, ",\"id\":");
    add_string(body, event->id);
    add(body, ",\"name\":");
    add_string(body, event->name);
    add(body, ts);
    if (object_is_given(event->user))
        json_write(body, event->user);
    else
        add(body, "{}");
    add(body, "}");
}

/* `,"data":` or `{"data":`, and the value. */
static void add_data(msgpack_sbuffer *body, const char *key, struct bytes value)
{
    msgpack_object object = { .type = MSGPACK_OBJECT_NIL };
    msgpack_zone zone;

    if (!msgpack_zone_init(&zone, VALUE_ZONE_SIZE))
        abort();
    if (value.size > 0)
        packed_build(value, &zone, &object);
    add(body, key);
    json_write(body, &object);
    msgpack_zone_destroy(&zone);
}

static void add_stack_of(msgpack_sbuffer *body, const struct failure *failure)
{
    AUTO_FREE char *stack = xasprintf("%s: %s", failure->name, failure->message);

    add(body, ",\"stack\":");
    add_string(body, stack);
}

/* As apps know the errors of invokes. */
static struct failure told_failure(const struct failure *failure)
{
    struct failure told = *failure;

    if (strcmp(failure->name, "InvokeTimeout") == 0) {
        (void)snprintf(told.name, sizeof(told.name), "InngestInvokeTimeoutError");
        (void)snprintf(told.message, sizeof(told.message), "Timed out waiting for invoked function to complete");
    }
    return told;
}

/* Beside its name and message only what a step of Go's gave with it is kept: where there is no such value the
 * SDKs want a stack, which is made of the two. */
static void add_error(msgpack_sbuffer *body, const struct checkpoint *checkpoint)
{
    const struct failure failure = told_failure(checkpoint->failure);

    add(body, "{\"error\":{\"message\":");
    add_string(body, failure.message);
    add(body, ",\"name\":");
    add_string(body, failure.name);
    if (checkpoint->value.size > 0)
        add_data(body, ",\"data\":", checkpoint->value);
    else
        add_stack_of(body, &failure);
    add(body, "}}");
}

static void add_value(msgpack_sbuffer *body, struct bytes value)
{
    add_data(body, "{\"data\":", value);
    add(body, "}");
}

/* Nil: it is not there. */
static const msgpack_object *member(const msgpack_object *map, const char *name)
{
    static const msgpack_object none = { .type = MSGPACK_OBJECT_NIL };
    const msgpack_object *found = packed_find(map, name);

    return found != NULL ? found : &none;
}

static void add_awaited_event(msgpack_sbuffer *body, const msgpack_object *event)
{
    static const char *const members[] = { "data", "id", "name", "ts", "user" };

    for (size_t i = 0; i < COUNT_OF(members); i++) {
        const msgpack_object *found = member(event, members[i]);
        add(body, i == 0 ? "{" : ",");
        add_string(body, members[i]);
        add(body, ":");
        if (found->type == MSGPACK_OBJECT_NIL && i == COUNT_OF(members) - 1)
            add(body, "{}");
        else
            json_write(body, found);
    }
    add(body, "}");
}

/* Its name and data are the event's data. */
static void add_signal(msgpack_sbuffer *body, const msgpack_object *event)
{
    add(body, "{\"data\":");
    json_write(body, member(event, "data"));
    add(body, "}");
}

/* The event that a wait was given, as the SDKs have events and signals; null: its time was over. */
static void add_awaited(msgpack_sbuffer *body, struct bytes value)
{
    msgpack_object event = { .type = MSGPACK_OBJECT_NIL };
    msgpack_zone zone;

    if (!msgpack_zone_init(&zone, VALUE_ZONE_SIZE))
        abort();
    if (value.size > 0)
        packed_build(value, &zone, &event);
    if (event.type != MSGPACK_OBJECT_MAP)
        add(body, "null");
    else if (object_is_text(member(&event, "name"), SIGNAL_EVENT))
        add_signal(body, &event);
    else
        add_awaited_event(body, &event);
    msgpack_zone_destroy(&zone);
}

/* Whether what it came to is what a wait for an event was given: that it waits stands before it. */
static bool is_of_wait(const struct checkpoints *steps, const struct checkpoint *checkpoint)
{
    const struct checkpoint *other;
    msgpack_object wish = { .type = MSGPACK_OBJECT_NIL };
    msgpack_zone zone;

    if (!msgpack_zone_init(&zone, 512))
        abort();
    for (size_t i = 0; (other = checkpoints_at(steps, i)) != NULL && other != checkpoint; i++) {
        if (other->kind == CHECKPOINT_WAITING && other->phase == checkpoint->phase && strcmp(other->id, checkpoint->id) == 0 &&
            other->value.size > 0)
            packed_build(other->value, &zone, &wish);
    }
    bool is_wait = member(&wish, "event")->type == MSGPACK_OBJECT_STR;
    msgpack_zone_destroy(&zone);
    return is_wait;
}

static void add_outcome(msgpack_sbuffer *body, const struct checkpoints *steps, const struct checkpoint *checkpoint)
{
    if (checkpoint->kind == CHECKPOINT_COMPLETED && is_of_wait(steps, checkpoint))
        add_awaited(body, checkpoint->value);
    else if (checkpoint->kind == CHECKPOINT_COMPLETED)
        add_value(body, checkpoint->value);
    else if (checkpoint->kind == CHECKPOINT_FAILED)
        add_error(body, checkpoint);
    else
        add(body, "null");
}

/* ---- the steps that are told ------------------------------------------------------------------------ */

struct told {
    const struct checkpoints *steps;
    const struct checkpoint **items;
    size_t count;
};

static bool is_told(const struct checkpoint *checkpoint, enum run_phase phase, int64_t now_ms)
{
    bool is_over = checkpoint->kind != CHECKPOINT_SLEEP || checkpoint->until_ms <= now_ms;

    return !checkpoint_is_begun(checkpoint) && checkpoint->phase == phase && is_over;
}

/* In the order in which they ended: sleeps are on record since they began. */
static void told_add(struct told *told, const struct checkpoint *checkpoint)
{
    size_t at = told->count++;

    for (; at > 0 && told->items[at - 1]->ended_ms > checkpoint->ended_ms; at--)
        told->items[at] = told->items[at - 1];
    told->items[at] = checkpoint;
}

/* Freed by told_done(). */
static struct told told_of(const struct checkpoints *steps, enum run_phase phase, int64_t now_ms)
{
    size_t count = steps != NULL ? checkpoints_count(steps) : 0;
    struct told told = { .steps = steps, .items = xcalloc(count + 1, sizeof(*told.items)) };

    for (size_t i = 0; i < count; i++) {
        const struct checkpoint *checkpoint = checkpoints_at(steps, i);
        if (is_told(checkpoint, phase, now_ms))
            told_add(&told, checkpoint);
    }
    return told;
}

static void told_done(struct told *told)
{
    free(told->items);
}

static void add_told(msgpack_sbuffer *body, const struct told *told)
{
    add(body, "{");
    for (size_t i = 0; i < told->count; i++) {
        if (i > 0)
            add(body, ",");
        add_string(body, step_name_hash(told->items[i]->id).text);
        add(body, ":");
        add_outcome(body, told->steps, told->items[i]);
    }
    add(body, "}");
}

static void add_stack(msgpack_sbuffer *body, const struct told *told)
{
    AUTO_FREE char *current = xasprintf("\"stack\":{\"current\":%zu,\"stack\":[", told->count);

    add(body, current);
    for (size_t i = 0; i < told->count; i++) {
        if (i > 0)
            add(body, ",");
        add_string(body, step_name_hash(told->items[i]->id).text);
    }
    add(body, "]}");
}

/* ---- a call's body ---------------------------------------------------------------------------------- */

static void add_uuid(msgpack_sbuffer *body, const char *uuid)
{
    add(body, ",\"fn_id\":\"");
    add(body, uuid);
    add(body, "\"");
}

/* Without these the SDKs tell of each step in their reply. */
static void add_token(msgpack_sbuffer *body, const struct request *request)
{
    AUTO_FREE char *ids =
        xasprintf(",\"generation_id\":%d,\"qi_id\":\"%s\",\"request_id\":\"%s\"", request->attempt + 1, request->token, request->token);

    add(body, ids);
}

static void add_context(struct stepd_ctx *ctx, const struct request *request, const struct told *told, msgpack_sbuffer *body)
{
    const struct sdk_function *function = stepd_options(ctx);
    AUTO_FREE char *start =
        xasprintf("{\"attempt\":%d,\"disable_immediate_execution\":%s,\"env\":\"\",\"max_attempts\":%d,\"run_id\":\"%s\"", request->attempt,
                  request->plans_alone ? "true" : "false", stepd_max_attempts(ctx), stepd_run_id(ctx));

    add(body, start);
    if (request->token != NULL || request->plans_alone) /* one without the other would make an SDK report in vain */
        add_uuid(body, function->uuid);
    if (request->token != NULL)
        add_token(body, request);
    add(body, ",");
    add_stack(body, told);
    add(body, ",\"step_id\":\"step\",\"use_api\":");
    add(body, request->leaves_state ? "true}" : "false}");
}

void request_write_events(const struct stepd_event *const *events, size_t count, msgpack_sbuffer *body)
{
    add(body, "[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            add(body, ",");
        add_event(body, events[i]);
    }
    add(body, "]");
}

static void add_events_of(struct stepd_ctx *ctx, msgpack_sbuffer *body)
{
    size_t count = stepd_event_count(ctx);
    AUTO_FREE const struct stepd_event **events = xcalloc(count, sizeof(*events));

    for (size_t i = 0; i < count; i++)
        events[i] = stepd_event_at(ctx, i);
    request_write_events(events, count, body);
}

void request_write_steps(const struct checkpoints *steps, enum run_phase phase, int64_t now_ms, msgpack_sbuffer *body)
{
    __attribute__((cleanup(told_done))) struct told told = told_of(steps, phase, now_ms);

    add_told(body, &told);
}

void request_write(struct stepd_ctx *ctx, const struct request *request, msgpack_sbuffer *body)
{
    const struct stepd_event *event = stepd_event(ctx);
    __attribute__((cleanup(told_done))) struct told told = told_of(ctx->run->steps, ctx->run->phase, request->now_ms);
    AUTO_FREE char *end = xasprintf(",\"use_api\":%s,\"version\":%d}", request->leaves_state ? "true" : "false",
                                    request->version > 0 ? request->version : -1);

    add(body, "{\"ctx\":");
    add_context(ctx, request, &told, body);
    add(body, ",\"event\":");
    add_event(body, event);
    add(body, ",\"events\":");
    if (request->leaves_state)
        add(body, "[]");
    else
        add_events_of(ctx, body);
    add(body, ",\"steps\":");
    if (request->leaves_state)
        add(body, "{}");
    else
        add_told(body, &told);
    add(body, end);
}

/* ---- msgpack -------------------------------------------------------------------------------------- */

static void pack_event(msgpack_packer *packer, const struct stepd_event *event)
{
    msgpack_pack_map(packer, 5);
    object_pack_text(packer, "id");
    object_pack_text(packer, event->id);
    object_pack_text(packer, "name");
    object_pack_text(packer, event->name);
    object_pack_text(packer, "data");
    number_pack(packer, event->data);
    object_pack_text(packer, "ts");
    msgpack_pack_int64(packer, event->ts_ms);
    object_pack_text(packer, "user");
    if (object_is_given(event->user))
        number_pack(packer, event->user);
    else
        msgpack_pack_map(packer, 0);
}

static void pack_error(msgpack_packer *packer, const struct stepd_error *error)
{
    AUTO_FREE char *stack = xasprintf("%s: %s", error->name, error->message);

    msgpack_pack_map(packer, 3);
    object_pack_text(packer, "name");
    object_pack_text(packer, error->name);
    object_pack_text(packer, "message");
    object_pack_text(packer, error->message);
    object_pack_text(packer, "stack");
    object_pack_text(packer, stack);
}

void request_write_end(struct stepd_ctx *ctx, const char *function, const struct stepd_error *error, const msgpack_sbuffer *result,
                       msgpack_sbuffer *data)
{
    const struct stepd_event *event = stepd_event(ctx);
    msgpack_packer packer;

    msgpack_packer_init(&packer, data, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 6);
    object_pack_text(&packer, "_inngest");
    msgpack_pack_map(&packer, 1);
    object_pack_text(&packer, "status");
    object_pack_text(&packer, error != NULL ? "Failed" : "Completed");
    object_pack_text(&packer, "function_id");
    object_pack_text(&packer, function);
    object_pack_text(&packer, "run_id");
    object_pack_text(&packer, stepd_run_id(ctx));
    object_pack_text(&packer, "event");
    pack_event(&packer, event);
    object_pack_text(&packer, "events");
    msgpack_pack_array(&packer, stepd_event_count(ctx));
    for (size_t i = 0; i < stepd_event_count(ctx); i++)
        pack_event(&packer, stepd_event_at(ctx, i));
    object_pack_text(&packer, error != NULL ? "error" : "result");
    if (error != NULL)
        pack_error(&packer, error);
    else if (result->size > 0)
        msgpack_sbuffer_write(data, result->data, result->size);
    else
        msgpack_pack_nil(&packer);
}
