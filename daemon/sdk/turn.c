/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/turn.h"

#include "run/attempt.h"
#include "run/beside.h"

int64_t turn_now_ms(const struct turn *turn)
{
    return beside_now_ms(turn->ctx);
}

bool turn_has_finished(const struct turn *turn, const char *step)
{
    return beside_has_finished(turn->ctx, step);
}

int64_t turn_next_waking_ms(const struct turn *turn, int64_t after_ms)
{
    return beside_next_waking_ms(turn->ctx, after_ms);
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
