/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps of one run that are tried beside each other: which, how often each has failed, and when it is
 * due again. Kept in the run's tail, so that a daemon that takes the run over counts on. The run's holder's.
 */
#ifndef STEPD_RUN_BRANCHES_H
#define STEPD_RUN_BRANCHES_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "run/context.h"
#include "run/run.h"

/* One step; or, with no name, the function itself, which looks for what comes next. */
struct branch {
    char name[STEP_ID_SIZE]; /* ours */
    int attempt;             /* errors so far; the function's are the run's */
    int64_t due_ms;          /* not before; 0: now */
    bool is_outside;         /* the daemon itself asks for it elsewhere, for which the app has to say once more what */
    bool is_called;          /* a call of it is under way */
};

struct branches {
    struct branch *items;
    size_t count;
};

/* What `packed` holds; nothing where it is damaged. */
void branches_load(struct branches *branches, struct bytes packed);
void branches_done(struct branches *branches);
/* Appends all. */
void branches_pack(const struct branches *branches, msgpack_sbuffer *buffer);
/* Into ctx->branches: the next tail that is written has them. */
void branches_keep(const struct branches *branches, struct stepd_ctx *ctx);

/* NULL: there is none of that name. Until the next change of the list. */
struct branch *branches_find(const struct branches *branches, const char *name);
/* The one there is, or a new one. */
struct branch *branches_add(struct branches *branches, const char *name);
void branches_remove(struct branches *branches, const char *name);

#endif
