/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STEPD_PARTS_SDK_RUNS_H
#define STEPD_PARTS_SDK_RUNS_H

#include <stdbool.h>

#include "sdk/inngest_settings.h"

/* Without its context: the struct daemon. */
extern const struct runs_port part_runs_port;
bool part_knows_function(void *context, const char *id);

#endif
