/* SPDX-License-Identifier: Apache-2.0 */
/* What a service manager has to do with: functions that take their time, and one that crashes. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stepd/stepd.h>

static enum stepd_status greet(struct stepd_ctx *ctx)
{
    const char *name = stepd_get_str(ctx, stepd_event(ctx)->data, "name", "world");
    msgpack_pack_str_with_body(stepd_output(ctx), name, strlen(name));
    return STEPD_OK;
}

static enum stepd_status slow(struct stepd_ctx *ctx)
{
    (void)ctx;
    (void)sleep(12);
    return STEPD_OK;
}

static enum stepd_status crash(struct stepd_ctx *ctx)
{
    (void)ctx;
    abort();
}

STEPD_MODULE(.name = "machine", .functions = STEPD_FUNCTIONS(STEPD_FUNCTION(.id = "greet", .event = "user/came", .run = greet),
                                                             STEPD_FUNCTION(.id = "slow", .event = "job/slow", .run = slow),
                                                             STEPD_FUNCTION(.id = "crash", .event = "job/crash", .run = crash, .retries = 1,
                                                                            .backoff = STEPD_BACKOFF(500), .jitter_ms = 0)));
