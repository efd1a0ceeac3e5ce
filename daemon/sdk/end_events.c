/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/end_events.h"

#include <string.h>

#include "sdk/app.h"
#include "sdk/request.h"

#define FAILED_EVENT "inngest/function.failed"
#define FINISHED_EVENT "inngest/function.finished"

/* Whether anybody here waits for it: each costs a message. */
static bool is_wanted(const struct stepd_ctx *ctx, const char *name)
{
    return ctx->settings->routes != NULL && routes_match(ctx->settings->routes, ctx->run->event->view.topic, name, NULL, 0) > 0;
}

static enum stepd_status tell(struct stepd_ctx *ctx, const char *name, const struct stepd_error *error, const msgpack_sbuffer *result)
{
    const struct sdk_function *function = stepd_options(ctx);
    msgpack_sbuffer data;

    msgpack_sbuffer_init(&data);
    request_write_end(ctx, function->slug, error, result, &data);
    enum stepd_status status = stepd_send_event(ctx, name, name, &data);
    msgpack_sbuffer_destroy(&data);
    return status;
}

enum stepd_status end_events_tell_failure(struct stepd_ctx *ctx)
{
    const struct stepd_error error = *stepd_last_error(ctx);

    /* A listener to failures that fails itself would be told of that for ever. */
    if (strcmp(stepd_event(ctx)->name, FAILED_EVENT) != 0)
        STEPD_TRY(tell(ctx, FAILED_EVENT, &error, NULL));
    return is_wanted(ctx, FINISHED_EVENT) ? tell(ctx, FINISHED_EVENT, &error, NULL) : STEPD_OK;
}

enum stepd_status end_events_tell_success(struct stepd_ctx *ctx)
{
    if (!is_wanted(ctx, FINISHED_EVENT) || strcmp(stepd_event(ctx)->name, FINISHED_EVENT) == 0)
        return STEPD_OK;
    return tell(ctx, FINISHED_EVENT, NULL, &ctx->output);
}
