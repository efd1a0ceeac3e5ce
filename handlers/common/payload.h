/* SPDX-License-Identifier: Apache-2.0 */
/* What is handed on of an event to a server or a program. */
#ifndef HANDLERS_COMMON_PAYLOAD_H
#define HANDLERS_COMMON_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>

#include <stepd/stepd.h>

enum payload_form {
    PAYLOAD_CLOUDEVENT, /* CloudEvents 1.0, structured JSON */
    PAYLOAD_EVENT,      /* JSON: id, name, data, … as stepd has them */
    PAYLOAD_DATA,       /* the data as JSON; as it is, where it is bytes */
    PAYLOAD_RAW,        /* the message's bytes */
};

struct payload {
    const void *bytes; /* lives until the attempt ends */
    size_t size;
    const char *content_type;
};

/* False: there is no form of that name. */
bool payload_form_parse(const char *name, enum payload_form *ret_form);
/* An event as PAYLOAD_EVENT has the run's own. */
const char *payload_event(struct stepd_ctx *ctx, const struct stepd_event *event);
/* All events of the run, as a JSON array; of those that can't stand in one as PAYLOAD_EVENT has them. */
const char *payload_events(struct stepd_ctx *ctx, enum payload_form form);
/* Of a function with a batch: the array. */
struct payload payload_make(struct stepd_ctx *ctx, enum payload_form form);

#endif
