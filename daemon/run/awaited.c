/* SPDX-License-Identifier: Apache-2.0 */
#include "run/awaited.h"

#include <assert.h>
#include <string.h>

#include "run/checkpoints.h"
#include "run/invoke.h"
#include "run/step_internal.h"
#include "run/wait.h"

static bool is_open(const struct run *run, const struct checkpoint *checkpoint)
{
    size_t position;

    return checkpoint->kind == CHECKPOINT_WAITING &&
           checkpoints_find(run->steps, checkpoint->phase, checkpoint->id, &position) == checkpoint;
}

/* … and not for a run that it called. */
static bool is_open_wait(const struct run *run, const struct checkpoint *checkpoint)
{
    struct invoke_view view;

    return is_open(run, checkpoint) && !invoke_read(checkpoint->value, &view);
}

bool awaited_is_open(const struct stepd_ctx *ctx, int64_t *ret_until_ms)
{
    const struct run *run = ctx->run;
    bool is_awaited = false;

    *ret_until_ms = WAIT_FOREVER_MS;
    for (size_t i = 0; i < step_finished_count(run); i++) {
        const struct checkpoint *checkpoint = checkpoints_at(run->steps, i);
        if (checkpoint->phase != run->phase || !is_open(run, checkpoint))
            continue;
        is_awaited = true;
        *ret_until_ms = checkpoint->until_ms < *ret_until_ms ? checkpoint->until_ms : *ret_until_ms;
    }
    return is_awaited;
}

/* Those that are over, or all. */
static struct wait_look look_of(struct stepd_ctx *ctx, bool wants_all)
{
    const struct run *run = ctx->run;
    size_t count = step_finished_count(run);
    struct wait_open *waits = context_alloc(ctx, (count + 1) * sizeof(*waits));
    struct wait_look look = { .waits = waits, .known = count };

    for (size_t i = 0; i < count; i++) {
        const struct checkpoint *checkpoint = checkpoints_at(run->steps, i);
        bool is_wanted = wants_all || (checkpoint->phase == run->phase && step_is_over(ctx, checkpoint->until_ms));
        if (!is_wanted || !is_open_wait(run, checkpoint))
            continue;
        waits[look.count++] = (struct wait_open){
            .position = i,
            .until_ms = checkpoint->until_ms,
            .head = wait_outcome_head(ctx, checkpoint->id, checkpoint->started_ms),
        };
    }
    return look;
}

static size_t calls_count(const struct run *run)
{
    struct invoke_view view;
    size_t count = 0;

    for (size_t i = 0; i < step_finished_count(run); i++) {
        const struct checkpoint *checkpoint = checkpoints_at(run->steps, i);
        count += checkpoint->kind == CHECKPOINT_WAITING && invoke_read(checkpoint->value, &view);
    }
    return count;
}

static struct bytes keep(struct stepd_ctx *ctx, msgpack_sbuffer *buffer)
{
    struct bytes kept = { context_strdup(ctx, buffer->data, buffer->size), buffer->size };

    msgpack_sbuffer_destroy(buffer);
    return kept;
}

static struct call_made call_of(struct stepd_ctx *ctx, const struct checkpoint *waiting, struct bytes run_id)
{
    const struct checkpoint answer = { .id = waiting->id, .phase = waiting->phase, .executions = 1, .started_ms = waiting->started_ms };
    struct call_made call = { .run_id = run_id };
    msgpack_sbuffer head, middle;

    if (!is_open(ctx->run, waiting))
        return call;
    msgpack_sbuffer_init(&head);
    msgpack_sbuffer_init(&middle);
    checkpoint_pack_around(&head, &middle, &answer);
    call.head = keep(ctx, &head);
    call.middle = keep(ctx, &middle);
    return call;
}

/* For a store that has lost some. */
static void add_calls(struct stepd_ctx *ctx, struct wait_look *look)
{
    struct call_made *calls = context_alloc(ctx, (look->called + 1) * sizeof(*calls));
    struct invoke_view view;

    for (size_t i = 0; i < step_finished_count(ctx->run); i++) {
        const struct checkpoint *checkpoint = checkpoints_at(ctx->run->steps, i);
        if (checkpoint->kind == CHECKPOINT_WAITING && invoke_read(checkpoint->value, &view))
            calls[look->call_count++] = call_of(ctx, checkpoint, view.run_id);
    }
    assert(look->call_count == look->called);
    look->calls = calls;
}

/* One question, and what is heard of it. */
struct asking {
    struct stepd_ctx *ctx;
    bool lacks_calls;
};

static void add(void *context, size_t position, struct bytes checkpoint)
{
    const struct asking *asking = context;
    const struct run *run = asking->ctx->run;
    struct error error;

    if (position == step_finished_count(run))
        (void)checkpoints_load(run->steps, position, checkpoint, &error);
}

static void lack(void *context)
{
    ((struct asking *)context)->lacks_calls = true;
}

static bool ask(struct asking *asking, bool tells_calls)
{
    struct stepd_ctx *ctx = asking->ctx;
    struct wait_look look = look_of(ctx, false);
    const struct transition change = {
        .kind = TRANSITION_PHASE,
        .phase = ctx->run->phase,
        .attempt = ctx->run->attempt,
        .look = &look,
    };

    look.called = calls_count(ctx->run);
    if (tells_calls)
        add_calls(ctx, &look);
    look.add = add;
    look.lack = lack;
    look.context = asking;
    return context_advance(ctx, &change);
}

/* False: there is a verdict. */
static bool look(struct stepd_ctx *ctx)
{
    struct asking asking = { .ctx = ctx };

    return ask(&asking, false) && (!asking.lacks_calls || ask(&asking, true));
}

bool awaited_take(struct stepd_ctx *ctx, bool *ret_has_news)
{
    size_t known = step_finished_count(ctx->run);
    int64_t until_ms, left_ns = 0;

    *ret_has_news = false;
    if (!awaited_is_open(ctx, &until_ms))
        return true;
    if (!context_pause(ctx, &left_ns))
        return false;
    bool goes_on = look(ctx) && invoke_settle_overdue(ctx);
    context_resume(ctx, left_ns);
    *ret_has_news = goes_on && step_finished_count(ctx->run) > known;
    return goes_on;
}

static bool has_open_wait(const struct run *run)
{
    for (size_t i = 0; i < step_finished_count(run); i++) {
        if (is_open_wait(run, checkpoints_at(run->steps, i)))
            return true;
    }
    return false;
}

const struct wait_look *awaited_rest(struct stepd_ctx *ctx)
{
    struct wait_look *rest;

    if (!has_open_wait(ctx->run))
        return NULL;
    rest = context_alloc(ctx, sizeof(*rest));
    *rest = look_of(ctx, true);
    return rest;
}
