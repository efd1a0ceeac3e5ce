/* SPDX-License-Identifier: Apache-2.0 */
/* Runs as rows of a table, for the commands that list them. */
#ifndef STEPD_CTL_RUN_TABLE_H
#define STEPD_CTL_RUN_TABLE_H

#include "ctl/find.h"
#include "ctl/text.h"
#include "view/run_view.h"

/* Gives each that was found to `take`, if it still passes, until that wants no more (false). 0, or as runs_load(); a run
 * that is gone or damaged by now is left out. */
int run_views_each(struct ctl *ctl, const struct find_filter *filter, const struct finds *finds,
                   bool (*take)(void *context, const struct run_view *view), void *context) MUST_CHECK;

/* With its head. */
struct table *run_table_begin(void);
void run_table_add(struct table *table, const struct run_view *view);

#endif
