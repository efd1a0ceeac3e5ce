/* SPDX-License-Identifier: Apache-2.0 */
/* One function as a hello declares it, made a function of the daemon with the config's settings. */
#ifndef STEPD_PROGRAM_DECLARED_H
#define STEPD_PROGRAM_DECLARED_H

#include <msgpack.h>

#include "config/config.h"
#include "modules/functions.h"

/* What the engine calls for all of them. */
struct declared_code {
    stepd_run_fn run, on_failure;
};

/* Why a function is not taken; owned. */
struct refusal {
    char *id, *place, *reason;
};

/* What a function is made of; lives as long as it. */
struct declared {
    char *id;
    char *place;
    bool has_on_failure;
    struct setting given;  /* as the hello has it; owned */
    struct setting merged; /* with the config's; its items are borrowed from both */
    struct config_function settings;
    struct stepd_function function;
    struct stepd_module module;
    struct module loaded;
    struct module *modules[1];
    struct functions made; /* empty: the config has turned it off */
};

/* Reads one. NULL: *ret_refusal says why not, which the caller frees. */
struct declared *declared_read(const msgpack_object *object, const struct config *config, const struct declared_code *code,
                               struct refusal *ret_refusal);
void declared_destroy(struct declared *declared);

#endif
