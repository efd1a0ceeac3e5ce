/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/turn.h"

#include "run/attempt.h"
#include "run/steps.h"

int64_t turn_now_ms(const struct turn *turn)
{
    int64_t now_ms = context_now_ms(turn->ctx);

    return now_ms > turn->ctx->run->now_ms ? now_ms : turn->ctx->run->now_ms;
}

bool turn_has_finished(const struct turn *turn, const char *step)
{
    const struct run *run = turn->ctx->run;
    size_t position;

    return run->steps != NULL && steps_find(run->steps, run->phase, step, &position) != NULL;
}

int64_t turn_next_waking_ms(const struct turn *turn, int64_t after_ms)
{
    const struct run *run = turn->ctx->run;
    int64_t first_ms = 0;

    for (size_t i = 0; run->steps != NULL && i < steps_count(run->steps); i++) {
        const struct checkpoint *checkpoint = steps_at(run->steps, i);
        bool is_later = checkpoint->kind == CHECKPOINT_SLEEP && checkpoint->phase == run->phase && checkpoint->until_ms > after_ms;
        if (is_later && (first_ms == 0 || checkpoint->until_ms < first_ms))
            first_ms = checkpoint->until_ms;
    }
    return first_ms;
}

bool turn_is_alone(const struct turn *turn)
{
    return turn->errand->branches.count == 0 && sdk_errand_under_way(turn->errand) == 0 && turn_next_waking_ms(turn, turn_now_ms(turn)) == 0;
}

void turn_keep_branches(struct turn *turn)
{
    branches_keep(&turn->errand->branches, turn->ctx);
}

enum stepd_status turn_note_failure(struct turn *turn)
{
    int64_t due_ms = turn->failed_due_ms;

    if (due_ms == 0)
        return STEPD_OK;
    turn->failed_due_ms = 0;
    turn_keep_branches(turn);
    return attempt_note(turn->ctx, turn->attempt, due_ms) ? STEPD_OK : STEPD_SUSPENDED;
}
