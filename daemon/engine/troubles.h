/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions of a function's settings that failed for an event. */
#ifndef STEPD_ENGINE_TROUBLES_H
#define STEPD_ENGINE_TROUBLES_H

#include "engine/worker.h"
#include "run/flow_ask.h"

/* Counted; said once for each function. */
void troubles_note(struct worker *worker, const struct function *function, const struct flow_troubles *troubles);

#endif
