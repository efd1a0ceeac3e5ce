/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/sdk_attempt.h"

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

    return ops_is_alone(&turn->ops) && sdk_errand_under_way(turn->errand) == 0 && !awaited_is_open(turn->ctx, &until_ms);
}

enum stepd_status sdk_attempt_note_failure(struct sdk_attempt *turn)
{
    return ops_note_failure(&turn->ops, turn->attempt);
}
