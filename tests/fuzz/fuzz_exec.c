/* SPDX-License-Identifier: Apache-2.0 */
/* A line that a program under `exec` asks: understood within its bounds, or refused with a reason. */
#include "fuzz.h"

#include "request.h"
#include "run/context.h"

static void check(const struct request *request)
{
    require(request->kind == REQUEST_OUTPUT || (request->id[0] != '\0' && strlen(request->id) <= 200));
    require(request->retry_after_ms >= -1 && request->delay_ms >= 0);
    require(request->kind != REQUEST_ERROR || strlen(request->error_name) < sizeof(request->error_name));
    require(request->kind != REQUEST_RESULT || request->value != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct stepd_ctx ctx;
    struct request request;
    void *line = exact_copy(data, size);

    context_init(&ctx);
    if (request_read(&ctx, line, size, &request) == NULL)
        check(&request);
    context_done(&ctx);
    free(line);
    return 0;
}
