/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All modules of a config and the functions they make. Loaded once, at start; only the functions'
 * settings may be renewed afterwards. The daemon's start and `stepd --check` do the same. One thread.
 */
#ifndef STEPD_MODULES_LOADER_H
#define STEPD_MODULES_LOADER_H

#include <stddef.h>

#include "base/error.h"
#include "config/config.h"
#include "modules/functions.h"
#include "run/function.h"

struct loaded {
    struct module **modules; /* in the config's order, a folder's by name; module->index counts them */
    size_t module_count;
    size_t initialised_count; /* of them, from the first */
    struct functions functions;
    const struct config *config;
    struct functions *renewals; /* what later configs made of the functions; all kept, they may be in use */
    size_t renewal_count;
};

/* Tries every module and tells every fault. 0, or -EINVAL with at least one more fault. The config
 * must live longer than what was loaded. No code of a module runs but its constructors. */
int loader_load(const struct config *config, struct loaded **ret_loaded, struct config_faults *faults) MUST_CHECK;

/* Renews the functions' settings from a later config, which must live as long as `loaded`; attempts may
 * run meanwhile. Checks it as loader_load() does, as far as it can without opening other modules. 0, or
 * -EINVAL with at least one more fault and nothing changed. */
int loader_renew(struct loaded *loaded, const struct config *config, struct config_faults *faults) MUST_CHECK;

/* Calls each module's init. -ECANCELED when one refuses; those before it are told to exit. */
int modules_init(struct loaded *loaded, struct error *ret_error) MUST_CHECK;
/* Calls the exit of those that were initialised, the last one first. No attempt may run any more. */
void modules_exit(struct loaded *loaded);

/* Code stays loaded. NULL is fine. */
void loaded_destroy(struct loaded *loaded);

#endif
