/* SPDX-License-Identifier: Apache-2.0 */
/* Functions whose runs are looked at: they end in all the ways that runs do. */
#include <stdatomic.h>
#include <string.h>

#include <stepd/stepd.h>

static enum stepd_status run_good(struct stepd_ctx *ctx)
{
    msgpack_pack_str_with_body(stepd_output(ctx), "well done", 9);
    return STEPD_OK;
}

/* The error's name and message are the event's. */
static enum stepd_status run_bad(struct stepd_ctx *ctx)
{
    const msgpack_object *data = stepd_event(ctx)->data;

    return stepd_non_retriable(ctx, stepd_get_str(ctx, data, "error", "Refused"), "%s",
                               stepd_get_str(ctx, data, "message", "it was asked to fail"));
}

static enum stepd_status run_late(struct stepd_ctx *ctx)
{
    return stepd_retry_after(ctx, 3600000, "NotYet", "in an hour");
}

static enum stepd_status greet(struct stepd_ctx *ctx, const void *argument)
{
    const char *text = argument;

    msgpack_pack_str_with_body(stepd_output(ctx), text, strlen(text));
    return STEPD_OK;
}

static enum stepd_status refuse(struct stepd_ctx *ctx, const void *argument)
{
    return stepd_non_retriable(ctx, "StepRefused", "%s", (const char *)argument);
}

/* The steps' ids and results are the event's text. */
static enum stepd_status run_stepped(struct stepd_ctx *ctx)
{
    const char *text = stepd_get_str(ctx, stepd_event(ctx)->data, "text", "hello");

    STEPD_TRY(stepd_step_run(ctx, text, greet, text, NULL));
    if (stepd_step_run(ctx, "refused", refuse, text, NULL) == STEPD_SUSPENDED)
        return STEPD_SUSPENDED;
    return stepd_sleep(ctx, "an hour", 3600000);
}

static atomic_int failures;

/* Fails until it is retried by hand. */
static enum stepd_status run_mended(struct stepd_ctx *ctx)
{
    if (atomic_fetch_add(&failures, 1) == 0)
        return stepd_non_retriable(ctx, "NotMended", "the first time");
    return STEPD_OK;
}

STEPD_MODULE(
    .name = "looked-at",
    .functions = STEPD_FUNCTIONS(
        STEPD_FUNCTION(.id = "good", .event = "look/good", .run = run_good),
        STEPD_FUNCTION(.id = "bad", .event = "look/bad", .run = run_bad),
        STEPD_FUNCTION(.id = "late", .event = "look/late", .run = run_late),
        STEPD_FUNCTION(.id = "stepped", .event = "look/stepped", .run = run_stepped),
        STEPD_FUNCTION(.id = "hostile", .event = "look/<*", .run = run_good),
        STEPD_FUNCTION(.id = "mended", .event = "look/mended", .run = run_mended)));
