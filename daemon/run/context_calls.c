/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of stepd.h that look at the attempt, and those that raise an error; module code makes them. Steps are step.c's. */
#include <stdarg.h>

#include <stepd/stepd.h>

#include "base/clock.h"
#include "codec/http_date.h"
#include "run/context.h"
#include "run/flow_ask.h"

const struct stepd_event *stepd_event(struct stepd_ctx *ctx)
{
    return ctx->run->function->topic != NULL ? event_row(ctx->run->event) : event_view(ctx->run->event);
}

size_t stepd_event_count(struct stepd_ctx *ctx)
{
    return ctx->run->bundle != NULL ? ctx->run->bundle->count : 1;
}

bool stepd_has_batch(struct stepd_ctx *ctx)
{
    return ctx->run->bundle != NULL || (ctx->run->function->flow != NULL && flow_has_batch(ctx->run->function->flow));
}

const struct stepd_event *stepd_event_at(struct stepd_ctx *ctx, size_t index)
{
    const struct bundle *bundle = ctx->run->bundle;

    if (index == 0)
        return stepd_event(ctx);
    if (bundle == NULL || index >= bundle->count)
        return NULL;
    return ctx->run->function->topic != NULL ? event_row(bundle->events[index]) : event_view(bundle->events[index]);
}

const void *stepd_header(struct stepd_ctx *ctx, const char *name, size_t *ret_size)
{
    struct bytes value = { 0 };

    (void)event_header_find(ctx->run->event, name, &value);
    if (ret_size != NULL)
        *ret_size = value.data != NULL ? value.size : 0;
    return value.data;
}

int stepd_max_attempts(struct stepd_ctx *ctx)
{
    return 1 + (ctx->step.is_running ? ctx->step.retries : ctx->run->function->retries);
}

const char *stepd_run_id(struct stepd_ctx *ctx)
{
    return ctx->run->id.text;
}

const char *stepd_function_id(struct stepd_ctx *ctx)
{
    return ctx->run->function->id;
}

int64_t stepd_time_left_ms(struct stepd_ctx *ctx)
{
    if (ctx->deadline_ns == 0)
        return INT64_MAX;
    int64_t left_ns = ctx->deadline_ns - clock_monotonic_ns();
    return left_ns > 0 ? left_ns / 1000000 : 0;
}

msgpack_packer *stepd_output(struct stepd_ctx *ctx)
{
    return ctx->step.is_running ? &ctx->step_packer : &ctx->output_packer;
}

bool stepd_is_cancelled(struct stepd_ctx *ctx)
{
    return atomic_load_explicit(&ctx->slot->is_cancelled, memory_order_relaxed) || slot_is_abandoned(ctx->slot) || context_is_unwanted(ctx);
}

void *stepd_shared(struct stepd_ctx *ctx)
{
    return ctx->run->function->module->shared;
}

void *stepd_local(struct stepd_ctx *ctx)
{
    return ctx->locals != NULL ? ctx->locals[ctx->run->function->module->index] : NULL;
}

const void *stepd_options(struct stepd_ctx *ctx)
{
    return ctx->run->function->options;
}

const struct stepd_error *stepd_last_error(struct stepd_ctx *ctx)
{
    if (!ctx->has_last)
        return NULL;
    ctx->last_view = (struct stepd_error){
        .name = ctx->last.name,
        .message = ctx->last.message,
        .attempt = ctx->last.attempt,
        .step_id = ctx->last.step_id[0] != '\0' ? ctx->last.step_id : NULL,
    };
    return &ctx->last_view;
}

/* ---- errors ----------------------------------------------------------------------------------- */

enum stepd_status stepd_error(struct stepd_ctx *ctx, const char *name, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    context_vraise(ctx, RAISED_RETRIABLE, name, format, arguments);
    va_end(arguments);
    return STEPD_FAILED;
}

enum stepd_status stepd_non_retriable(struct stepd_ctx *ctx, const char *name, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    context_vraise(ctx, RAISED_NON_RETRIABLE, name, format, arguments);
    va_end(arguments);
    return STEPD_FAILED;
}

enum stepd_status stepd_retry_after(struct stepd_ctx *ctx, int64_t delay_ms, const char *name, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    context_vraise(ctx, RAISED_RETRIABLE, name, format, arguments);
    va_end(arguments);
    context_due_at(ctx, context_from_now_ms(ctx, delay_ms));
    return STEPD_FAILED;
}

enum stepd_status stepd_retry_at(struct stepd_ctx *ctx, int64_t unix_ms, const char *name, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    context_vraise(ctx, RAISED_RETRIABLE, name, format, arguments);
    va_end(arguments);
    context_due_at(ctx, context_until_ms(unix_ms));
    return STEPD_FAILED;
}

enum stepd_status stepd_retry_after_http(struct stepd_ctx *ctx, const char *header_value, const char *name, const char *format, ...)
{
    va_list arguments;
    int64_t due_ms;

    va_start(arguments, format);
    context_vraise(ctx, RAISED_RETRIABLE, name, format, arguments);
    va_end(arguments);
    if (header_value != NULL && http_retry_after(header_value, context_now_ms(ctx), &due_ms) == 0)
        context_due_by_header(ctx, due_ms);
    return STEPD_FAILED;
}
