/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/op_list.h"

#include <string.h>

#include "base/array.h"
#include "codec/packed.h"
#include "run/context.h"
#include "run/failure.h"
#include "sdk/object.h"

static const struct {
    const char *name;
    enum op_kind kind;
} kinds[] = {
    { "StepRun", OP_RESULT },        { "Step", OP_RESULT },   { "StepError", OP_ERROR },      { "StepFailed", OP_FAILED },
    { "StepPlanned", OP_PLANNED },   { "Sleep", OP_SLEEP },   { "RunComplete", OP_COMPLETE }, { "WaitForEvent", OP_WAIT },
    { "InvokeFunction", OP_INVOKE }, { "Gateway", OP_FETCH }, { "AIGateway", OP_MODEL },      { "AiGateway", OP_MODEL },
    { "WaitForSignal", OP_SIGNAL },
};

static const msgpack_object nil = { .type = MSGPACK_OBJECT_NIL };

/* As long as the attempt lasts; `otherwise` where there is no text. */
static const char *text_of(struct stepd_ctx *ctx, const msgpack_object *object, const char *otherwise)
{
    return object != NULL && object->type == MSGPACK_OBJECT_STR ? context_strdup(ctx, object->via.str.ptr, object->via.str.size)
                                                                : otherwise;
}

/* As text_of(), for what is said of an error. */
static const char *words_of(struct stepd_ctx *ctx, const msgpack_object *object)
{
    if (object == NULL || object->type != MSGPACK_OBJECT_STR)
        return "";
    char *words = context_strdup(ctx, object->via.str.ptr, object->via.str.size);
    failure_blank_nuls(words, object->via.str.size);
    return words;
}

static enum op_kind kind_of(const msgpack_object *name)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (object_is_text(name, kinds[i].name))
            return kinds[i].kind;
    }
    return OP_UNKNOWN;
}

void op_error_read(struct stepd_ctx *ctx, int http_status, const msgpack_object *object, struct op_error *ret_error)
{
    const char *name = words_of(ctx, packed_find(object, "name"));
    const char *message = words_of(ctx, packed_find(object, "message"));

    if (http_status == 0 && object != NULL && object->type != MSGPACK_OBJECT_MAP) /* a step may throw anything */
        message = text_of(ctx, object, stepd_to_json(ctx, object));
    bool is_told = name[0] != '\0' || message[0] != '\0';

    if (!is_told && http_status != 0)
        message = stepd_to_json(ctx, object != NULL ? object : &nil);
    ret_error->name = name[0] != '\0' ? name : is_told || http_status == 0 ? "Error" : "CallRefused";
    ret_error->message = message;
    ret_error->data = packed_find(object, "data");
}

/* A sleep's duration or date stands in its options, or is what the step is called. */
static const char *duration_of(struct stepd_ctx *ctx, const msgpack_object *object)
{
    const msgpack_object *duration = packed_find(packed_find(object, "opts"), "duration");

    return text_of(ctx, duration, text_of(ctx, packed_find(object, "name"), ""));
}

static void wait_read(struct stepd_ctx *ctx, const msgpack_object *object, struct op *op)
{
    const msgpack_object *opts = packed_find(object, "opts");

    op->event = text_of(ctx, packed_find(object, "name"), text_of(ctx, packed_find(opts, "event"), ""));
    op->when = text_of(ctx, packed_find(opts, "if"), "");
    op->when = op->when[0] != '\0' ? op->when : NULL;
    op->timeout = text_of(ctx, packed_find(opts, "timeout"), "");
}

/* Any other word on conflicts, and none, lets it fail, as on Inngest's server. */
static void signal_read(struct stepd_ctx *ctx, const msgpack_object *object, struct op *op)
{
    const msgpack_object *opts = packed_find(object, "opts");

    op->event = text_of(ctx, packed_find(opts, "signal"), text_of(ctx, packed_find(object, "name"), ""));
    op->timeout = text_of(ctx, packed_find(opts, "timeout"), "");
    op->replaces = object_is_text(packed_find(opts, "conflict"), "replace");
}

/* What another function is invoked with stands in its options. */
static void invoke_read(struct stepd_ctx *ctx, const msgpack_object *object, struct op *op)
{
    const msgpack_object *options = packed_find(object, "opts");
    const msgpack_object *data = packed_find(packed_find(options, "payload"), "data");

    op->function_id = text_of(ctx, packed_find(options, "function_id"), "");
    op->timeout = text_of(ctx, packed_find(options, "timeout"), "");
    op->data = data != NULL ? data : &nil;
}

static bool op_read(struct stepd_ctx *ctx, const msgpack_object *object, struct op *op)
{
    const msgpack_object *hash = packed_find(object, "id");
    const msgpack_object *author = packed_find(object, "userland");
    const msgpack_object *data = packed_find(object, "data");

    if (hash == NULL || hash->type != MSGPACK_OBJECT_STR || hash->via.str.size == 0)
        return false;
    const char *hash_text = text_of(ctx, hash, "");
    const char *author_id = text_of(ctx, packed_find(author, "id"), text_of(ctx, packed_find(object, "displayName"), NULL));
    step_name_of(hash_text, author_id, object_int(packed_find(author, "index"), 0), op->name);
    op->hash = step_name_hash(op->name);
    op->kind = kind_of(packed_find(object, "op"));
    op->data = data != NULL ? data : &nil;
    op->options = packed_find(object, "opts");
    op->duration = op->kind == OP_SLEEP ? duration_of(ctx, object) : text_of(ctx, packed_find(object, "op"), "");
    op->races = object_is_text(packed_find(packed_find(object, "opts"), "parallelMode"), "race");
    if (op->kind == OP_WAIT)
        wait_read(ctx, object, op);
    if (op->kind == OP_SIGNAL)
        signal_read(ctx, object, op);
    op_error_read(ctx, 0, packed_find(object, "error"), &op->error);
    if (op->kind == OP_INVOKE)
        invoke_read(ctx, object, op);
    return true;
}

void op_list_read(struct stepd_ctx *ctx, const msgpack_object *body, struct op_list *ret_ops)
{
    ret_ops->count = 0;
    if (body->type != MSGPACK_OBJECT_ARRAY)
        return;
    ret_ops->items = context_alloc(ctx, (body->via.array.size + 1) * sizeof(*ret_ops->items));
    for (uint32_t i = 0; i < body->via.array.size; i++)
        ret_ops->count += op_read(ctx, &body->via.array.ptr[i], &ret_ops->items[ret_ops->count]);
}
