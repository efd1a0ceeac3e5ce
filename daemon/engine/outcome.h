/* SPDX-License-Identifier: Apache-2.0 */
/* The one line that the log has of an attempt, whoever made it. */
#ifndef STEPD_ENGINE_OUTCOME_H
#define STEPD_ENGINE_OUTCOME_H

#include <stdbool.h>

#include "run/attempt.h"

/* What went well is said only where somebody watches, or debugs. */
void outcome_log(const struct run *run, const struct attempt_report *report, bool is_watched);
/* An event that no function wants: where somebody watches that is most often a slip in its name. */
void outcome_log_unhandled(const struct stepd_event *event, bool is_watched);

#endif
