/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of the protocol (handlers/program/PROTOCOL.md): what the host has to know of one it hears, and those it writes. */
#ifndef STEPD_PROGRAM_LINE_H
#define STEPD_PROGRAM_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stepd/stepd.h>

#include "program/declarations.h"
#include "program/held_call.h"

enum spoken_kind { SPOKEN_HELLO, SPOKEN_LOG, SPOKEN_BYE, SPOKEN_REPORTS, SPOKEN_ENDS, SPOKEN_UNKNOWN };

struct spoken {
    enum spoken_kind kind;
    bool has_call;
    uint64_t call;
};

/* False: it is no JSON object, or has no type. What begins with `type` and `call`, as clients write it, is not read to its end. */
bool line_hear(const char *text, size_t size, struct spoken *ret_spoken);

/* The caller frees; all are one line, without its end. */
char *line_welcome(const char *program, int process, int in_flight, const struct hello_answer *answer);
char *line_refused(const char *why);
/* These without the call's number and what stands before it. `now_ms`: the store's. */
char *line_call(struct stepd_ctx *ctx, const struct branches *branches, int64_t now_ms, size_t *ret_size);
char *line_answer_ok(const char *id, size_t *ret_size);
char *line_answer_result(const char *id, struct bytes result, size_t *ret_size);
char *line_answer_failed(const char *id, const struct stepd_error *error, size_t *ret_size);
char *line_answer_later(const char *id, size_t *ret_size);

#endif
