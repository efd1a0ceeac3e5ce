/* SPDX-License-Identifier: Apache-2.0 */
#include "program/reply.h"

#include <math.h>
#include <string.h>

#include "base/array.h"
#include "codec/packed.h"
#include "run/context.h"
#include "run/failure.h"
#include "sdk/object.h"

#define ID_MOST 200
#define CENTURY_MS INT64_C(3155760000000)

static const msgpack_object nil = { .type = MSGPACK_OBJECT_NIL };

static const struct {
    const char *type;
    enum reply_kind kind;
} kinds[] = {
    { "step", REPLY_STEP },     { "steps", REPLY_STEPS },   { "sleep", REPLY_SLEEP }, { "send", REPLY_SEND },       { "wait", REPLY_WAIT },
    { "invoke", REPLY_INVOKE }, { "output", REPLY_OUTPUT }, { "error", REPLY_ERROR }, { "suspend", REPLY_SUSPEND },
};

/* NULL: there is no text of 1 to ID_MOST bytes without a NUL. */
static const char *text_read(struct stepd_ctx *ctx, const msgpack_object *map, const char *key)
{
    const msgpack_object *value = packed_find(map, key);

    if (value == NULL || value->type != MSGPACK_OBJECT_STR || value->via.str.size == 0 || value->via.str.size > ID_MOST ||
        memchr(value->via.str.ptr, '\0', value->via.str.size) != NULL)
        return NULL;
    return context_strdup(ctx, value->via.str.ptr, value->via.str.size);
}

/* What is said of an error; NULL: no text. */
static const char *words_read(struct stepd_ctx *ctx, const msgpack_object *map, const char *key)
{
    const msgpack_object *value = packed_find(map, key);

    if (value == NULL || value->type != MSGPACK_OBJECT_STR)
        return NULL;
    char *words = context_strdup(ctx, value->via.str.ptr, value->via.str.size);
    failure_blank_nuls(words, value->via.str.size);
    return words;
}

/* False: there is something that is no number. Nothing is `otherwise`, more than a century one. */
static bool ms_read(const msgpack_object *map, const char *key, int64_t otherwise, int64_t most, int64_t *ret_ms)
{
    const msgpack_object *value = packed_find(map, key);
    double ms;

    *ret_ms = otherwise;
    if (!object_is_given(value))
        return true;
    if (value->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        ms = (double)value->via.u64;
    else if (value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        ms = (double)value->via.i64;
    else if (value->type == MSGPACK_OBJECT_FLOAT64)
        ms = value->via.f64;
    else
        return false;
    if (isnan(ms))
        return false;
    *ret_ms = ms < 0 ? 0 : ms < (double)most ? (int64_t)ceil(ms) : most;
    return true;
}

static const char *error_read(struct stepd_ctx *ctx, const msgpack_object *object, struct reply_error *error)
{
    const msgpack_object *retriable = packed_find(object, "retriable");

    error->said.name = words_read(ctx, object, "name");
    error->said.message = words_read(ctx, object, "message");
    error->step_id = text_read(ctx, object, "step_id");
    error->said.is_retriable = retriable == NULL || retriable->type != MSGPACK_OBJECT_BOOLEAN || retriable->via.boolean;
    if (error->said.message == NULL)
        error->said.message = "";
    if (error->said.name == NULL || error->said.name[0] == '\0')
        return "an \"error\" is an object with a \"name\"";
    return ms_read(object, "retry_after_ms", -1, CENTURY_MS, &error->said.retry_after_ms)
               ? NULL
               : "\"retry_after_ms\" is a number of milliseconds";
}

static const char *step_read(struct stepd_ctx *ctx, const msgpack_object *object, struct reply_step *step)
{
    const msgpack_object *error = packed_find(object, "error");

    step->id = text_read(ctx, object, "id");
    step->has_failed = object_is_given(error);
    step->result = packed_find(object, "result");
    if (step->result == NULL)
        step->result = &nil;
    if (step->id == NULL)
        return "the \"id\" of a step is a text of 1 to 200 bytes";
    return step->has_failed ? error_read(ctx, error, &step->error) : NULL;
}

static const char *steps_read(struct stepd_ctx *ctx, const msgpack_object *line, struct reply *reply)
{
    const msgpack_object *list = packed_find(line, "steps");

    if (list == NULL || list->type != MSGPACK_OBJECT_ARRAY)
        return "\"steps\" is a list";
    reply->is_beside = true;
    reply->step_count = list->via.array.size;
    reply->steps = context_alloc(ctx, (reply->step_count + 1) * sizeof(*reply->steps));
    for (size_t i = 0; i < reply->step_count; i++) {
        const char *fault = step_read(ctx, &list->via.array.ptr[i], &reply->steps[i]);
        if (fault != NULL)
            return fault;
    }
    return NULL;
}

static const char *id_read(struct stepd_ctx *ctx, const msgpack_object *line, struct reply *reply)
{
    reply->id = text_read(ctx, line, "id");
    return reply->id != NULL ? NULL : "the \"id\" of a step is a text of 1 to 200 bytes";
}

static const char *sleep_read(struct stepd_ctx *ctx, const msgpack_object *line, struct reply *reply)
{
    if (!ms_read(line, "ms", -1, CENTURY_MS, &reply->ms) || !ms_read(line, "until_ms", -1, INT64_MAX / 2, &reply->until_ms) ||
        (reply->ms < 0 && reply->until_ms < 0))
        return "a \"sleep\" has \"ms\" or \"until_ms\", a number of milliseconds";
    return id_read(ctx, line, reply);
}

/* `send`, `wait` and `invoke`: a step, and a name under `key`. */
static const char *named_read(struct stepd_ctx *ctx, const msgpack_object *line, const char *key, struct reply *reply)
{
    const char *fault = id_read(ctx, line, reply);

    if (fault != NULL)
        return fault;
    reply->name = text_read(ctx, line, key);
    reply->when = words_read(ctx, line, "when");
    reply->data = packed_find(line, "data");
    if (reply->data == NULL)
        reply->data = &nil;
    if (reply->name == NULL)
        return "a name is a text of 1 to 200 bytes";
    return ms_read(line, "timeout_ms", 0, CENTURY_MS, &reply->ms) ? NULL : "\"timeout_ms\" is a number of milliseconds";
}

static const char *rest_read(struct stepd_ctx *ctx, const msgpack_object *line, struct reply *reply)
{
    switch (reply->kind) {
    case REPLY_STEP:
        reply->steps = context_alloc(ctx, sizeof(*reply->steps));
        reply->step_count = 1;
        return step_read(ctx, line, reply->steps);
    case REPLY_STEPS:
        return steps_read(ctx, line, reply);
    case REPLY_SLEEP:
        return sleep_read(ctx, line, reply);
    case REPLY_SEND:
        return named_read(ctx, line, "name", reply);
    case REPLY_WAIT:
        return named_read(ctx, line, "event", reply);
    case REPLY_INVOKE:
        return named_read(ctx, line, "function", reply);
    case REPLY_ERROR:
        return error_read(ctx, packed_find(line, "error"), &reply->error);
    case REPLY_OUTPUT:
        reply->data = packed_find(line, "output");
        if (reply->data == NULL)
            reply->data = &nil;
        return NULL;
    case REPLY_SUSPEND:
        return NULL;
    }
    return NULL;
}

const char *reply_read(struct stepd_ctx *ctx, const char *line, size_t size, struct reply *ret_reply)
{
    const msgpack_object *object = stepd_from_json(ctx, line, size);
    const msgpack_object *type = packed_find(object, "type");
    const msgpack_object *beside = packed_find(object, "beside");

    *ret_reply = (struct reply){ .is_beside = beside != NULL && beside->type == MSGPACK_OBJECT_BOOLEAN && beside->via.boolean };
    if (type == NULL)
        return "a line is a JSON object with a \"type\"";
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (!object_is_text(type, kinds[i].type))
            continue;
        ret_reply->kind = kinds[i].kind;
        return rest_read(ctx, object, ret_reply);
    }
    return "a line about a call has a \"type\" that is none";
}
