/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One module's file. Nothing of it runs before it is known that nobody but root and the daemon's
 * user could have written it; nothing of its declaration is read before its ABI fits. It stays
 * open until the process ends.
 */
#ifndef STEPD_MODULES_MODULE_FILE_H
#define STEPD_MODULES_MODULE_FILE_H

#include <stepd/stepd.h>

#include "config/setting.h"
#include "run/function.h"

/* The module's name, functions and options are not yet checked. NULL after a fault. */
struct module *module_open(const char *path, struct config_faults *faults);
/* Frees what describes it; its options and its code stay. NULL is fine. */
void module_forget(struct module *module);

/* A copy of the function it declares at `at`: zero where the module is older than a field. */
struct stepd_function module_function(const struct module *module, size_t at);

#endif
