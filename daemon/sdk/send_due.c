/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/send_due.h"

#include "run/awaited.h"
#include "sdk/call_request.h"
#include "sdk/gateway.h"
#include "sdk/request.h"

#define PLANS_BESIDE 2 /* from this version on an app is asked what comes next once all that is planned has ended */

static bool has_planned(const struct sdk_errand *errand)
{
    size_t own = branches_find(&errand->branches, THE_FUNCTION) != NULL;

    return errand->branches.count > own;
}

static void call_step(struct sdk_attempt *turn, struct branch *branch, int64_t now_ms)
{
    const struct request request = {
        .attempt = branch->attempt,
        .plans_alone = true,
        .version = turn->errand->version,
        .now_ms = now_ms,
    };

    branch->is_called = true;
    call_request_send(turn->ctx, turn->function, turn->errand, branch->name, &request);
}

static void call_function(struct sdk_attempt *turn, int64_t now_ms)
{
    const struct branches *branches = &turn->errand->branches;
    bool is_again = branches->count == 1 && branches->items[0].is_outside;
    int64_t until_ms;
    bool sleeps = sdk_attempt_next_waking_ms(turn, now_ms) != 0 || awaited_is_open(turn->ctx, &until_ms);
    const struct request request = {
        .attempt = is_again ? branches->items[0].attempt : turn->attempt,
        .plans_alone = (has_planned(turn->errand) && !is_again) || sleeps,
        .version = turn->errand->version,
        .now_ms = now_ms,
    };

    if (turn->errand->branches.count > 0 || sleeps)
        branches_add(&turn->errand->branches, THE_FUNCTION)->is_called = true;
    turn->errand->has_news = false;
    turn->errand->is_racing = false;
    turn->errand->is_looking = true;
    turn->errand->told_ms = now_ms;
    call_request_send(turn->ctx, turn->function, turn->errand, THE_FUNCTION, &request);
}

/* Whether the function is to be asked what comes next. */
static bool is_to_look(const struct sdk_attempt *turn, int64_t now_ms, bool is_lacking)
{
    const struct sdk_errand *errand = turn->errand;
    const struct branch *own = branches_find(&errand->branches, THE_FUNCTION);
    int64_t waking_ms = sdk_attempt_next_waking_ms(turn, errand->told_ms);
    bool has_woken = waking_ms != 0 && waking_ms <= now_ms;

    if (errand->is_looking)
        return false;
    if (own != NULL)
        return own->due_ms <= now_ms;
    return has_woken || is_lacking || (errand->has_news && (errand->is_racing || errand->version < PLANS_BESIDE || !has_planned(errand)));
}

static void call_out(struct sdk_attempt *turn, int64_t now_ms)
{
    struct branches *branches = &turn->errand->branches;
    bool is_lacking = false; /* the app has to say once more what it asks for */

    for (size_t i = 0; i < branches->count; i++) {
        struct branch *branch = &branches->items[i];
        if (branch->name[0] == '\0' || branch->is_called || branch->due_ms > now_ms)
            continue;
        if (!branch->is_outside)
            call_step(turn, branch, now_ms);
        else if (!gateway_send(turn, branch))
            is_lacking = true;
    }
    if (is_to_look(turn, now_ms, is_lacking))
        call_function(turn, now_ms);
}

/* When something is due that is not under way; 0: nothing is. */
static int64_t next_due(const struct sdk_attempt *turn, int64_t now_ms)
{
    const struct branches *branches = &turn->errand->branches;
    int64_t due_ms = sdk_attempt_next_waking_ms(turn, now_ms);

    for (size_t i = 0; i < branches->count; i++) {
        const struct branch *branch = &branches->items[i];
        if (!branch->is_called && branch->due_ms > now_ms && (due_ms == 0 || branch->due_ms < due_ms))
            due_ms = branch->due_ms;
    }
    return due_ms;
}

static enum stepd_status leave(struct sdk_attempt *turn, int64_t now_ms)
{
    int64_t due_ms = next_due(turn, now_ms), until_ms;

    STEPD_TRY(sdk_attempt_note_failure(turn));
    if (awaited_is_open(turn->ctx, &until_ms) && until_ms != WAIT_FOREVER_MS && (due_ms == 0 || until_ms < due_ms))
        due_ms = until_ms > now_ms ? until_ms : now_ms + 1;
    if (due_ms != 0)
        sdk_errand_wake(turn->errand, due_ms - now_ms);
    return context_leave_for(turn->ctx, &turn->errand->base);
}

enum stepd_status send_due_send(struct sdk_attempt *turn)
{
    int64_t now_ms = sdk_attempt_now_ms(turn);
    bool may_begin = !context_is_draining(turn->ctx);

    if (may_begin)
        call_out(turn, now_ms);
    if (sdk_errand_under_way(turn->errand) > 0)
        return leave(turn, now_ms);
    return may_begin ? ops_park(&turn->ops, turn->attempt, next_due(turn, now_ms)) : context_give_up(turn->ctx);
}

enum stepd_status send_due_call_anew(struct sdk_attempt *turn)
{
    return ops_park(&turn->ops, turn->attempt, sdk_attempt_now_ms(turn));
}
