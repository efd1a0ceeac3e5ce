/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One change of many runs, chosen by filters. All are found first, so that one that fails again at once is not
 * retried twice; then they are changed, oldest first, some at once, by threads that rest as long as they worked: what else
 * asks Redis goes in between. Each run is changed whole or not at all, whenever this is ended.
 */
#ifndef STEPD_CTL_BULK_H
#define STEPD_CTL_BULK_H

#include "ctl/choice.h"
#include "ctl/ctl.h"
#include "store/runs.h"

struct bulk {
    const char *done;       /* the name of their number in JSON: "retried" */
    const char *one, *many; /* behind how many runs: "begins anew", "begin anew" */
    const char *would;      /* "would begin anew" */
    enum runs_deed deed;
};

/* Finds, changes, and says how many. With --dry-run it says how many there are. */
enum ctl_exit bulk_run(struct ctl *ctl, const struct bulk *bulk, const struct selection *selection) MUST_CHECK;

#endif
