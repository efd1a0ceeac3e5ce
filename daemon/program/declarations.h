/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions that programs declared. What a program's newest hello says replaces what it said before; a function that
 * is once made stays until the daemon ends, since runs of it may be under way, and the daemon's routes lead to the
 * newest. Locks itself: any thread may ask.
 */
#ifndef STEPD_PROGRAM_DECLARATIONS_H
#define STEPD_PROGRAM_DECLARATIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "config/config.h"
#include "program/declared.h"
#include "run/function.h"
#include "run/routes.h"

#define PROGRAM_FUNCTIONS_MAX 1000 /* of all programs, since the start */

struct declarations;
struct program;

/* base.options points to itself; the struct is constant once made. */
struct program_function {
    struct function base;
    struct program *program;
    bool is_gone; /* its program no longer declares it: what waits fails */
};

/* What became of a hello. */
struct hello_answer {
    char **taken; /* ids */
    size_t taken_count;
    struct refusal *refused;
    size_t refused_count;
    char *why; /* the hello as a whole is refused; NULL: it isn't */
};
void hello_answer_done(struct hello_answer *answer);

struct declarations_settings {
    const struct config *config;
    struct routes *routes;
    size_t first_index;        /* of its functions in the daemon's list */
    struct declared_code code; /* of all functions */
    /* Whether a function that is no program's has the id. */
    bool (*is_others)(void *context, const char *id);
    void *context;
};

struct declarations *declarations_create(const struct declarations_settings *settings);
void declarations_destroy(struct declarations *declarations);
/* Takes the hello of a program. 0, or -EINVAL: ret_answer->why. */
int declarations_take(struct declarations *declarations, const char *name, struct bytes hello, struct program *program,
                      struct hello_answer *ret_answer) MUST_CHECK;
/* From here on settings of functions come from that config, which lives as long. */
void declarations_renew(struct declarations *declarations, const struct config *config);
/* At most `limit` runs at once of each of the program's functions, where it is not 0; the others wait in the store. */
void declarations_hold_up(struct declarations *declarations, const char *name, int limit);
/* The newest of that id; NULL: no program has, or had, it. */
const struct function *declarations_find(struct declarations *declarations, const char *id);
/* The name of the program that declares it; the caller frees. NULL: none does. */
char *declarations_speaker(struct declarations *declarations, const char *id);
void declarations_each(struct declarations *declarations, void (*each)(void *context, const struct function *function), void *context);
/* The program's hello, a copy that the caller frees; NULL: none. *ret_size without the NUL. */
char *declarations_hello(struct declarations *declarations, const char *name, size_t *ret_size);

#endif
