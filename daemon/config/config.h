/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's config: one YAML file and the drop-ins beside it (conf.d/ *.yaml, in order of name;
 * maps merge, anything else replaces). Scalars may hold ${NAME}, ${NAME:-otherwise} (environment),
 * ${CREDENTIAL:name} (a file of $CREDENTIALS_DIRECTORY); $${ is a plain ${. config/stepd.yaml says
 * what each key means. Constant once loaded.
 */
#ifndef STEPD_CONFIG_CONFIG_H
#define STEPD_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config_values.h"
#include "config/setting.h"

/* 0 and the config, or -EINVAL with at least one more fault; all there are. */
int config_load(const char *path, struct config **ret_config, struct config_faults *faults) MUST_CHECK;
/* The same for who goes on to look for faults: the config comes with its faults, what is wrong in it left at
 * its default. NULL: with them there is nothing to look at. */
struct config *config_load_to_check(const char *path, struct config_faults *faults) MUST_CHECK;
/* The same for a look at what the daemon does, by someone who may lack its variables and credentials:
 * what is not there is empty, but in `kafka` and `redis`. */
int config_load_to_look(const char *path, struct config **ret_config, struct config_faults *faults) MUST_CHECK;
/* The same of YAML texts, merged in order as drop-ins are; faults call them `name`. */
int config_parse(const char *name, const char *const *texts, size_t count, struct config **ret_config,
                 struct config_faults *faults) MUST_CHECK;
void config_destroy(struct config *config);

/* The settings of function `id`; NULL: the config has none. */
const struct config_function *config_function_find(const struct config *config, const char *id);
/* The keys of an entry of `functions:` that are settings of every function, but for those of config_flow.h; ended by NULL. */
const char *const *config_function_keys(void);
/* The options of module `name`, a map; NULL: the config has none. */
const struct setting *config_module_options(const struct config *config, const char *name);
/* The text of kafka's setting `name`, or NULL. */
const char *config_kafka(const struct config *config, const char *name);

#endif
