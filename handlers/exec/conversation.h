/* SPDX-License-Identifier: Apache-2.0 */
/* One attempt with one program: what it asks becomes steps of the run, and how it ends, the outcome. */
#ifndef HANDLERS_EXEC_CONVERSATION_H
#define HANDLERS_EXEC_CONVERSATION_H

#include <stepd/stepd.h>

#include "program.h"

struct exec_options {
    const char *const *command;
    const char *const *environment; /* name, value, … */
    const char *directory;
    const char *input;
    const char *const *fail_on; /* exit statuses after which no attempt is worth it */
    int64_t output_most, line_most;
    bool inherits_environment;
};

/* Until the program has ended, of its own or not. */
enum stepd_status conversation_hold(struct stepd_ctx *ctx, const struct exec_options *options, struct program *program);

#endif
