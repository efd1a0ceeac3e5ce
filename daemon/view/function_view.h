/* SPDX-License-Identifier: Apache-2.0 */
/* A function's settings as people and programs see them. */
#ifndef STEPD_VIEW_FUNCTION_VIEW_H
#define STEPD_VIEW_FUNCTION_VIEW_H

#include "run/function.h"
#include "view/json_out.h"

/* Members of an object that is open: each setting under its name in the config, in its form there; durations as
 * numbers, under names that end in `_ms`. What is not set is null, or an empty list. */
void function_view_settings(struct json_out *out, const struct function *function);
/* Flow control in a few words, "throttle 10 in 1m  at most 5 at once by key"; "": none. The caller frees. */
char *function_view_flow(const struct function *function);

#endif
