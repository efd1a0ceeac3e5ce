/* SPDX-License-Identifier: Apache-2.0 */
/* What modules declare, before the config has its say: each function and template once, with what is wrong with it. */
#ifndef STEPD_MODULES_MODULE_DECLARATIONS_H
#define STEPD_MODULES_MODULE_DECLARATIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "config/setting.h"
#include "modules/module_file.h"

/* A function or template as its module declares it. */
struct declaration {
    struct stepd_function function; /* its id is a valid one */
    const struct module *module;
    struct place place; /* the module's file */
    bool is_sound;      /* nothing else is wrong with it */
};

/* All of all modules; no two have the same id. */
struct module_declarations {
    struct declaration *items;
    size_t count;
};

/* Adds faults for those that are left out, and for those that are not sound. */
void module_declarations_read(struct module *const *modules, size_t module_count, struct module_declarations *ret_declarations,
                              struct config_faults *faults);
void module_declarations_done(struct module_declarations *declarations);
const struct declaration *module_declarations_find(const struct module_declarations *declarations, const char *id);

/* A module that was built before there was flow control may have options that bear its names: they stay options. */
bool declaration_knows_flow(const struct declaration *declaration);
/* What its options may not be called; NULL ends them. */
const char *const *declaration_taken_keys(const struct declaration *declaration);
/* A star elsewhere than at the end would silently never match. */
bool declaration_event_is_valid(const char *event);

#endif
