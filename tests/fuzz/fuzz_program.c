/* SPDX-License-Identifier: Apache-2.0 */
/* What programs write on their pipe: a line as the host hears it, and as its call's run reads it. */
#include "fuzz.h"

#include "program/line.h"
#include "program/reply.h"
#include "run/context.h"

static void check_steps(const struct reply *reply)
{
    for (size_t i = 0; i < reply->step_count; i++) {
        const struct reply_step *step = &reply->steps[i];
        require(strlen(step->id) >= 1 && strlen(step->id) <= 200);
        require(step->has_failed ? step->error.said.name[0] != '\0' && step->error.said.message != NULL : step->result != NULL);
    }
}

static void check(const struct reply *reply)
{
    check_steps(reply);
    if (reply->kind == REPLY_SLEEP)
        require(reply->ms >= 0 || reply->until_ms >= 0);
    if (reply->kind == REPLY_SEND || reply->kind == REPLY_WAIT || reply->kind == REPLY_INVOKE)
        require(reply->id != NULL && reply->name != NULL && reply->data != NULL && reply->ms >= 0);
    if (reply->kind == REPLY_OUTPUT)
        require(reply->data != NULL);
    if (reply->kind == REPLY_ERROR)
        require(reply->error.said.name[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct stepd_ctx ctx;
    struct spoken spoken;
    struct reply reply;

    char *line = exact_copy(data, size);
    context_init(&ctx);
    bool is_heard = line_hear(line, size, &spoken);
    const char *fault = reply_read(&ctx, line, size, &reply);
    if (fault == NULL) {
        require(is_heard);
        check(&reply);
    } else {
        require(fault[0] != '\0');
    }
    context_done(&ctx);
    free(line);
    return 0;
}
