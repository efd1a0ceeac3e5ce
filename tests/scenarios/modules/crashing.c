/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers that take the daemon with them, each until its attempt 1, and one that never stops doing so. */
#include <signal.h>
#include <stdlib.h>
#include <stepd/stepd.h>
#include <string.h>

static enum stepd_status crash_once(struct stepd_ctx *ctx)
{
    if (stepd_attempt(ctx) == 0)
        raise(SIGSEGV);
    msgpack_pack_int(stepd_output(ctx), stepd_attempt(ctx));
    return STEPD_OK;
}

static enum stepd_status crash_always(struct stepd_ctx *ctx)
{
    (void)ctx;
    abort();
}

static enum stepd_status leave(struct stepd_ctx *ctx, const void *arg)
{
    (void)ctx;
    (void)arg;
    exit(3);
}

/* Its output: the name of the error that the step failed with. */
static enum stepd_status step_exits(struct stepd_ctx *ctx)
{
    enum stepd_status status = stepd_step_run(ctx, "leave", leave, NULL, NULL);

    if (status != STEPD_FAILED)
        return status;
    msgpack_pack_str_with_body(stepd_output(ctx), stepd_last_error(ctx)->name, strlen(stepd_last_error(ctx)->name));
    return STEPD_OK;
}

static enum stepd_status once_only(struct stepd_ctx *ctx)
{
    const struct stepd_policy policy = { .retries = 5, .at_most_once = true };
    enum stepd_status status = stepd_step_run_with(ctx, &policy, "leave", leave, NULL, NULL);

    if (status != STEPD_FAILED)
        return status;
    msgpack_pack_str_with_body(stepd_output(ctx), stepd_last_error(ctx)->name, strlen(stepd_last_error(ctx)->name));
    return STEPD_OK;
}

static enum stepd_status wait_for_it(struct stepd_ctx *ctx)
{
    msgpack_pack_int(stepd_output(ctx), stepd_attempt(ctx));
    return STEPD_OK;
}

STEPD_MODULE(.name = "crashing",
             .functions = STEPD_FUNCTIONS(STEPD_FUNCTION(.id = "crash-once", .event = "crash/once", .run = crash_once),
                                          STEPD_FUNCTION(.id = "crash-always", .event = "crash/always", .run = crash_always, .retries = 1),
                                          STEPD_FUNCTION(.id = "step-exits", .event = "crash/step", .run = step_exits, .retries = 1),
                                          STEPD_FUNCTION(.id = "once-only", .event = "crash/once-only", .run = once_only),
                                          STEPD_FUNCTION(.id = "bystander", .event = "crash/bystander", .run = wait_for_it)));
