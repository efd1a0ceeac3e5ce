/* SPDX-License-Identifier: Apache-2.0 */
/* The filters of the command line, as a selection of runs. */
#ifndef STEPD_CTL_CHOICE_H
#define STEPD_CTL_CHOICE_H

#include "ctl/ctl.h"
#include "ctl/find.h"
#include "view/selection.h"

/* Letters of enum run_status. */
#define CHOICE_UNENDED "dsobqw"
#define CHOICE_ENDED "cfx"
#define CHOICE_UNDONE "fx" /* can be retried */

struct choice {
    struct selection selection;
    struct expression *where; /* what the selection borrows */
};

/* Whether any filter is given. */
bool choice_is_given(const struct ctl *ctl);
/* Of those that wait in a line: `queued` are they alone, `delayed` none of them. */
enum find_lines choice_lines(const struct ctl *ctl);
/* `otherwise`: the statuses that are meant where --status is not given; NULL: all. Says itself what is wrong;
 * choice_done() in any case. */
enum ctl_exit choice_read(const struct ctl *ctl, const char *otherwise, struct choice *choice) MUST_CHECK;
void choice_done(struct choice *choice);

/* --where, compiled; NULL where it is not given. Says itself what is wrong. */
enum ctl_exit choice_compile(const struct ctl *ctl, struct expression **ret_where) MUST_CHECK;

#endif
