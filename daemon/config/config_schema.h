/* SPDX-License-Identifier: Apache-2.0 */
/* Which keys a config has, what may stand at each, and what stands there unless it is given. */
#ifndef STEPD_CONFIG_CONFIG_SCHEMA_H
#define STEPD_CONFIG_CONFIG_SCHEMA_H

#include <stddef.h>

#include "config/config_key.h"
#include "config/config_values.h"

/* A map at the top whose keys are fields of struct config, too. */
struct config_section {
    const char *name;
    struct config_keys keys;
};

/* Into struct config. */
extern const struct config_keys CONFIG_TOP;
extern const struct config_section CONFIG_SECTIONS[];
extern const size_t CONFIG_SECTION_COUNT;
/* Of an entry of `functions:`, into struct config_function. */
extern const struct config_keys CONFIG_FUNCTION;
/* Of an entry of `programs:`, into struct config_program. */
extern const struct config_keys CONFIG_PROGRAM;

/* `config` is zeroed. */
void config_set_defaults(struct config *config);

#endif
