/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flow control in the config: the settings of section "flow control" of stepd.h, under the same names, in an entry of
 * `functions:`. They are read over those of the function's module, since what the config leaves out is the module's.
 */
#ifndef STEPD_CONFIG_CONFIG_FLOW_H
#define STEPD_CONFIG_CONFIG_FLOW_H

#include <stdbool.h>
#include <stddef.h>

#include <stepd/stepd.h>

#include "config/setting.h"

/* Lists that settings of the config became; functions point into them. */
struct config_lists {
    void **items;
    size_t count;
};

/* Ended by NULL. */
extern const char *const CONFIG_FLOW_KEYS[];
bool config_flow_is_key(const char *name);
/* Overwrites in `function` what `given`, a map of those keys, has: a setting as a whole, `null` takes it away. Texts
 * are the config's, lists are added to `lists`. `function->retries` is what counts already. */
void config_flow_read(const struct setting *given, struct stepd_function *function, struct config_lists *lists,
                      struct config_faults *faults);
void config_lists_done(struct config_lists *lists);

#endif
