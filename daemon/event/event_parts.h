/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The events of a message with a CloudEvents batch. Each is an event of its own, whose value is its own JSON and
 * whose headers are the message's but for the content type, which is a single CloudEvent's: so a record, a dead
 * letter and a retry of it need to know nothing of batches.
 */
#ifndef STEPD_EVENT_EVENT_PARTS_H
#define STEPD_EVENT_EVENT_PARTS_H

#include <stddef.h>

#include "event/event.h"

#define EVENT_INDEX_HEADER "stepd-batch-index" /* of a part's headers: where in the batch it stands */

struct event_parts {
    size_t count;
    struct event_header *headers; /* of all parts, one after the other */
    char (*indexes)[24];
    struct event events[];
};

/* Of a message whose value is a JSON array of events; they borrow what it does. 0, or -EBADMSG with the reason. */
int event_parts_create(const struct event *message, struct bytes value, struct event_parts **ret_parts, struct error *ret_error) MUST_CHECK;
/* NULL is fine. */
void event_parts_destroy(struct event_parts *parts);

#endif
