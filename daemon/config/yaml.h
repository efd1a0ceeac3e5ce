/* SPDX-License-Identifier: Apache-2.0 */
/* A YAML file as a tree of settings with their places; variables and credentials expanded. */
#ifndef STEPD_CONFIG_YAML_H
#define STEPD_CONFIG_YAML_H

#include "config/setting.h"

/* What a variable or a credential is that is not there. */
enum yaml_missing {
    YAML_MISSING_IS_WRONG,
    YAML_MISSING_IS_EMPTY, /* but in `kafka` and `redis` */
};

/* Adds what the file holds to `root`, a map (zeroed: empty): maps merge, anything else replaces.
 * Whatever is wrong in the file itself goes to `faults`; the rest of it is added all the same. False: it
 * can't be read, or is not YAML, so that much of it may be missing. */
bool yaml_load(const char *path, enum yaml_missing missing, struct setting *root, struct config_faults *faults);
/* The same of a text, which faults call `name`. */
bool yaml_parse(const char *text, const char *name, enum yaml_missing missing, struct setting *root, struct config_faults *faults);
void setting_done(struct setting *setting);

#endif
