/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Consumer groups of the embedded broker: who is a member, who leads, who has which assignment.
 *
 * librdkafka's mock broker has a coordinator of its own, but lets a new group wait three seconds
 * and a group whose member was killed for up to three session timeouts (it elects the dead one as
 * leader). This one rebalances at once when all members have joined, and takes a closed connection
 * for a member's death, so a daemon that crashed and was restarted goes on within milliseconds.
 * Committed offsets stay in the mock broker; commits of who is no member any more are refused here.
 *
 * Runs on: the forwarder's thread only. Requests are answered through `reply`, at once or later.
 */
#ifndef STEPD_DEV_GROUPS_H
#define STEPD_DEV_GROUPS_H

#include <stdbool.h>
#include <stdint.h>

#include "dev/apis.h"
#include "dev/group_request.h"
#include "dev/wire.h"

struct groups;

struct groups *groups_create(groups_reply_fn *reply);
void groups_destroy(struct groups *groups);
/* The thread that asked them is over: from here on whoever asks is the one. */
void groups_hand_over(struct groups *groups);

/* False: not for the groups, the broker behind is to answer it. */
bool groups_handle(struct groups *groups, const struct group_request *request, struct wire_reader body);

/* Its members leave; no reply goes to its tickets any more. */
void groups_client_closed(struct groups *groups, const void *client, int64_t now_ms);

/* Drops silent members, ends rebalances that took too long. To be called some times a second. */
void groups_tick(struct groups *groups, int64_t now_ms);

#endif
