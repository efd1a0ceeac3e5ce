/* SPDX-License-Identifier: Apache-2.0 */
#include "run/beside.h"

#include "run/checkpoints.h"
#include "run/context.h"

int64_t beside_now_ms(const struct stepd_ctx *ctx)
{
    int64_t now_ms = context_now_ms(ctx);

    return now_ms > ctx->run->now_ms ? now_ms : ctx->run->now_ms;
}

bool beside_has_finished(const struct stepd_ctx *ctx, const char *id)
{
    const struct run *run = ctx->run;
    size_t position;

    return run->steps != NULL && checkpoints_find(run->steps, run->phase, id, &position) != NULL;
}

int64_t beside_next_waking_ms(const struct stepd_ctx *ctx, int64_t after_ms)
{
    const struct run *run = ctx->run;
    int64_t first_ms = 0;

    for (size_t i = 0; run->steps != NULL && i < checkpoints_count(run->steps); i++) {
        const struct checkpoint *checkpoint = checkpoints_at(run->steps, i);
        bool is_later = checkpoint->kind == CHECKPOINT_SLEEP && checkpoint->phase == run->phase && checkpoint->until_ms > after_ms;
        if (is_later && (first_ms == 0 || checkpoint->until_ms < first_ms))
            first_ms = checkpoint->until_ms;
    }
    return first_ms;
}
