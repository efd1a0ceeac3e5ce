/* SPDX-License-Identifier: Apache-2.0 */
#include "run/ops.h"

#include <assert.h>

#include "codec/number.h"
#include "run/attempt.h"
#include "run/attempt_log.h"
#include "run/awaited.h"
#include "run/beside.h"
#include "run/checkpoints.h"
#include "run/flow_ask.h"

void ops_load_branches(const struct stepd_ctx *ctx, struct branches *branches)
{
    assert(branches->count == 0);
    branches_load(branches, attempt_log_branches(ctx->run->tail));
    for (size_t i = branches->count; i-- > 0;) {
        if (beside_has_finished(ctx, branches->items[i].name))
            branches_remove(branches, branches->items[i].name);
    }
}

enum stepd_status ops_raise(struct stepd_ctx *ctx, const struct ops_error *error)
{
    assert(error->name != NULL && error->message != NULL);
    if (!error->is_retriable)
        return stepd_non_retriable(ctx, error->name, "%s", error->message);
    if (error->retry_after_ms >= 0)
        return stepd_retry_after(ctx, error->retry_after_ms, error->name, "%s", error->message);
    return stepd_error(ctx, error->name, "%s", error->message);
}

bool ops_is_waiting(const struct stepd_ctx *ctx, const char *id)
{
    const struct run *run = ctx->run;
    size_t position;
    const struct checkpoint *checkpoint = run->steps != NULL ? checkpoints_find(run->steps, run->phase, id, &position) : NULL;

    return checkpoint != NULL && checkpoint->kind == CHECKPOINT_WAITING;
}

bool ops_is_alone(const struct ops *ops)
{
    return ops->branches->count == 0 && beside_next_waking_ms(ops->ctx, beside_now_ms(ops->ctx)) == 0;
}

/* ---- beside others -------------------------------------------------------------------------------- */

enum stepd_status ops_note_failure(struct ops *ops, int attempt)
{
    int64_t due_ms = ops->failed_due_ms;

    assert(attempt >= 0);
    if (due_ms == 0)
        return STEPD_OK;
    ops->failed_due_ms = 0;
    branches_keep(ops->branches, ops->ctx);
    return attempt_note(ops->ctx, attempt, due_ms) ? STEPD_OK : STEPD_SUSPENDED;
}

enum stepd_status ops_settle_beside(struct ops *ops, int attempt, const char *id, stepd_step_fn settle, const void *arg, bool *ret_is_later)
{
    int64_t due_ms = 0;

    assert(attempt >= 0);
    *ret_is_later = false;
    STEPD_TRY(ops_note_failure(ops, attempt));
    struct branch *branch = branches_add(ops->branches, id);
    enum stepd_status status = beside_settle(ops->ctx, id, branch->attempt, settle, arg, &due_ms);
    if (due_ms != 0) {
        assert(status == STEPD_SUSPENDED && !context_is_decided(ops->ctx));
        branch->attempt++;
        branch->due_ms = due_ms;
        ops->failed_due_ms = due_ms;
        *ret_is_later = true;
        return STEPD_OK;
    }
    if (status != STEPD_SUSPENDED)
        branches_remove(ops->branches, id);
    return status;
}

enum stepd_status ops_fail_function(struct ops *ops, int *attempt)
{
    struct stepd_ctx *ctx = ops->ctx;
    const struct function *function = ctx->run->function;

    assert(*attempt >= 0);
    if (ctx->raised.kind != RAISED_RETRIABLE || *attempt >= flow_retries(function, ctx->raised.failure.name, function->retries))
        return STEPD_FAILED;
    const struct raised raised = context_take_raised(ctx);
    STEPD_TRY(ops_note_failure(ops, *attempt));
    context_set_part_raised(ctx, &raised);
    ops->failed_due_ms = raised_due_ms(&raised);
    if (ops->failed_due_ms == 0)
        ops->failed_due_ms = context_now_ms(ctx) + context_retry_delay_ms(ctx, raised.failure.name);
    ++*attempt;
    branches_add(ops->branches, "")->due_ms = ops->failed_due_ms;
    return STEPD_OK;
}

enum stepd_status ops_park(struct ops *ops, int attempt, int64_t due_ms)
{
    struct stepd_ctx *ctx = ops->ctx;
    int64_t until_ms;
    bool is_awaited = awaited_is_open(ctx, &until_ms);

    assert(due_ms >= 0);
    if (is_awaited && ops_note_failure(ops, attempt) != STEPD_OK)
        return STEPD_SUSPENDED;
    if (!is_awaited)
        until_ms = due_ms > 0 ? due_ms : 1;
    branches_keep(ops->branches, ctx);
    const struct transition park = {
        .kind = TRANSITION_PARK,
        .status = is_awaited                ? RUN_WAITING
                  : ops->failed_due_ms != 0 ? RUN_DELAYED
                                            : RUN_SLEEPING,
        .phase = ctx->run->phase,
        .attempt = attempt,
        .due_ms = due_ms > 0 && due_ms < until_ms ? due_ms : until_ms,
    };
    return context_park(ctx, &park);
}

/* ---- what has data -------------------------------------------------------------------------------- */

static void pack(msgpack_sbuffer *buffer, const msgpack_object *data)
{
    msgpack_packer packer;

    msgpack_sbuffer_init(buffer);
    msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
    number_pack(&packer, data);
}

enum stepd_status ops_send(struct stepd_ctx *ctx, const char *id, const char *event, const msgpack_object *data)
{
    msgpack_sbuffer packed;

    pack(&packed, data);
    enum stepd_status status = stepd_send_event(ctx, id, event, &packed);
    msgpack_sbuffer_destroy(&packed);
    return status;
}

enum stepd_status ops_invoke(struct stepd_ctx *ctx, const char *id, struct invoke_ask ask, const msgpack_object *data, bool parks)
{
    msgpack_sbuffer packed;

    pack(&packed, data);
    ask.data = (struct bytes){ packed.data, packed.size };
    enum stepd_status status = parks ? invoke_call(ctx, id, &ask, NULL) : invoke_beside(ctx, id, &ask);
    msgpack_sbuffer_destroy(&packed);
    return status;
}
