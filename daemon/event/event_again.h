/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events that a person sends through once more: dead letters that go to their topic again (redrive), and events
 * of the log on which a function starts anew (replay). What drops events (dedupe, and whatever else starts nothing
 * for an event) does not apply to them; what delays them does.
 */
#ifndef STEPD_EVENT_EVENT_AGAIN_H
#define STEPD_EVENT_EVENT_AGAIN_H

#include <stdbool.h>

#include "event/event.h"

#define EVENT_REDRIVE_HEADER "stepd-redrive"     /* the redrive's name */
#define EVENT_REPLAY_HEADER "stepd-replay"       /* the replay's name */
#define EVENT_REPLAY_OF_HEADER "stepd-replay-of" /* the run that the event started first */

static inline bool event_is_again(const struct event *event)
{
    struct bytes name;

    return event->header_count > 0 &&
           (event_header_find(event, EVENT_REDRIVE_HEADER, &name) || event_header_find(event, EVENT_REPLAY_HEADER, &name));
}

#endif
