/* SPDX-License-Identifier: Apache-2.0 */
/* A request of a member of a group, and the way its answer takes. */
#ifndef STEPD_DEV_GROUP_REQUEST_H
#define STEPD_DEV_GROUP_REQUEST_H

#include <stdint.h>

#include "dev/wire.h"

/* One request: the connection it came on, and the place its answer goes to. */
struct group_request {
    const void *client;
    void *ticket;
    int16_t api_key, version;
    struct wire_span client_id;
    int64_t now_ms; /* monotonic */
};

/* Takes what is in `body` (the response after its header) and leaves it empty. */
typedef void groups_reply_fn(void *ticket, struct wire_buffer *body);

#endif
