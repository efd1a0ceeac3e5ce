/* SPDX-License-Identifier: Apache-2.0 */
/* Functions whose runs are looked at: they end in all the ways that runs do. */
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include <stepd/stepd.h>

#define HOUR_MS 3600000

static enum stepd_status record_click(struct stepd_ctx *ctx)
{
    msgpack_pack_str_with_body(stepd_output(ctx), "recorded", 8);
    return STEPD_OK;
}

/* The error's name and message are the event's. */
static enum stepd_status charge_card(struct stepd_ctx *ctx)
{
    const msgpack_object *data = stepd_event(ctx)->data;

    return stepd_non_retriable(ctx, stepd_get_str(ctx, data, "error", "Refused"), "%s",
                               stepd_get_str(ctx, data, "message", "it was asked to fail"));
}

static enum stepd_status remind(struct stepd_ctx *ctx)
{
    return stepd_retry_after(ctx, HOUR_MS, "NotYet", "the cart is not an hour old");
}

static enum stepd_status find_address(struct stepd_ctx *ctx, const void *argument)
{
    const char *text = argument;

    msgpack_pack_map(stepd_output(ctx), 1);
    msgpack_pack_str_with_body(stepd_output(ctx), "address", 7);
    msgpack_pack_str_with_body(stepd_output(ctx), text, strlen(text));
    return STEPD_OK;
}

static enum stepd_status render(struct stepd_ctx *ctx, const void *argument)
{
    const struct timespec while_rendering = { 0, 120 * 1000000 };

    (void)argument;
    if (stepd_attempt(ctx) == 0)
        return stepd_retry_after(ctx, 400, "RendererBusy", "try again in 400 ms");
    (void)nanosleep(&while_rendering, NULL);
    msgpack_pack_int(stepd_output(ctx), 3);
    return STEPD_OK;
}

static enum stepd_status refuse(struct stepd_ctx *ctx, const void *argument)
{
    return stepd_non_retriable(ctx, "StepRefused", "%s", (const char *)argument);
}

/* The first step's id and results are the event's text. */
static enum stepd_status weekly_digest(struct stepd_ctx *ctx)
{
    const char *text = stepd_get_str(ctx, stepd_event(ctx)->data, "text", "find-address");

    STEPD_TRY(stepd_step_run(ctx, text, find_address, text, NULL));
    STEPD_TRY(stepd_step_run(ctx, "render", render, NULL, NULL));
    if (stepd_step_run(ctx, "attach-report", refuse, text, NULL) == STEPD_SUSPENDED)
        return STEPD_SUSPENDED;
    STEPD_TRY(stepd_sleep(ctx, "settle", 300));
    return stepd_sleep(ctx, "until-morning", stepd_get_int(ctx, stepd_event(ctx)->data, "sleep_ms", HOUR_MS));
}

static atomic_int failures;

/* Fails until it is retried by hand. */
static enum stepd_status sync_crm(struct stepd_ctx *ctx)
{
    if (atomic_fetch_add(&failures, 1) == 0)
        return stepd_non_retriable(ctx, "CrmMoved", "the first time");
    return STEPD_OK;
}

STEPD_MODULE(.name = "shop",
             .functions = STEPD_FUNCTIONS(
                 STEPD_FUNCTION(.id = "record-click", .event = "app/button.clicked", .run = record_click, .retries = 10),
                 STEPD_FUNCTION(.id = "charge-card", .event = "shop/order.placed", .run = charge_card, .ordering = STEPD_BY_KEY,
                                .timeout_ms = 30000),
                 STEPD_FUNCTION(.id = "remind", .event = "shop/cart.left", .run = remind, .backoff = STEPD_BACKOFF(60000, 600000)),
                 STEPD_FUNCTION(.id = "weekly-digest", .event = "user/digest.due", .run = weekly_digest, .concurrency = 8),
                 STEPD_FUNCTION(.id = "hostile", .event = "look/<*", .run = record_click),
                 STEPD_FUNCTION(.id = "sync-crm", .event = "user/signed.up", .run = sync_crm)));
