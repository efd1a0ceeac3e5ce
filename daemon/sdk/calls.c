/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/calls.h"

#include "run/attempts.h"
#include "sdk/arrivals.h"
#include "sdk/departures.h"
#include "sdk/ending.h"
#include "sdk/turn.h"

/* Something of it is planned, or sleeps. */
static bool is_pending(const struct turn *turn)
{
    return turn->errand->branches.count > 0 || turn_next_waking_ms(turn, turn_now_ms(turn)) != 0;
}

/* A run that begins, or that the store gave us: what is planned is in its tail. */
static void begin(struct turn *turn)
{
    struct stepd_ctx *ctx = turn->ctx;
    const struct calls_settings *settings = turn->function->settings;
    struct sdk_errand *errand = sdk_errand_create(settings->courier, settings->open_calls);

    turn->errand = errand;
    ctx->run->errand = &errand->base;
    ctx->run->begun_ns = ctx->started_ns;
    branches_load(&errand->branches, attempts_branches(ctx->run->tail));
    for (size_t i = errand->branches.count; i-- > 0;) {
        if (turn_has_finished(turn, errand->branches.items[i].name))
            branches_remove(&errand->branches, errand->branches.items[i].name);
    }
    /* A daemon that died may have ended a step and asked nobody what follows. */
    errand->has_news = !is_pending(turn) || ctx->run->unclean > 0;
}

enum stepd_status calls_run(struct stepd_ctx *ctx)
{
    const struct sdk_function *function = stepd_options(ctx);
    struct turn turn = { .ctx = ctx, .function = function, .attempt = ctx->run->attempt };

    ctx->branches = (struct bytes){ 0 }; /* until turn_keep_branches() */
    if (function->is_gone)
        return stepd_non_retriable(ctx, "FunctionGone", "its app no longer has function '%s'", function->slug);
    if (ctx->run->errand == NULL)
        begin(&turn);
    turn.errand = sdk_errand_of(ctx->run->errand);
    if (sdk_errand_is_cancelled(turn.errand) && !context_may_go_on(ctx))
        return STEPD_SUSPENDED;
    STEPD_TRY(arrivals_take(&turn));
    return turn.is_done ? ending_tell_success(ctx) : departures_send(&turn);
}

enum stepd_status calls_on_failure(struct stepd_ctx *ctx)
{
    return ending_tell_failure(ctx);
}
