/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stepd_parallel() and stepd_race(): steps that are tried beside each other. The run's own thread hands their code to
 * the crew, waits, and records what became of each, alone; what failed and is to be tried again is kept in the tail
 * of the run's record (branches.h), so that whoever has the run next counts on. Where nothing is under way and nothing
 * due, the run is parked until the first is.
 */
#include <assert.h>
#include <string.h>

#include <stepd/stepd.h>

#include "base/clock.h"
#include "base/pulse.h"
#include "run/attempt.h"
#include "run/attempt_log.h"
#include "run/branch_task.h"
#include "run/branches.h"
#include "run/checkpoints.h"
#include "run/journal.h"
#include "run/step_internal.h"

#define LOOK_EVERY_MS 100       /* whether the attempt was cancelled meanwhile */
#define LOSERS_PATIENCE_MS 1000 /* for those of a race that lost */

enum part_state { PART_WAITING, PART_UNDER_WAY, PART_FINISHED };

/* One branch, as it stands in this attempt. */
struct part {
    char name[STEP_ID_SIZE];
    enum part_state state;
    int attempt;              /* errors so far */
    int64_t due_ms;           /* PART_WAITING: not before; 0: now */
    struct branch_task *task; /* PART_UNDER_WAY */
    size_t position;          /* PART_FINISHED: of its checkpoint */
};

struct together {
    struct stepd_ctx *ctx;
    const struct stepd_branch *branches;
    struct part *parts; /* the attempt's memory */
    size_t count;
    bool is_race;
    int attempt; /* the function's own errors */
    struct branches kept;
    struct branch_group *group; /* NULL: the run's own thread tries them */
    int64_t failed_due_ms;      /* a branch failed, of ctx->step_raised, which is not durable yet; 0: none */
    bool is_abandoned;          /* nothing of the attempt may be touched any more */
};

static size_t count_in(const struct together *together, enum part_state state)
{
    size_t count = 0;

    for (size_t i = 0; i < together->count; i++)
        count += together->parts[i].state == state;
    return count;
}

static const struct checkpoint *checkpoint_at(const struct together *together, const struct part *part)
{
    assert(part->state == PART_FINISHED);
    return checkpoints_at(together->ctx->run->steps, part->position);
}

static bool has_succeeded(const struct together *together, const struct part *part)
{
    return part->state == PART_FINISHED && checkpoint_at(together, part)->kind == CHECKPOINT_COMPLETED;
}

/* Of those that have ended so (`kind`), the one that did first; NULL: none has. */
static const struct part *first_of(const struct together *together, enum checkpoint_kind kind)
{
    const struct part *first = NULL;

    for (size_t i = 0; i < together->count; i++) {
        const struct part *part = &together->parts[i];
        if (part->state == PART_FINISHED && checkpoint_at(together, part)->kind == kind &&
            (first == NULL || part->position < first->position))
            first = part;
    }
    return first;
}

static bool is_decided(const struct together *together)
{
    return count_in(together, PART_FINISHED) == together->count || (together->is_race && first_of(together, CHECKPOINT_COMPLETED) != NULL);
}

/* ---- what is known of each ------------------------------------------------------------------------ */

/* Its start is on record, and no end: unless that try's failure is, nobody knows what became of it. */
static bool settle_unknown(struct together *together, struct part *part, const struct checkpoint *started)
{
    struct stepd_ctx *ctx = together->ctx;

    assert(started->kind == CHECKPOINT_STARTED);
    if (part->attempt >= started->executions)
        return true;
    size_t position = step_finished_count(ctx->run);
    (void)step_answer_unknown(ctx, started, position);
    if (context_is_decided(ctx))
        return false;
    part->state = PART_FINISHED;
    part->position = position;
    return true;
}

static bool learn(struct together *together, struct part *part)
{
    struct stepd_ctx *ctx = together->ctx;
    const struct branch *branch = branches_find(&together->kept, part->name);

    if (branch != NULL) {
        part->attempt = branch->attempt;
        part->due_ms = branch->due_ms;
    }
    memcpy(ctx->step.id, part->name, sizeof(part->name));
    const struct checkpoint *finished = step_find_finished(ctx, &part->position);
    if (finished == NULL)
        return true;
    if (finished->kind == CHECKPOINT_STARTED)
        return settle_unknown(together, part, finished);
    part->state = PART_FINISHED;
    return true;
}

/* False: an error was raised, or there is a verdict. */
static bool prepare(struct together *together)
{
    struct stepd_ctx *ctx = together->ctx;

    for (size_t i = 0; i < together->count; i++) {
        struct part *part = &together->parts[i];
        if (!step_name(ctx, together->branches[i].id))
            return false;
        memcpy(part->name, ctx->step.id, sizeof(part->name));
    }
    for (size_t i = 0; i < together->count; i++) {
        if (!learn(together, &together->parts[i]))
            return false;
    }
    if (is_decided(together))
        return true;
    if (!step_may_begin(ctx, together->count - count_in(together, PART_FINISHED)))
        return false;
    if (ctx->settings->crew != NULL)
        together->group = branch_group_create(ctx->run);
    return true;
}

/* ---- settling one --------------------------------------------------------------------------------- */

static void keep_branches(struct together *together)
{
    branches_keep(&together->kept, together->ctx);
}

/* What a branch failed of becomes durable while others go on. False: there is a verdict. */
static bool note_failure(struct together *together)
{
    int64_t due_ms = together->failed_due_ms;

    if (due_ms == 0)
        return true;
    together->failed_due_ms = 0;
    keep_branches(together);
    return attempt_note_off_clock(together->ctx, together->attempt, due_ms);
}

static bool finish(struct together *together, struct part *part)
{
    if (context_is_decided(together->ctx))
        return false;
    part->state = PART_FINISHED;
    part->position = together->ctx->step.position;
    branches_remove(&together->kept, part->name);
    return true;
}

static bool try_again_later(struct together *together, struct part *part)
{
    struct stepd_ctx *ctx = together->ctx;
    int64_t due_ms = raised_due_ms(&ctx->step_raised);

    assert(ctx->step_raised.kind == RAISED_RETRIABLE);
    part->state = PART_WAITING;
    part->attempt++;
    part->due_ms = due_ms != 0 ? due_ms : context_now_ms(ctx) + ctx->step.retry_delay_ms;
    struct branch *branch = branches_add(&together->kept, part->name);
    branch->attempt = part->attempt;
    branch->due_ms = part->due_ms;
    together->failed_due_ms = part->due_ms;
    return count_in(together, PART_UNDER_WAY) == 0 || note_failure(together);
}

/* Once it has finished nothing is open any more: the run's counter begins anew. */
static int attempt_after(const struct together *together, const struct part *part, bool is_good)
{
    bool is_last = count_in(together, PART_FINISHED) + (part->state != PART_FINISHED) == together->count;

    return is_last || (together->is_race && is_good) ? 0 : together->attempt;
}

static void apply_error_policy(struct together *together, const struct part *part)
{
    struct stepd_ctx *ctx = together->ctx;

    ctx->run->attempt = part->attempt; /* what its delays go by */
    step_apply_error_policy(ctx);
    ctx->run->attempt = together->attempt;
}

/* Of ctx->step, ctx->step_raised and ctx->step_output. False: there is a verdict. */
static bool settle(struct together *together, struct part *part, enum stepd_status status)
{
    struct stepd_ctx *ctx = together->ctx;
    bool is_good = status == STEPD_OK;

    assert(part->state == PART_WAITING);
    part->task = NULL;
    ctx->step.position = step_finished_count(ctx->run);
    ctx->step.attempt_after = attempt_after(together, part, is_good);
    keep_branches(together);
    if (!is_good)
        apply_error_policy(together, part);
    if (is_good)
        (void)step_keep_result(ctx, NULL);
    else if (ctx->step_raised.kind == RAISED_RETRIABLE && part->attempt < ctx->step.retries)
        return try_again_later(together, part);
    else
        (void)step_fail_for_good(ctx);
    return finish(together, part);
}

/* ---- trying one ----------------------------------------------------------------------------------- */

/* Fills ctx->step. False: there is a verdict. */
static bool set_up(struct together *together, struct part *part, const struct stepd_policy *policy)
{
    struct stepd_ctx *ctx = together->ctx;

    memcpy(ctx->step.id, part->name, sizeof(part->name));
    ctx->run->attempt = part->attempt; /* what its delays go by */
    step_set_up(ctx, policy);
    ctx->run->attempt = together->attempt;
    ctx->step.is_beside = true;
    ctx->step.attempt = part->attempt;
    ctx->step.executions = part->attempt + 1;
    if (!ctx->step.is_at_most_once)
        return true;
    const struct checkpoint started = step_checkpoint(ctx, CHECKPOINT_STARTED);
    return step_record(ctx, &started, together->attempt);
}

static bool try_here(struct together *together, struct part *part, const struct stepd_branch *branch)
{
    struct stepd_ctx *ctx = together->ctx;
    enum stepd_status status;

    together->is_abandoned = !step_run_body(ctx, branch->fn, branch->arg, &status);
    if (together->is_abandoned)
        return false;
    return settle(together, part, status);
}

static bool try_part(struct together *together, struct part *part)
{
    struct stepd_ctx *ctx = together->ctx;
    const struct stepd_branch *branch = &together->branches[part - together->parts];

    assert(part->state == PART_WAITING);
    if (!note_failure(together) || !set_up(together, part, branch->policy))
        return false;
    if (together->group == NULL)
        return try_here(together, part, branch);
    part->state = PART_UNDER_WAY;
    part->task = branch_task_create(ctx, together->group, branch);
    ctx->settings->crew->ops->offer(ctx->settings->crew, &part->task->base);
    return true;
}

/* All that are due; on the run's own thread a race ends with the first that succeeds. False: there is a verdict. */
static bool try_due(struct together *together)
{
    struct stepd_ctx *ctx = together->ctx;
    int64_t now_ms = ctx->run->now_ms > context_now_ms(ctx) ? ctx->run->now_ms : context_now_ms(ctx);

    for (size_t i = 0; i < together->count && !is_decided(together); i++) {
        struct part *part = &together->parts[i];
        if (part->state != PART_WAITING || part->due_ms > now_ms)
            continue;
        if (context_is_draining(ctx))
            return count_in(together, PART_UNDER_WAY) > 0 || context_give_up(ctx) == STEPD_OK;
        if (!try_part(together, part))
            return false;
    }
    return true;
}

/* ---- waiting for those that are under way --------------------------------------------------------- */

/* Its task has ended, or has run out of time; NULL: none. */
static struct part *find_news(struct together *together, int64_t now_ns)
{
    assert_held(&together->group->lock);
    for (size_t i = 0; i < together->count; i++) {
        struct part *part = &together->parts[i];
        if (part->state != PART_UNDER_WAY)
            continue;
        const struct branch_task *task = part->task;
        if (task->state == BRANCH_TASK_ENDED || (task->deadline_ns != 0 && now_ns >= task->deadline_ns))
            return part;
    }
    return NULL;
}

static bool is_cancelled(const struct together *together)
{
    return atomic_load_explicit(&together->ctx->slot->is_cancelled, memory_order_relaxed);
}

static void cancel_all(struct together *together)
{
    assert_held(&together->group->lock);
    for (size_t i = 0; i < together->count; i++) {
        if (together->parts[i].state == PART_UNDER_WAY)
            branch_task_cancel(together->parts[i].task);
    }
}

/* For a moment at most. NULL: there is none. */
static struct part *wait_for_news(struct together *together)
{
    struct branch_group *group = together->group;
    struct part *part;

    pulse_rest_here();
    lock_take(&group->lock);
    part = find_news(together, clock_monotonic_ns());
    if (part == NULL) {
        if (is_cancelled(together))
            cancel_all(together);
        (void)condition_wait_until(&group->news, &group->lock, clock_monotonic_ms() + LOOK_EVERY_MS);
        part = find_news(together, clock_monotonic_ns());
    }
    lock_give(&group->lock);
    pulse_beat_here();
    return part;
}

/* What the try came to, into the context. */
static enum stepd_status take_outcome(struct together *together, struct branch_task *task)
{
    struct stepd_ctx *ctx = together->ctx;

    LOCK_GUARD(&task->group->lock);
    ctx->step = task->step;
    if (task->state == BRANCH_TASK_ENDED) {
        ctx->step_raised = task->raised;
        msgpack_sbuffer_clear(&ctx->step_output);
        if (task->output.size > 0)
            msgpack_sbuffer_write(&ctx->step_output, task->output.data, task->output.size);
        return task->status;
    }
    ctx->step.is_running = true; /* the error is the step's */
    context_raise(ctx, RAISED_RETRIABLE, "HandlerTimeout", "not done after %lld ms; its thread is left behind",
                  (long long)task->step.timeout_ms);
    ctx->step.is_running = false;
    return STEPD_FAILED;
}

/* The threads' entries in the journal: a crash of theirs is to be counted in the run that the store knows now. */
static void follow_in_journal(struct together *together, uint32_t epoch_before)
{
    const struct run *run = together->ctx->run;

    if (run->epoch == epoch_before)
        return;
    LOCK_GUARD(&together->group->lock);
    for (size_t i = 0; i < together->count; i++) {
        struct branch_task *task = together->parts[i].state == PART_UNDER_WAY ? together->parts[i].task : NULL;
        if (task == NULL)
            continue;
        task->run.epoch = run->epoch;
        task->run.owner = run->owner;
        journal_follow(task->journal, &task->run);
    }
}

/* False: there is a verdict. */
static bool settle_news(struct together *together, struct part *part)
{
    uint32_t epoch = together->ctx->run->epoch;
    struct branch_task *task = part->task;

    assert(part->state == PART_UNDER_WAY && task != NULL);
    if (!note_failure(together))
        return false;
    enum stepd_status status = take_outcome(together, task);
    part->state = PART_WAITING;
    bool goes_on = settle(together, part, status);
    branch_task_drop(task, together->ctx->settings->crew);
    if (goes_on)
        follow_in_journal(together, epoch);
    return goes_on;
}

/* ---- the call ------------------------------------------------------------------------------------- */

/* Whether the first of those that wait may be tried now, or something is under way. */
static int64_t next_due_ms(const struct together *together)
{
    int64_t next_ms = INT64_MAX;

    for (size_t i = 0; i < together->count; i++) {
        const struct part *part = &together->parts[i];
        if (part->state == PART_WAITING && part->due_ms < next_ms)
            next_ms = part->due_ms;
    }
    return next_ms;
}

static void park(struct together *together)
{
    struct stepd_ctx *ctx = together->ctx;
    int64_t due_ms = next_due_ms(together);

    assert(count_in(together, PART_UNDER_WAY) == 0);
    keep_branches(together);
    const struct transition change = {
        .kind = TRANSITION_PARK,
        .status = together->failed_due_ms != 0 ? RUN_DELAYED : RUN_SLEEPING,
        .phase = ctx->run->phase,
        .attempt = together->attempt,
        .due_ms = due_ms > 0 ? due_ms : 1,
        .position = step_finished_count(ctx->run),
    };
    (void)context_park(ctx, &change);
}

/* Until it is decided (true), or there is a verdict. */
static bool try_all(struct together *together)
{
    while (!is_decided(together)) {
        if (is_cancelled(together) && !context_may_go_on(together->ctx))
            return false;
        if (!try_due(together))
            return false;
        if (is_decided(together))
            break;
        if (count_in(together, PART_UNDER_WAY) == 0) {
            park(together);
            return false;
        }
        struct part *part = wait_for_news(together);
        if (part != NULL && !settle_news(together, part))
            return false;
    }
    return true;
}

static bool all_have_ended(struct together *together)
{
    assert_held(&together->group->lock);
    for (size_t i = 0; i < together->count; i++) {
        const struct part *part = &together->parts[i];
        if (part->state == PART_UNDER_WAY && part->task->state == BRANCH_TASK_RUNNING)
            return false;
    }
    return true;
}

/* Nobody wants those that are still under way: they are told, have a moment, and are left behind. */
static void drop_others(struct together *together)
{
    struct branch_group *group = together->group;
    int64_t until_ms = clock_monotonic_ms() + LOSERS_PATIENCE_MS;

    pulse_rest_here();
    lock_take(&group->lock);
    cancel_all(together);
    while (!all_have_ended(together) && condition_wait_until(&group->news, &group->lock, until_ms))
        ;
    lock_give(&group->lock);
    pulse_beat_here();
    for (size_t i = 0; i < together->count; i++) {
        if (together->parts[i].state == PART_UNDER_WAY)
            branch_task_drop(together->parts[i].task, together->ctx->settings->crew);
    }
}

/* What stepd_last_error() tells, and what the function raised: a branch's failure is none of its own until the call
 * says so. */
struct told {
    enum raised_kind raised;
    bool has_last;
    struct failure last;
};

static struct told told_of(const struct stepd_ctx *ctx)
{
    struct told told = { .raised = ctx->raised.kind, .has_last = ctx->has_last };

    if (told.has_last)
        told.last = ctx->last;
    return told;
}

static void told_again(const struct told *told, struct stepd_ctx *ctx)
{
    ctx->raised.kind = told->raised;
    ctx->has_last = told->has_last;
    if (told->has_last)
        ctx->last = told->last;
}

static enum stepd_status answer_race(struct together *together, const msgpack_object **ret_results)
{
    const struct part *winner = first_of(together, CHECKPOINT_COMPLETED);

    if (winner == NULL)
        return step_answer_failed(together->ctx, checkpoint_at(together, first_of(together, CHECKPOINT_FAILED))->failure);
    return step_answer_result(together->ctx, winner->position, ret_results != NULL ? &ret_results[winner - together->parts] : NULL);
}

static enum stepd_status answer(struct together *together, const msgpack_object **ret_results)
{
    const struct part *failed = first_of(together, CHECKPOINT_FAILED);

    assert(is_decided(together));
    if (together->is_race && together->count > 0)
        return answer_race(together, ret_results);
    for (size_t i = 0; ret_results != NULL && i < together->count; i++) {
        if (has_succeeded(together, &together->parts[i]))
            (void)step_answer_result(together->ctx, together->parts[i].position, &ret_results[i]);
    }
    return failed != NULL ? step_answer_failed(together->ctx, checkpoint_at(together, failed)->failure) : STEPD_OK;
}

static enum stepd_status try_together(struct together *together, const msgpack_object **ret_results)
{
    struct stepd_ctx *ctx = together->ctx;
    const struct told told = told_of(ctx);

    if (!prepare(together))
        return context_is_decided(ctx) ? STEPD_SUSPENDED : STEPD_FAILED;
    bool is_over = try_all(together);
    if (together->is_abandoned)
        return STEPD_SUSPENDED;
    if (together->group != NULL) {
        drop_others(together);
        branch_group_leave(together->group);
    }
    if (!is_over)
        return STEPD_SUSPENDED;
    told_again(&told, ctx);
    keep_branches(together);
    return answer(together, ret_results);
}

static enum stepd_status call(struct stepd_ctx *ctx, const struct stepd_branch *branches, size_t count, bool is_race,
                              const msgpack_object **ret_results)
{
    struct together together = { .ctx = ctx, .branches = branches, .count = count, .is_race = is_race, .attempt = ctx->run->attempt };
    enum stepd_status status;
    int64_t left_ns = 0;

    for (size_t i = 0; ret_results != NULL && i < count; i++)
        ret_results[i] = NULL;
    if (!step_open_call(ctx, count > 0 ? branches[0].id : "", &left_ns, &status))
        return status;
    together.parts = context_alloc(ctx, (count + 1) * sizeof(*together.parts));
    memset(together.parts, 0, (count + 1) * sizeof(*together.parts));
    branches_load(&together.kept, ctx->branches);
    status = try_together(&together, ret_results);
    branches_done(&together.kept);
    if (!together.is_abandoned)
        context_resume(ctx, left_ns);
    return status;
}

enum stepd_status stepd_parallel(struct stepd_ctx *ctx, const struct stepd_branch *branches, size_t count,
                                 const msgpack_object **ret_results)
{
    return call(ctx, branches, count, false, ret_results);
}

enum stepd_status stepd_race(struct stepd_ctx *ctx, const struct stepd_branch *branches, size_t count, const msgpack_object **ret_results)
{
    return call(ctx, branches, count, true, ret_results);
}
