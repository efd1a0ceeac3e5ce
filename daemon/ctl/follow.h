/* SPDX-License-Identifier: Apache-2.0 */
/* `stepctl runs --follow`. */
#ifndef STEPD_CTL_FOLLOW_H
#define STEPD_CTL_FOLLOW_H

#include "ctl/ctl.h"
#include "view/selection.h"

/* Prints a line of each run that is meant and begins, or changes, until Ctrl-C or nobody reads. */
enum ctl_exit follow_runs(struct ctl *ctl, const struct selection *selection);

#endif
