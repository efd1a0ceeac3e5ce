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

#include "config/config.h"
#include "run/function.h"

struct functions {
    const struct function **items;
    const struct function **by_id; /* the same, sorted */
    size_t count;
};

/* Appends to `faults` all that is wrong. `is_complete`: all modules are here, so that an id of the
 * config that none of them has is a slip. What it builds points into config and modules. */
void functions_build(const struct config *config, struct module *const *modules, size_t module_count, bool is_complete,
                     struct functions *functions, struct config_faults *faults);
void functions_done(struct functions *functions);

/* Function `id` as a run of it is to begin now; NULL: there is none. Any thread. */
const struct function *functions_find(const struct functions *functions, const char *id);

/* Gives each function the settings that it has in `newer`, made of the same modules; its id, trigger
 * and ordering stay. A function that is not in both stays as it is. `newer` must live as long. One
 * thread; others may run attempts meanwhile. */
void functions_renew(const struct functions *functions, const struct functions *newer);

#endif
