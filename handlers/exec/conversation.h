/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One attempt with one program: what it asks becomes steps of the run, and how it ends, the outcome. Between what it
 * asks the run is away, so a conversation goes on from stay to stay of its run on a worker.
 */
#ifndef HANDLERS_EXEC_CONVERSATION_H
#define HANDLERS_EXEC_CONVERSATION_H

#include <stepd/stepd.h>

#include "host.h"

struct exec_options {
    const char *const *command;
    const char *const *environment; /* name, value, … */
    const char *directory;
    const char *input;
    const char *const *fail_on; /* exit statuses after which no attempt is worth it */
    int64_t output_most, line_most;
    bool inherits_environment;
};

/* Of the program that was started. */
struct conversation *conversation_create(struct stepd_ctx *ctx, const struct exec_options *options, struct hosted *hosted);
void conversation_destroy(struct conversation *conversation);
/* What has come since the run left. The function returns what this answers: the run leaves again, or it is over. */
enum stepd_status conversation_go_on(struct stepd_ctx *ctx, struct conversation *conversation);

#endif
