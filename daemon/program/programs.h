/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All programs that stay, as the rest of the daemon sees them. What they declared is remembered on a shelf that all
 * daemons share, so that their events wait for one that can't be started.
 */
#ifndef STEPD_PROGRAM_PROGRAMS_H
#define STEPD_PROGRAM_PROGRAMS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/memory.h"
#include "config/config.h"
#include "config/setting.h"
#include "program/declarations.h"
#include "program/host.h"
#include "run/function.h"
#include "run/routes.h"

#define PROGRAMS_SHELF "programs"                 /* hellos, by program */
#define PROGRAMS_TROUBLE_SHELF "programs-trouble" /* why one does not serve, by program; empty: it does */

struct programs;

/* Where hellos are kept: 0 once it is durable, or all was told; or negative errno. */
struct programs_shelf {
    int (*save)(void *context, const char *shelf, const char *name, struct bytes thing);
    int (*load)(void *context, const char *shelf, void (*each)(void *each_context, const char *name, struct bytes thing),
                void *each_context);
    void *context;
};

struct programs_settings {
    const struct config *config;
    struct routes *routes;
    size_t first_index; /* of its functions in the daemon's list */
    bool (*is_others)(void *context, const char *id);
    void *context;
    struct programs_shelf shelf;
};

/* What keeps programs from being run now, each with its place. */
void programs_look(const struct config *config, struct config_faults *warnings);

struct programs *programs_create(const struct programs_settings *settings);
int programs_start(struct programs *programs, struct error *ret_error) MUST_CHECK;
/* Ends all processes, and waits for that. NULL is fine, here and below. */
void programs_stop(struct programs *programs);
void programs_destroy(struct programs *programs);
/* Any thread; `config` lives as long. */
void programs_reload(struct programs *programs, const struct config *config);

/* Any thread. Waits until it is known what all programs declare, by their hello now or one that is remembered; for 30 s
 * at most, which is said. False: it is to stop. */
bool programs_wait(struct programs *programs);
const struct function *programs_find_function(struct programs *programs, const char *id);
/* "program NAME", of the one that declares that function; the caller frees. NULL: none does. */
char *programs_holder(struct programs *programs, const char *id);
void programs_each_function(struct programs *programs, void (*each)(void *context, const struct function *function), void *context);
void programs_each(struct programs *programs, void (*each)(void *context, const struct program_counts *counts), void *context);

#endif
