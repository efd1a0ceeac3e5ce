/* SPDX-License-Identifier: Apache-2.0 */
/* Five functions as a new user would write them: by name, by prefix, by topic, one that recovers, one that ends dead. */
#include <stepd/stepd.h>
#include <string.h>

static void answer(struct stepd_ctx *ctx, const char *text)
{
    msgpack_pack_str_with_body(stepd_output(ctx), text, strlen(text));
}

static enum stepd_status greet(struct stepd_ctx *ctx)
{
    answer(ctx, stepd_get_str(ctx, stepd_event(ctx)->data, "user.name", "nobody"));
    return STEPD_OK;
}

static enum stepd_status audit(struct stepd_ctx *ctx)
{
    answer(ctx, stepd_event(ctx)->name);
    return STEPD_OK;
}

static enum stepd_status measure(struct stepd_ctx *ctx)
{
    msgpack_pack_uint64(stepd_output(ctx), stepd_event(ctx)->raw_len);
    return STEPD_OK;
}

static enum stepd_status flaky(struct stepd_ctx *ctx)
{
    if (stepd_attempt(ctx) < 2)
        return stepd_error(ctx, "Flaky", "attempt %d of %d", stepd_attempt(ctx), stepd_max_attempts(ctx));
    msgpack_pack_int(stepd_output(ctx), stepd_attempt(ctx));
    return STEPD_OK;
}

static enum stepd_status doomed(struct stepd_ctx *ctx)
{
    return stepd_error(ctx, "Doomed", "attempt %d", stepd_attempt(ctx));
}

STEPD_MODULE(.name = "five",
             .functions = STEPD_FUNCTIONS(STEPD_FUNCTION(.id = "greet", .event = "user/came", .run = greet),
                                          STEPD_FUNCTION(.id = "audit", .event = "user/*", .run = audit),
                                          STEPD_FUNCTION(.id = "measure", .topic = "raw", .run = measure),
                                          STEPD_FUNCTION(.id = "flaky", .event = "job/flaky", .run = flaky, .retries = 3),
                                          STEPD_FUNCTION(.id = "doomed", .event = "job/doomed", .run = doomed, .retries = 2)));
