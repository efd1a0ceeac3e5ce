/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what modules declare and the config says to the daemon's functions. A setting is the config's
 * for that function, else the module's, else the config's for all functions, else the built-in one;
 * `.retries`, `.jitter_ms`, `.backoff` and `.dedupe_ms` that a module left alone count as not its own.
 */
#ifndef STEPD_MODULES_FUNCTIONS_H
#define STEPD_MODULES_FUNCTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/function.h"
#include "service/config.h"

struct functions {
    const struct function **items;
    size_t count;
};

/* Appends to `faults` all that is wrong. `is_complete`: all modules are here, so that an id of the
 * config that none of them has is a slip. What it builds points into config and modules. */
void functions_build(const struct config *config, struct module *const *modules, size_t module_count, bool is_complete,
                     struct functions *functions, struct config_faults *faults);
void functions_done(struct functions *functions);

#endif
