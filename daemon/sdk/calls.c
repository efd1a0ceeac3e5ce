/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/calls.h"

#include <assert.h>

#include "run/attempt_log.h"
#include "run/awaited.h"
#include "run/checkpoints.h"
#include "sdk/end_events.h"
#include "sdk/sdk_attempt.h"
#include "sdk/send_due.h"
#include "sdk/take_results.h"

/* Something of it is planned, or sleeps. */
static bool is_pending(const struct sdk_attempt *turn)
{
    return turn->errand->branches.count > 0 || sdk_attempt_next_waking_ms(turn, sdk_attempt_now_ms(turn)) != 0;
}

/* It waited for an event, or for what it had invoked: that has come, or its time is over. */
static bool has_waited(const struct run *run)
{
    const struct checkpoint *checkpoint;
    size_t position;

    for (size_t i = 0; run->steps != NULL && (checkpoint = checkpoints_at(run->steps, i)) != NULL; i++) {
        if (checkpoint->kind == CHECKPOINT_WAITING && checkpoint->phase == run->phase &&
            checkpoints_find(run->steps, run->phase, checkpoint->id, &position)->kind != CHECKPOINT_WAITING)
            return true;
    }
    return false;
}

/* A run that begins, or that the store gave us: what is planned is in its tail. */
static void begin(struct sdk_attempt *turn)
{
    struct stepd_ctx *ctx = turn->ctx;
    const struct calls_settings *settings = turn->function->settings;
    struct sdk_errand *errand = sdk_errand_create(settings->http_pool, settings->open_calls);

    assert(ctx->run->errand == NULL);
    turn->errand = errand;
    ctx->run->errand = &errand->base;
    ctx->run->begun_ns = ctx->started_ns;
    ops_load_branches(ctx, &errand->branches);
    /* A daemon that died may have ended a step and asked nobody what follows. */
    errand->has_news = !is_pending(turn) || ctx->run->unclean > 0 || has_waited(ctx->run);
}

/* What it waits for may have come, or be over, while it was away. */
static enum stepd_status hear(struct sdk_attempt *turn)
{
    int64_t until_ms;
    bool has_news;

    bool is_over = awaited_is_open(turn->ctx, &until_ms) && until_ms <= sdk_attempt_now_ms(turn);
    if (!sdk_errand_has_heard(turn->errand) && !is_over)
        return STEPD_OK;
    STEPD_TRY(sdk_attempt_note_failure(turn));
    if (!awaited_take(turn->ctx, &has_news))
        return STEPD_SUSPENDED;
    turn->errand->has_news |= has_news;
    turn->errand->is_racing |= has_news;
    return STEPD_OK;
}

enum stepd_status calls_run(struct stepd_ctx *ctx)
{
    const struct sdk_function *function = stepd_options(ctx);
    struct sdk_attempt turn = { .ctx = ctx, .function = function, .attempt = ctx->run->attempt, .ops = { .ctx = ctx } };
    bool has_news;

    ctx->branches = (struct bytes){ 0 }; /* until run/ops keeps them with the next change */
    if (function->is_gone)
        return stepd_non_retriable(ctx, "FunctionGone", "its app no longer has function '%s'", function->slug);
    if (ctx->run->errand == NULL) {
        if (!awaited_take(ctx, &has_news))
            return STEPD_SUSPENDED;
        begin(&turn);
    }
    turn.errand = sdk_errand_of(ctx->run->errand);
    turn.ops.branches = &turn.errand->branches;
    if (sdk_errand_is_cancelled(turn.errand) && !context_may_go_on(ctx))
        return STEPD_SUSPENDED;
    STEPD_TRY(hear(&turn));
    STEPD_TRY(take_results(&turn));
    return turn.is_done ? end_events_tell_success(ctx) : send_due_send(&turn);
}

enum stepd_status calls_on_failure(struct stepd_ctx *ctx)
{
    return end_events_tell_failure(ctx);
}
