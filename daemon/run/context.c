/* SPDX-License-Identifier: Apache-2.0 */
#include "run/context.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/pulse.h"
#include "codec/packed.h"
#include "run/attempt_log.h"
#include "run/failure.h"
#include "run/flow_ask.h"
#include "run/journal.h"

#define ZONE_CHUNK_SIZE 8192
#define DELAY_MAX_MS INT64_C(3155760000000)  /* a hundred years */
#define TIME_MAX_MS INT64_C(253402300799999) /* the end of the year 9999 */
#define BUFFER_KEPT_SIZE 65536               /* a larger output buffer is given back after its attempt */

void context_init(struct stepd_ctx *ctx)
{
    memset(ctx, 0, sizeof(*ctx));
    hold_init(&ctx->hold);
    ctx->zone = msgpack_zone_new(ZONE_CHUNK_SIZE);
    if (ctx->zone == NULL)
        abort();
    msgpack_sbuffer_init(&ctx->output);
    msgpack_sbuffer_init(&ctx->step_output);
    msgpack_sbuffer_init(&ctx->scratch);
    msgpack_sbuffer_init(&ctx->tail);
    msgpack_packer_init(&ctx->output_packer, &ctx->output, msgpack_sbuffer_write);
    msgpack_packer_init(&ctx->step_packer, &ctx->step_output, msgpack_sbuffer_write);
    ctx->random_state = (uint64_t)clock_monotonic_ns() ^ (uint64_t)(uintptr_t)ctx;
}

void context_done(struct stepd_ctx *ctx)
{
    msgpack_zone_free(ctx->zone);
    msgpack_sbuffer_destroy(&ctx->output);
    msgpack_sbuffer_destroy(&ctx->step_output);
    msgpack_sbuffer_destroy(&ctx->scratch);
    msgpack_sbuffer_destroy(&ctx->tail);
    step_ids_done(&ctx->ids);
    hold_done(&ctx->hold);
}

static void empty(msgpack_sbuffer *buffer)
{
    if (buffer->alloc > BUFFER_KEPT_SIZE) {
        msgpack_sbuffer_destroy(buffer);
        msgpack_sbuffer_init(buffer);
    }
    msgpack_sbuffer_clear(buffer);
}

void context_begin(struct stepd_ctx *ctx, struct run *run, int64_t started_ns)
{
    assert(ctx->slot != NULL && ctx->store != NULL && ctx->settings != NULL);
    ctx->run = run;
    ctx->started_ns = run->errand != NULL ? run->begun_ns : started_ns;
    ctx->entered_ns = started_ns;
    ctx->entered_with = run->errand;
    ctx->deadline_ns = 0;
    ctx->raised.kind = RAISED_NOTHING;
    ctx->was_nested = false;
    ctx->step.is_running = false;
    ctx->verdict.kind = VERDICT_OPEN;
    ctx->has_last = false;
    ctx->noted_due_ms = 0;
    ctx->branches = run->tail.size > 0 ? attempt_log_branches(run->tail) : (struct bytes){ 0 };
    step_ids_clear(&ctx->ids);
    atomic_store_explicit(&ctx->slot->is_cancelled, false, memory_order_relaxed);
    empty(&ctx->output);
    if (ctx->zone_is_used) {
        msgpack_zone_clear(ctx->zone);
        ctx->zone_is_used = false;
    }
    if (run->last != NULL)
        context_set_last(ctx, run->last);
    if (run->epoch > 0)
        hold_set(&ctx->hold, run->id.text);
}

void context_end(struct stepd_ctx *ctx)
{
    if (ctx->run->epoch > 0)
        hold_set(&ctx->hold, NULL);
}

void context_enter(struct stepd_ctx *ctx, int64_t now_ns, int64_t timeout_ms)
{
    assert(timeout_ms >= 0);
    ctx->deadline_ns = timeout_ms > 0 ? now_ns + timeout_ms * 1000000 : 0;
    pulse_rest_here(); /* the watch looks at its timeout */
    slot_enter(ctx->slot, ctx->deadline_ns);
}

bool context_leave(struct stepd_ctx *ctx)
{
    pulse_beat_here();
    return slot_leave(ctx->slot);
}

bool context_pause(struct stepd_ctx *ctx, int64_t *ret_left_ns)
{
    pulse_beat_here();
    if (!slot_leave(ctx->slot))
        return false;
    *ret_left_ns = ctx->deadline_ns != 0 ? ctx->deadline_ns - clock_monotonic_ns() : 0;
    if (ctx->deadline_ns != 0 && *ret_left_ns <= 0)
        *ret_left_ns = 1;
    return true;
}

void context_resume(struct stepd_ctx *ctx, int64_t left_ns)
{
    assert(left_ns >= 0);
    ctx->deadline_ns = left_ns != 0 ? clock_monotonic_ns() + left_ns : 0;
    pulse_rest_here();
    slot_enter(ctx->slot, ctx->deadline_ns);
}

void *context_alloc(struct stepd_ctx *ctx, size_t size)
{
    ctx->zone_is_used = true;
    return zone_take(ctx->zone, size);
}

char *context_strdup(struct stepd_ctx *ctx, const void *text, size_t size)
{
    char *copy = context_alloc(ctx, size + 1);

    memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}

int stepd_attempt(struct stepd_ctx *ctx)
{
    return ctx->step.is_running && ctx->step.is_beside ? ctx->step.attempt : ctx->run->attempt;
}

static void copy_text(char *to, size_t size, const char *from)
{
    failure_copy_text(to, size, (struct bytes){ from, strlen(from) });
}

/* Where an error of what is running now goes; NULL: nobody asks any more. */
static struct raised *raised_now(struct stepd_ctx *ctx)
{
    if (context_is_decided(ctx))
        return NULL;
    return ctx->step.is_running ? &ctx->step_raised : &ctx->raised;
}

void context_vraise(struct stepd_ctx *ctx, enum raised_kind kind, const char *name, const char *format, va_list arguments)
{
    struct raised *raised = raised_now(ctx);
    char message[ERROR_MESSAGE_SIZE + 4];

    if (raised == NULL)
        return;
    raised->kind = kind;
    raised->has_due = false;
    raised->failure.attempt = stepd_attempt(ctx);
    raised->failure.executions = ctx->step.is_running ? ctx->step.executions : 0;
    copy_text(raised->failure.step_id, STEP_ID_SIZE, ctx->step.is_running ? ctx->step.id : "");
    copy_text(raised->failure.name, ERROR_NAME_SIZE, name != NULL && name[0] != '\0' ? name : "Error");
    int length = vsnprintf(message, sizeof(message), format, arguments);
    if (length < 0)
        message[0] = '\0';
    else
        failure_blank_nuls(message, (size_t)length < sizeof(message) ? (size_t)length : sizeof(message) - 1);
    copy_text(raised->failure.message, ERROR_MESSAGE_SIZE, message);
}

void context_raise(struct stepd_ctx *ctx, enum raised_kind kind, const char *name, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    context_vraise(ctx, kind, name, format, arguments);
    va_end(arguments);
}

void context_set_last(struct stepd_ctx *ctx, const struct failure *failure)
{
    if (failure != &ctx->last)
        ctx->last = *failure;
    ctx->has_last = true;
}

struct raised context_take_raised(struct stepd_ctx *ctx)
{
    struct raised raised = ctx->raised;

    ctx->raised.kind = RAISED_NOTHING;
    return raised;
}

void context_set_part_raised(struct stepd_ctx *ctx, const struct raised *raised)
{
    assert(raised->kind != RAISED_NOTHING);
    ctx->step_raised = *raised;
}

void context_raise_step_error(struct stepd_ctx *ctx)
{
    assert(ctx->has_last);
    ctx->raised.kind = RAISED_BY_STEP;
}

/* ---- verdicts -------------------------------------------------------------------------------------- */

/* The one place where the end of an attempt is decided before its function has returned. */
static enum stepd_status decide(struct stepd_ctx *ctx, struct verdict verdict)
{
    assert(verdict.kind != VERDICT_OPEN);
    ctx->verdict = verdict;
    return STEPD_SUSPENDED;
}

enum stepd_status context_park(struct stepd_ctx *ctx, const struct transition *park)
{
    assert(park->status == RUN_DELAYED || park->status == RUN_SLEEPING || park->status == RUN_WAITING);
    assert(park->attempt >= 0);
    assert(park->kind == TRANSITION_PARK);
    return decide(ctx, (struct verdict){
                           .kind = VERDICT_PARK,
                           .park = *park,
                           .failure = park->status == RUN_DELAYED ? &ctx->step_raised.failure : NULL,
                       });
}

enum stepd_status context_fail_by_limit(struct stepd_ctx *ctx, const struct raised *raised)
{
    assert(raised->kind == RAISED_NON_RETRIABLE || raised->kind == RAISED_RETRIABLE);
    if (raised != &ctx->raised)
        ctx->raised = *raised;
    return decide(ctx, (struct verdict){ .kind = VERDICT_LIMIT });
}

void context_reopen(struct stepd_ctx *ctx)
{
    ctx->verdict.kind = VERDICT_OPEN;
}

/* Of a change that was not made; `error`: the store's negative errno. */
static enum verdict_kind verdict_of(int error, enum store_answer answer)
{
    assert(error <= 0);
    if (error != 0)
        return error == -EIO ? VERDICT_REFUSED : VERDICT_STOPPED;
    return answer == STORE_CANCELLED ? VERDICT_CANCELLED : VERDICT_MOVED;
}

bool context_is_unwanted(const struct stepd_ctx *ctx)
{
    return ctx->run->epoch == 0 && unwanted_has(ctx->settings->unwanted, ctx->run->id.text);
}

bool context_advance(struct stepd_ctx *ctx, const struct transition *transition)
{
    struct transition_reply reply = { 0 };
    struct run *run = ctx->run;

    assert(transition->attempt >= 0);
    assert(transition->phase >= ctx->run->phase);
    if (context_is_unwanted(ctx)) {
        (void)decide(ctx, (struct verdict){ .kind = VERDICT_CANCELLED });
        return false;
    }
    int error = ctx->store->ops->advance(ctx->store, run, transition, &reply);

    if (error == 0 && reply.answer == STORE_OK) {
        if (run->epoch == 0 && reply.epoch > 0)
            hold_set(&ctx->hold, run->id.text);
        run_follow(run, transition, &reply);
        journal_follow(ctx->journal, run);
        return true;
    }
    if (error == 0 && reply.answer == STORE_LIMIT) {
        context_reopen(ctx); /* it was to be parked: nothing comes of that */
        context_raise(ctx, RAISED_NON_RETRIABLE, "StateLimit", "limits.state: the run's results would take more room than it has");
        (void)context_fail_by_limit(ctx, &ctx->raised);
        return false;
    }
    if (error == 0 && reply.answer == STORE_TOO_MANY) {
        context_reopen(ctx);
        context_raise(ctx, RAISED_NON_RETRIABLE, "TooManyWaits",
                      "limits.waits: as many runs wait for '%s' as may, without an equality on the event in their conditions",
                      transition->wait->event);
        (void)context_fail_by_limit(ctx, &ctx->raised);
        return false;
    }
    if (error == 0 && reply.answer == STORE_CANCELLED)
        run->tell_by_ms = reply.due_ms;
    if (error != 0 || reply.answer != STORE_KEPT_MORE)
        (void)decide(ctx, (struct verdict){ .kind = verdict_of(error, reply.answer) });
    return false;
}

bool context_is_draining(const struct stepd_ctx *ctx)
{
    const atomic_bool *flag = ctx->settings->is_draining;

    return flag != NULL && atomic_load((atomic_bool *)(uintptr_t)flag);
}

enum stepd_status context_give_up(struct stepd_ctx *ctx)
{
    return decide(ctx, (struct verdict){ .kind = VERDICT_STOPPED });
}

bool context_may_go_on(struct stepd_ctx *ctx)
{
    const struct transition nothing = { .kind = TRANSITION_PHASE, .phase = ctx->run->phase, .attempt = ctx->run->attempt };

    if (!context_is_draining(ctx))
        return context_advance(ctx, &nothing);
    (void)context_give_up(ctx);
    return false;
}

enum stepd_status context_leave_for(struct stepd_ctx *ctx, struct errand *errand)
{
    assert(errand != NULL);
    ctx->run->errand = errand;
    ctx->run->begun_ns = ctx->started_ns;
    if (ctx->run->span != 0)
        ctx->run->left_ns = clock_monotonic_ns();
    return decide(ctx, (struct verdict){
                           .kind = VERDICT_AWAY,
                           .failure = ctx->noted_due_ms != 0 ? &ctx->step_raised.failure : NULL,
                           .due_ms = ctx->noted_due_ms,
                       });
}

int64_t context_now_ms(const struct stepd_ctx *ctx)
{
    return ctx->store->ops->now_ms(ctx->store);
}

int64_t context_from_now_ms(const struct stepd_ctx *ctx, int64_t delay_ms)
{
    int64_t bounded_ms = delay_ms < 0 ? 0 : delay_ms > DELAY_MAX_MS ? DELAY_MAX_MS : delay_ms;
    return context_now_ms(ctx) + bounded_ms;
}

int64_t context_until_ms(int64_t unix_ms)
{
    return unix_ms > TIME_MAX_MS ? TIME_MAX_MS : unix_ms;
}

int64_t raised_due_ms(const struct raised *raised)
{
    if (!raised->has_due)
        return 0;
    return raised->due_ms > 0 ? raised->due_ms : 1;
}

void context_due_at(struct stepd_ctx *ctx, int64_t due_ms)
{
    struct raised *raised = raised_now(ctx);

    if (raised == NULL)
        return;
    raised->has_due = true;
    raised->due_ms = due_ms;
}

void stepd_log(struct stepd_ctx *ctx, enum stepd_level level, const char *format, ...)
{
    char text[1024];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    const struct log_fields fields = {
        .run_id = ctx->run->id.text,
        .function = ctx->run->function->id,
        .step = ctx->step.is_running ? ctx->step.id : NULL,
        .trace_id = ctx->run->event->view.traceparent,
        .topic = ctx->run->event->view.topic,
        .partition = ctx->run->event->view.partition,
        .offset = ctx->run->event->view.offset,
        .attempt = ctx->run->attempt,
        .due_in_ms = -1,
    };
    log_event((enum log_level)level, &fields, "%s", text);
}

/* Others may write epoch seconds where a delay belongs: a run must not be parked for years. */
void context_due_by_header(struct stepd_ctx *ctx, int64_t due_ms)
{
    int64_t set_ms = ctx->run->function->backoff.header_most_ms;
    int64_t most_ms = set_ms > 0 ? set_ms : BACKOFF_DEFAULT_HEADER_MOST_MS;
    int64_t latest_ms = context_now_ms(ctx) + most_ms;

    if (due_ms > latest_ms) {
        stepd_log(ctx, STEPD_LOG_WARN, "Retry-After asks for %" PRId64 " s: cut to retry.max_after, %" PRId64 " s",
                  (due_ms - context_now_ms(ctx)) / 1000, most_ms / 1000);
        due_ms = latest_ms;
    }
    context_due_at(ctx, due_ms);
}

/* Uniform over all 64 bits. */
static uint64_t next_random(struct stepd_ctx *ctx)
{
    ctx->random_state = ctx->random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    uint64_t mixed = ctx->random_state ^ ctx->random_state >> 33;
    return mixed * UINT64_C(0x9e3779b97f4a7c15);
}

/* Below 2^31, so that what it rises to by claims is an epoch too. */
uint32_t context_new_epoch(struct stepd_ctx *ctx)
{
    return (uint32_t)(next_random(ctx) >> 33) | 1;
}

int64_t context_retry_delay_ms(struct stepd_ctx *ctx, const char *error)
{
    const struct function *function = ctx->run->function;
    const struct stepd_error_policy *policy = flow_error_policy(function, error);

    if (policy == NULL || policy->backoff.count == 0)
        return context_backoff_ms(ctx, &function->backoff);
    const struct backoff own = {
        .delays_ms = policy->backoff.delays_ms,
        .count = policy->backoff.count,
        .jitter_ms = function->backoff.jitter_ms,
    };
    return context_backoff_ms(ctx, &own);
}

int64_t context_backoff_ms(struct stepd_ctx *ctx, const struct backoff *backoff)
{
    return backoff_delay_ms(backoff, ctx->run->attempt, next_random(ctx));
}

bool context_check_output(struct stepd_ctx *ctx, const msgpack_sbuffer *output, bool *ret_is_limit)
{
    struct error error;
    size_t size = 0;

    assert(output != &ctx->scratch);
    *ret_is_limit = false;
    if (output->size == 0)
        return true;
    if (output->size > ctx->settings->result_bytes) {
        *ret_is_limit = true;
        context_raise(ctx, RAISED_NON_RETRIABLE, "ResultLimit", "limits.result: a result of %zu bytes, more than %zu", output->size,
                      ctx->settings->result_bytes);
        return false;
    }
    int status = packed_measure((struct bytes){ output->data, output->size }, DATA_MAX_DEPTH, &size, &error);
    if (status == 0 && size == output->size)
        return true;
    *ret_is_limit = status == -ELOOP;
    context_raise(ctx, RAISED_NON_RETRIABLE, status == -ELOOP ? "NestingLimit" : "InvalidOutput", "the result is %s",
                  status == 0 ? "more than one object" : error.text);
    return false;
}
