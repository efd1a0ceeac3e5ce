/* SPDX-License-Identifier: Apache-2.0 */
/* Attempts that did not end by themselves: past their timeout, or their code took its process with it. */
#include <assert.h>

#include "base/clock.h"
#include "run/attempt_internal.h"
#include "run/branches.h"
#include "run/checkpoints.h"
#include "run/flow_ask.h"

/* It counts in the branch alone, which waits; what else is to be tried goes on at once. */
static void retry_branch(struct stepd_ctx *ctx, const struct step_call *step, int64_t delay_ms)
{
    struct branches kept;

    assert(delay_ms >= 0);
    assert(step->is_beside);
    branches_load(&kept, ctx->branches);
    struct branch *branch = branches_add(&kept, step->id);
    branch->attempt = step->attempt + 1;
    branch->due_ms = context_now_ms(ctx) + delay_ms;
    branches_keep(&kept, ctx);
    branches_done(&kept);
}

/* At most once: nobody knows what became of it, so it is not tried again. */
static bool has_a_try_left(const struct stepd_ctx *ctx, const struct step_call *step, const struct stepd_error_policy *policy)
{
    int attempt = step->is_beside ? step->attempt : ctx->run->attempt;
    int retries = policy != NULL ? policy->retries : step->retries;

    return attempt < retries && !step->is_at_most_once;
}

/* In one change: what the step's retries, or the function's, say. What is to go on does so in an
 * attempt of its own. */
static void fail_step(struct stepd_ctx *ctx, const struct step_call *step, struct transition *change)
{
    struct checkpoint checkpoint = {
        .id = step->id,
        .kind = CHECKPOINT_FAILED,
        .phase = ctx->run->phase,
        .executions = step->executions,
        .started_ms = step->started_ms,
        .ended_ms = context_now_ms(ctx),
        .failure = &ctx->step_raised.failure,
    };

    assert(ctx->step_raised.kind != RAISED_NOTHING);
    change->position = step->position;
    const struct stepd_error_policy *policy = flow_error_policy(ctx->run->function, ctx->step_raised.failure.name);
    int64_t delay_ms = policy != NULL ? context_retry_delay_ms(ctx, ctx->step_raised.failure.name) : step->retry_delay_ms;
    bool is_tried_again = has_a_try_left(ctx, step, policy);
    if (step->is_beside) {
        change->position = ctx->run->steps != NULL ? checkpoints_count(ctx->run->steps) : 0; /* others may have ended meanwhile */
        change->attempt = ctx->run->attempt;
    }
    if (is_tried_again && step->is_beside) {
        retry_branch(ctx, step, delay_ms);
        return;
    }
    if (is_tried_again) {
        change->attempt = ctx->run->attempt + 1;
        change->delay_ms = delay_ms;
        return;
    }
    msgpack_sbuffer_clear(&ctx->scratch);
    checkpoint_pack(&ctx->scratch, &checkpoint);
    change->checkpoint = (struct bytes){ ctx->scratch.data, ctx->scratch.size };
}

static void fail_function(struct stepd_ctx *ctx, struct transition *change)
{
    assert(ctx->raised.kind != RAISED_NOTHING);
    if (attempt_may_retry(ctx)) {
        change->attempt = ctx->run->attempt + 1;
        change->delay_ms = context_retry_delay_ms(ctx, ctx->raised.failure.name);
        return;
    }
    change->attempt = ctx->run->attempt;
    if (ctx->run->phase == RUN_IN_FUNCTION)
        change->phase = RUN_FAILING;
}

/* Of what was raised: it is tried again, or has failed for good, which an attempt of its own brings out. */
static void pass_on(struct stepd_ctx *ctx, struct transition *change, struct attempt_report *report)
{
    attempt_park_bare(ctx, change, &ctx->raised.failure, report);
    if (report->end == ATTEMPT_RETRY && change->phase == RUN_FAILING)
        report->end = ATTEMPT_PASSED_ON;
}

/* What the step failed of can't be recorded: the run fails of that. */
static void fail_by_limit(struct stepd_ctx *ctx, struct attempt_report *report)
{
    struct transition change = {
        .kind = TRANSITION_PARK,
        .status = RUN_DELAYED,
        .phase = RUN_FAILING,
        .attempt = ctx->run->attempt,
    };

    context_reopen(ctx);
    if (ctx->run->phase == RUN_IN_FUNCTION) {
        pass_on(ctx, &change, report);
        return;
    }
    attempt_say_on_failure_failed(ctx, &ctx->raised.failure);
    attempt_bury(ctx, &ctx->last, report);
}

void attempt_fail(struct stepd_ctx *ctx, struct run *run, const struct step_call *step, const char *name, const char *message,
                  struct attempt_report *ret_report)
{
    struct transition change = { .kind = TRANSITION_PARK, .status = RUN_DELAYED, .phase = run->phase };

    assert(step == NULL || step->id[0] != '\0');
    assert(name != NULL && message != NULL);
    context_begin(ctx, run, clock_monotonic_ns());
    *ret_report = (struct attempt_report){ .started_ns = ctx->started_ns };
    if (step != NULL) {
        ctx->step = *step;
        ctx->step.is_running = true;
    }
    context_raise(ctx, RAISED_RETRIABLE, name, "%s", message);
    ctx->step.is_running = false;
    if (step != NULL) {
        fail_step(ctx, step, &change);
        if (!attempt_park(ctx, &change, &ctx->step_raised.failure, ret_report))
            fail_by_limit(ctx, ret_report);
    } else if (run->phase == RUN_IN_ON_FAILURE && run->attempt >= run->function->retries) {
        attempt_say_on_failure_failed(ctx, &ctx->raised.failure);
        attempt_bury(ctx, &ctx->last, ret_report);
    } else {
        fail_function(ctx, &change);
        pass_on(ctx, &change, ret_report);
    }
    ret_report->ended_ns = clock_monotonic_ns();
    ret_report->is_stored = run->epoch > 0;
    context_end(ctx);
}
