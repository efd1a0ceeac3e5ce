/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a conversation: what it says (conversation.c), and how it ends (outcome.c). */
#ifndef HANDLERS_EXEC_CONVERSATION_INTERNAL_H
#define HANDLERS_EXEC_CONVERSATION_INTERNAL_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conversation.h"
#include "program.h"
#include "run/reports.h"

/* A step that was told to run, and was not reported. */
struct running {
    char name[STEP_ID_SIZE]; /* as stepd has it, */
    char id[STEP_ID_SIZE];   /* and as it was asked for */
    int attempt;             /* errors before */
    bool is_beside;          /* of others */
    bool is_single;          /* asked by a line of its own, so nothing else may be asked meanwhile */
    int64_t begun_ms;        /* the store's time */
    int64_t left_ms;         /* that it may still take; INT64_MAX: no limit */
};

struct conversation {
    struct stepd_ctx *ctx; /* of this stay */
    const struct exec_options *options;
    struct hosted *hosted;
    struct program *program;
    struct reports *reports;
    struct running *running;
    size_t count, room;        /* of running */
    int64_t timeout_ms;        /* of a step, and of what stands between them */
    int64_t left_ms;           /* for what stands between them */
    int64_t left_at_ms;        /* monotonic: when the run went away */
    char failed[STEP_ID_SIZE]; /* the latest answer was that this step failed for good; "": it was another */
    const char *fault;         /* the program broke the protocol; NULL: not yet */
    msgpack_sbuffer output;    /* that it reported */
    bool is_over;              /* the function is to return `status` */
    enum stepd_status status;
};

static inline struct step_report running_report(const struct running *step, stepd_step_fn settle, const void *arg)
{
    return (struct step_report){ step->name, step->is_beside, step->attempt, step->begun_ms, settle, arg };
}

/* The program has ended, or was ended. The function returns what this answers. */
enum stepd_status outcome_settle(struct conversation *conversation, enum program_news news);

#endif
