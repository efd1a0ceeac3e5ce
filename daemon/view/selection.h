/* SPDX-License-Identifier: Apache-2.0 */
/* Which runs are meant, of all there are: by what a person says of them. */
#ifndef STEPD_VIEW_SELECTION_H
#define STEPD_VIEW_SELECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "codec/expression.h"
#include "view/run_view.h"

/* NULL: any, of all but the times. Borrows. */
struct selection {
    const char *statuses; /* letters of enum run_status */
    const char *function;
    const char *error;              /* the name of the latest failure */
    const char *event;              /* a name; with a trailing * how it begins */
    int64_t since_ms, until_ms;     /* when the run was created; INT64_MIN, INT64_MAX: any */
    const struct expression *where; /* over the run's event */
};

#define SELECTION_OF_ALL \
    { \
        .since_ms = INT64_MIN, .until_ms = INT64_MAX \
    }

bool selection_has_status(const struct selection *selection, enum run_status status);
/* Whether what a record's head tells is not enough: selection_takes() is to be asked as well. */
bool selection_needs_whole(const struct selection *selection);
/* By what the head of a record tells. */
bool selection_may_take(const struct selection *selection, const struct record *record);
/* By the rest: 1 it is meant, 0 it is not, -EINVAL: it is not, because the expression failed, with the reason. */
int selection_takes(const struct selection *selection, struct run_view *view, struct error *ret_error) MUST_CHECK;

/* The same for an event's name, and for the event. */
bool selection_has_event(const struct selection *selection, const char *name);
int selection_holds(const struct selection *selection, struct event *event, int64_t now_ms, struct error *ret_error) MUST_CHECK;

#endif
