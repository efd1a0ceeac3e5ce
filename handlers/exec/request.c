/* SPDX-License-Identifier: Apache-2.0 */
#include "request.h"

#include <math.h>
#include <string.h>

#include "common/text.h"

#define ID_MAX 200
#define NAME_MAX_SIZE 200
#define CENTURY_MS INT64_C(3153600000000)
#define KEYS_MAX 4

/* Exactly these keys make a line of that kind; the first `needed` can't be left out. */
static const struct form {
    enum request_kind kind;
    size_t needed;
    const char *keys[KEYS_MAX + 1];
} FORMS[] = {
    { REQUEST_STEP, 1, { "step" } },
    { REQUEST_RESULT, 2, { "step", "result" } },
    { REQUEST_ERROR, 2, { "step", "error" } },
    { REQUEST_SLEEP, 2, { "sleep", "ms" } },
    { REQUEST_SEND, 2, { "send", "name", "data" } },
    { REQUEST_OUTPUT, 1, { "output" } },
    { REQUEST_INVOKE, 2, { "invoke", "function", "data", "timeout_ms" } },
    { REQUEST_WAIT, 2, { "wait", "event", "when", "timeout_ms" } },
    { REQUEST_STEPS, 1, { "steps" } },
    { REQUEST_SUSPEND, 1, { "suspend" } },
};
static const struct form ERROR_FORM = { REQUEST_ERROR, 1, { "name", "message", "retriable", "retry_after_ms" } };

static bool is_key(const msgpack_object *key, const char *name)
{
    return key->type == MSGPACK_OBJECT_STR && key->via.str.size == strlen(name) && memcmp(key->via.str.ptr, name, key->via.str.size) == 0;
}

static bool form_has(const struct form *form, const msgpack_object *key)
{
    for (const char *const *at = form->keys; *at != NULL; at++) {
        if (is_key(key, *at))
            return true;
    }
    return false;
}

static bool form_fits(struct stepd_ctx *ctx, const struct form *form, const msgpack_object *map)
{
    for (size_t i = 0; i < form->needed; i++) {
        if (stepd_get(ctx, map, form->keys[i]) == NULL)
            return false;
    }
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        if (!form_has(form, &map->via.map.ptr[i].key))
            return false;
    }
    return true;
}

static const struct form *form_find(struct stepd_ctx *ctx, const msgpack_object *map)
{
    for (size_t i = 0; i < sizeof(FORMS) / sizeof(FORMS[0]); i++) {
        if (form_fits(ctx, &FORMS[i], map))
            return &FORMS[i];
    }
    return NULL;
}

/* 1 to `most` bytes without a NUL. */
static bool text_read(struct stepd_ctx *ctx, const msgpack_object *map, const char *key, size_t most, const char **ret_text)
{
    const msgpack_object *value = stepd_get(ctx, map, key);

    *ret_text = stepd_get_str(ctx, map, key, NULL);
    return *ret_text != NULL && value->via.str.size > 0 && value->via.str.size <= most && strlen(*ret_text) == value->via.str.size;
}

/* More than a century is one, as in C. */
static bool delay_read(struct stepd_ctx *ctx, const msgpack_object *map, const char *key, int64_t *ret_ms)
{
    double ms = stepd_get_double(ctx, map, key, -1);

    if (isnan(ms) || ms < 0)
        return false;
    *ret_ms = ms < (double)CENTURY_MS ? (int64_t)ceil(ms) : CENTURY_MS;
    return true;
}

/* True for a text that fits, but for its end that is cut. */
static bool words_read(const msgpack_object *value, char *ret_words, size_t room)
{
    if (value == NULL || value->type != MSGPACK_OBJECT_STR)
        return false;
    text_copy(value->via.str.ptr, value->via.str.size, ret_words, room);
    return true;
}

static const char *error_read(struct stepd_ctx *ctx, const msgpack_object *error, struct request *request)
{
    const msgpack_object *retriable = stepd_get(ctx, error, "retriable");

    if (error->type != MSGPACK_OBJECT_MAP || !form_fits(ctx, &ERROR_FORM, error))
        return "\"error\" is {\"name\", \"message\", \"retriable\", \"retry_after_ms\"}, of which only \"name\" must be there";
    const msgpack_object *name = stepd_get(ctx, error, "name");
    if (!words_read(name, request->error_name, sizeof(request->error_name)) || name->via.str.size == 0 ||
        name->via.str.size > NAME_MAX_SIZE)
        return "\"name\" of an error is a text of 1 to 200 bytes";
    (void)words_read(stepd_get(ctx, error, "message"), request->message, sizeof(request->message));
    if (retriable != NULL && retriable->type != MSGPACK_OBJECT_BOOLEAN)
        return "\"retriable\" is true or false";
    request->is_retriable = retriable == NULL || retriable->via.boolean;
    if (stepd_get(ctx, error, "retry_after_ms") != NULL && !delay_read(ctx, error, "retry_after_ms", &request->retry_after_ms))
        return "\"retry_after_ms\" is a number of milliseconds";
    return NULL;
}

static const char *wait_read(struct stepd_ctx *ctx, const msgpack_object *map, struct request *request)
{
    const msgpack_object *when = stepd_get(ctx, map, "when");
    const msgpack_object *timeout = stepd_get(ctx, map, "timeout_ms");

    if (!text_read(ctx, map, "event", NAME_MAX_SIZE, &request->name))
        return "\"event\" of a wait is a text of 1 to 200 bytes";
    request->when = stepd_get_str(ctx, map, "when", NULL);
    if (when != NULL && when->type != MSGPACK_OBJECT_NIL && request->when == NULL)
        return "\"when\" of a wait is a text";
    if (timeout != NULL && timeout->type != MSGPACK_OBJECT_NIL && !delay_read(ctx, map, "timeout_ms", &request->delay_ms))
        return "\"timeout_ms\" is a number of milliseconds";
    return NULL;
}

static const char *invoke_read(struct stepd_ctx *ctx, const msgpack_object *map, struct request *request)
{
    const msgpack_object *timeout = stepd_get(ctx, map, "timeout_ms");

    request->value = stepd_get(ctx, map, "data");
    if (!text_read(ctx, map, "function", NAME_MAX_SIZE, &request->name))
        return "\"function\" of an invoke is a text of 1 to 200 bytes";
    if (timeout != NULL && timeout->type != MSGPACK_OBJECT_NIL && !delay_read(ctx, map, "timeout_ms", &request->delay_ms))
        return "\"timeout_ms\" is a number of milliseconds";
    return NULL;
}

static const char *rest_read(struct stepd_ctx *ctx, const msgpack_object *map, struct request *request)
{
    switch (request->kind) {
    case REQUEST_STEP:
        return NULL;
    case REQUEST_RESULT:
        request->value = stepd_get(ctx, map, "result");
        return NULL;
    case REQUEST_OUTPUT:
        request->value = stepd_get(ctx, map, "output");
        return NULL;
    case REQUEST_ERROR:
        return error_read(ctx, stepd_get(ctx, map, "error"), request);
    case REQUEST_SLEEP:
        return delay_read(ctx, map, "ms", &request->delay_ms) ? NULL : "\"ms\" is a number of milliseconds";
    case REQUEST_SEND:
        request->value = stepd_get(ctx, map, "data");
        return text_read(ctx, map, "name", NAME_MAX_SIZE, &request->name) ? NULL : "\"name\" of an event is a text of 1 to 200 bytes";
    case REQUEST_INVOKE:
        return invoke_read(ctx, map, request);
    case REQUEST_WAIT:
        return wait_read(ctx, map, request);
    case REQUEST_SUSPEND:
        return NULL;
    case REQUEST_STEPS:
        request->value = stepd_get(ctx, map, "steps");
        return NULL;
    }
    return NULL;
}

static bool has_id(enum request_kind kind)
{
    return kind != REQUEST_OUTPUT && kind != REQUEST_STEPS && kind != REQUEST_SUSPEND;
}

static const char *one_read(struct stepd_ctx *ctx, const msgpack_object *map, struct request *ret_request)
{
    const struct form *form = map->type == MSGPACK_OBJECT_MAP ? form_find(ctx, map) : NULL;

    if (form == NULL)
        return "a line is {\"step\"}, {\"step\", \"result\"}, {\"step\", \"error\"}, {\"sleep\", \"ms\"}, "
               "{\"send\", \"name\", \"data\"}, {\"wait\", \"event\", \"when\", \"timeout_ms\"}, "
               "{\"invoke\", \"function\", \"data\", \"timeout_ms\"}, {\"steps\"}, {\"suspend\"} or {\"output\"}, this is none";
    *ret_request = (struct request){ .kind = form->kind, .retry_after_ms = -1 };
    if (has_id(form->kind) && !text_read(ctx, map, form->keys[0], ID_MAX, &ret_request->id))
        return "the id of a step is a text of 1 to 200 bytes";
    return rest_read(ctx, map, ret_request);
}

static const char *list_check(struct stepd_ctx *ctx, const msgpack_object *list)
{
    struct request request;

    if (list->type != MSGPACK_OBJECT_ARRAY || list->via.array.size == 0)
        return "\"steps\" is a list of steps that are asked for, one at least";
    for (uint32_t i = 0; i < list->via.array.size; i++) {
        const char *fault = one_read(ctx, &list->via.array.ptr[i], &request);
        if (fault != NULL)
            return fault;
        if (!has_id(request.kind) || request.kind == REQUEST_RESULT || request.kind == REQUEST_ERROR)
            return "\"steps\" lists {\"step\"}, {\"sleep\"}, {\"send\"}, {\"wait\"} and {\"invoke\"} alone";
    }
    return NULL;
}

const char *request_read(struct stepd_ctx *ctx, const char *line, size_t size, struct request *ret_request)
{
    const msgpack_object *map = stepd_from_json(ctx, line, size);

    if (map == NULL)
        return "a line is one JSON object, this is no JSON";
    const char *fault = one_read(ctx, map, ret_request);
    return fault == NULL && ret_request->kind == REQUEST_STEPS ? list_check(ctx, ret_request->value) : fault;
}

size_t request_count(const struct request *steps)
{
    return steps->value->via.array.size;
}

void request_at(struct stepd_ctx *ctx, const struct request *steps, size_t index, struct request *ret_request)
{
    (void)one_read(ctx, &steps->value->via.array.ptr[index], ret_request);
}
