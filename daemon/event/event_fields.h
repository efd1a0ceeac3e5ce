/* SPDX-License-Identifier: Apache-2.0 */
/* An event, as expressions ask for it. Data is decoded when an expression asks for it, and not before. */
#ifndef STEPD_EVENT_EVENT_FIELDS_H
#define STEPD_EVENT_EVENT_FIELDS_H

#include <assert.h>
#include <stdbool.h>

#include <stddef.h>
#include <stepd/stepd.h>

#include "codec/expression.h"
#include "event/event.h"

struct event_fields {
    struct expression_event base; /* first: what an expression gets */
    const struct stepd_event *view;
    struct event *event; /* NULL: the view is decoded */
    bool is_row;
};

static_assert(offsetof(struct event_fields, base) == 0, "an expression is given its base");

/* `event` outlives the fields, and its name was found. As a function by event sees it. */
void event_fields_init(struct event_fields *fields, struct event *event);
/* As a function by topic sees it. */
void event_fields_init_of_row(struct event_fields *fields, struct event *event);
/* As a handler sees it: decoded. `view` outlives the fields. */
void event_fields_init_of_view(struct event_fields *fields, const struct stepd_event *view);

#endif
