/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/sdk_attempt.h"

#include <assert.h>

#include "run/attempt.h"
#include "run/awaited.h"
#include "run/beside.h"

int64_t sdk_attempt_now_ms(const struct sdk_attempt *turn)
{
    return beside_now_ms(turn->ctx);
}

bool sdk_attempt_has_finished(const struct sdk_attempt *turn, const char *step)
{
    return beside_has_finished(turn->ctx, step);
}

int64_t sdk_attempt_next_waking_ms(const struct sdk_attempt *turn, int64_t after_ms)
{
    return beside_next_waking_ms(turn->ctx, after_ms);
}

bool sdk_attempt_is_alone(const struct sdk_attempt *turn)
{
    int64_t until_ms;

    return turn->errand->branches.count == 0 && sdk_errand_under_way(turn->errand) == 0 &&
           sdk_attempt_next_waking_ms(turn, sdk_attempt_now_ms(turn)) == 0 && !awaited_is_open(turn->ctx, &until_ms);
}

void sdk_attempt_keep_branches(struct sdk_attempt *turn)
{
    branches_keep(&turn->errand->branches, turn->ctx);
}

enum stepd_status sdk_attempt_note_failure(struct sdk_attempt *turn)
{
    int64_t due_ms = turn->failed_due_ms;

    assert(turn->attempt >= 0);
    if (due_ms == 0)
        return STEPD_OK;
    turn->failed_due_ms = 0;
    sdk_attempt_keep_branches(turn);
    return attempt_note(turn->ctx, turn->attempt, due_ms) ? STEPD_OK : STEPD_SUSPENDED;
}
