/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/breaker.h"

#include <assert.h>

#include "engine/troubles.h"
#include "run/flow_ask.h"

/* Whether the run's breaker is open, as far as is known here; then `ask` is to be flow_ask_done(). */
static bool is_open(struct worker *worker, const struct run *run, struct flow_ask *ask)
{
    const struct function *function = run->function;
    struct breakers *breakers = &worker->dispatch->breakers;

    if (!function_has_breaker(function) || run->phase != RUN_IN_FUNCTION || run->turn != RUN_TURN_NONE)
        return false;
    if (!breakers_touch(breakers, function->id))
        return false;
    flow_ask_init_again(ask, function, run->event, context_now_ms(&worker->ctx));
    if (breakers_hold(breakers, function->id, flow_ask_key(ask, &ask->breaker))) {
        ask->is_held = true;
        return true;
    }
    flow_ask_done(ask);
    return false;
}

bool breaker_holds_message(struct worker *worker, int *ret_status)
{
    struct store *store = worker->ctx.store;
    const struct run *run = worker->run;
    enum flow_answer answer;
    struct flow_ask ask;

    assert(run->epoch == 0);
    if (function_is_lined(run->function) || !is_open(worker, run, &ask))
        return false;
    *ret_status = store->ops->admit(store, run, &ask, &answer);
    flow_ask_done(&ask);
    worker_look_at_clock(worker);
    return true;
}

bool breaker_holds_claimed(struct worker *worker, int *ret_status)
{
    struct store *store = worker->ctx.store;
    const struct run *run = worker->run;
    struct transition_reply reply;
    struct flow_ask ask;

    assert(run->epoch > 0);
    if (!is_open(worker, run, &ask))
        return false;
    const struct transition change = {
        .kind = TRANSITION_PARK,
        .status = RUN_DELAYED,
        .phase = run->phase,
        .attempt = run->attempt,
        .waits_in_line = true,
        .held_by = &ask,
    };
    *ret_status = store->ops->advance(store, run, &change, &reply);
    flow_ask_done(&ask);
    worker_look_at_clock(worker);
    return true;
}

/* Else nothing came of it that says how its function fares. */
static bool is_result(enum attempt_end end)
{
    return end == ATTEMPT_COMPLETED || end == ATTEMPT_RETRY || end == ATTEMPT_SLEEPING || end == ATTEMPT_WAITING ||
           end == ATTEMPT_PASSED_ON || end == ATTEMPT_FAILED || end == ATTEMPT_AWAY;
}

void breaker_hear(struct worker *worker, const struct run *run, const struct attempt_report *report)
{
    struct store *store = worker->ctx.store;
    bool is_over = run->turn == RUN_TURN_ALONE && report->end != ATTEMPT_AWAY;
    struct flow_ask ask;

    if (!function_has_breaker(run->function) || !is_result(report->end) || !(report->is_setback || is_over))
        return;
    flow_ask_init_again(&ask, run->function, run->event, context_now_ms(&worker->ctx));
    troubles_note(worker, run->function, &ask.troubles);
    const struct breaker_news news = {
        .key = flow_ask_key(&ask, &ask.breaker),
        .has_failed = report->is_setback,
        .attempt = report->failure != NULL ? report->failure->attempt : run->attempt,
    };
    (void)store->ops->tell_breaker(store, run, &news); /* that the daemon stops: another run will tell */
    flow_ask_done(&ask);
    worker_look_at_clock(worker);
}
