/* SPDX-License-Identifier: Apache-2.0 */
/* The event that ended a wait, as it stands in the run's checkpoint: a map of msgpack, which as JSON is the event as
 * programs get it (handlers/program/PROTOCOL.md). */
#ifndef STEPD_RUN_WAIT_EVENT_H
#define STEPD_RUN_WAIT_EVENT_H

#include <msgpack.h>

#include "base/bytes.h"
#include "run/context.h"

/* Appends it; it has no raw bytes. */
void wait_event_pack(msgpack_sbuffer *buffer, const struct stepd_event *event);
/* As long as the attempt lasts; NULL: it is nil, the time was over. */
const struct stepd_event *wait_event_build(struct stepd_ctx *ctx, struct bytes packed);

#endif
