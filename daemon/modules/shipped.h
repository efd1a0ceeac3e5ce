/* SPDX-License-Identifier: Apache-2.0 */
/* The ready-made modules that come with the daemon, and are there without being named under `modules:`. */
#ifndef STEPD_MODULES_SHIPPED_H
#define STEPD_MODULES_SHIPPED_H

#include <stdbool.h>

/* Whether `name` is a template of a module that comes with the daemon. */
bool shipped_has(const char *name);
/* The file of that module, where the daemon was installed or built; NULL: it is not there. Caller frees. */
char *shipped_file(const char *name);

#endif
