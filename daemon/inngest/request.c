/* SPDX-License-Identifier: Apache-2.0 */
#include "inngest/request.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "core/context.h"
#include "core/json.h"
#include "core/steps.h"
#include "inngest/object.h"
#include "inngest/step_name.h"

/* ---- JSON ----------------------------------------------------------------------------------------- */

static void add(msgpack_sbuffer *body, const char *text)
{
    msgpack_sbuffer_write(body, text, strlen(text));
}

static void add_string(msgpack_sbuffer *body, const char *text)
{
    json_write_string(body, (struct bytes){ text, strlen(text) });
}

static void add_event(msgpack_sbuffer *body, const struct stepd_event *event)
{
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

/* Its own and its kind's text is all that is kept of an error: the stack is made of it. */
static void add_error(msgpack_sbuffer *body, const struct failure *failure)
{
    AUTO_FREE char *stack = xasprintf("%s: %s", failure->name, failure->message);

    add(body, "{\"error\":{\"message\":");
    add_string(body, failure->message);
    add(body, ",\"name\":");
    add_string(body, failure->name);
    add(body, ",\"stack\":");
    add_string(body, stack);
    add(body, "}}");
}

static void add_value(struct stepd_ctx *ctx, msgpack_sbuffer *body, struct bytes value)
{
    msgpack_object object = { .type = MSGPACK_OBJECT_NIL };

    if (value.size > 0)
        packed_build(value, ctx->zone, &object);
    ctx->zone_is_used = true;
    add(body, "{\"data\":");
    json_write(body, &object);
    add(body, "}");
}

static size_t step_count(const struct stepd_ctx *ctx)
{
    return ctx->run->steps != NULL ? steps_count(ctx->run->steps) : 0;
}

static bool is_told(const struct stepd_ctx *ctx, const struct checkpoint *checkpoint)
{
    return checkpoint->kind != CHECKPOINT_STARTED && checkpoint->phase == ctx->run->phase;
}

static void add_steps(struct stepd_ctx *ctx, msgpack_sbuffer *body)
{
    const char *comma = "";

    add(body, "{");
    for (size_t i = 0; i < step_count(ctx); i++) {
        const struct checkpoint *checkpoint = steps_at(ctx->run->steps, i);
        if (!is_told(ctx, checkpoint))
            continue;
        add(body, comma);
        comma = ",";
        add_string(body, step_name_hash(checkpoint->id).text);
        add(body, ":");
        if (checkpoint->kind == CHECKPOINT_COMPLETED)
            add_value(ctx, body, checkpoint->value);
        else if (checkpoint->kind == CHECKPOINT_FAILED)
            add_error(body, checkpoint->failure);
        else
            add(body, "null");
    }
    add(body, "}");
}

/* The steps in the order in which they ended. */
static void add_stack(struct stepd_ctx *ctx, msgpack_sbuffer *body)
{
    size_t count = 0;

    add(body, "\"stack\":{\"stack\":[");
    for (size_t i = 0; i < step_count(ctx); i++) {
        const struct checkpoint *checkpoint = steps_at(ctx->run->steps, i);
        if (!is_told(ctx, checkpoint))
            continue;
        if (count++ > 0)
            add(body, ",");
        add_string(body, step_name_hash(checkpoint->id).text);
    }
    AUTO_FREE char *current = xasprintf("],\"current\":%zu}", count);
    add(body, current);
}

/* Without fn_id the SDKs report each step in its reply, not by a request of its own. */
static void add_context(struct stepd_ctx *ctx, bool is_targeted, msgpack_sbuffer *body)
{
    AUTO_FREE char *start =
        xasprintf("{\"attempt\":%d,\"max_attempts\":%d,\"disable_immediate_execution\":%s,\"env\":\"\",\"run_id\":\"%s\",",
                  stepd_attempt(ctx), stepd_max_attempts(ctx), is_targeted ? "true" : "false", stepd_run_id(ctx));

    add(body, start);
    add_stack(ctx, body);
    add(body, ",\"step_id\":\"step\",\"use_api\":false}");
}

void request_write(struct stepd_ctx *ctx, bool is_targeted, msgpack_sbuffer *body)
{
    const struct stepd_event *event = stepd_event(ctx);

    add(body, "{\"ctx\":");
    add_context(ctx, is_targeted, body);
    add(body, ",\"event\":");
    add_event(body, event);
    add(body, ",\"events\":[");
    add_event(body, event);
    add(body, "],\"steps\":");
    add_steps(ctx, body);
    add(body, ",\"use_api\":false,\"version\":-1}");
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
    msgpack_pack_object(packer, *event->data);
    object_pack_text(packer, "ts");
    msgpack_pack_int64(packer, event->ts_ms);
    object_pack_text(packer, "user");
    if (object_is_given(event->user))
        msgpack_pack_object(packer, *event->user);
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
    msgpack_pack_array(&packer, 1);
    pack_event(&packer, event);
    object_pack_text(&packer, error != NULL ? "error" : "result");
    if (error != NULL)
        pack_error(&packer, error);
    else if (result->size > 0)
        msgpack_sbuffer_write(data, result->data, result->size);
    else
        msgpack_pack_nil(&packer);
}
